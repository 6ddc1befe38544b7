//! Why a policy cannot stand.

use core::fmt;

/// What is wrong with a policy: the key, and a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Where, as the operator wrote it: `services.api.price_msat`.
    pub key: String,
    /// What, and what would be right.
    pub reason: String,
}

impl PolicyFault {
    pub(crate) fn at(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy: {}: {}", self.key, self.reason)
    }
}

impl std::error::Error for PolicyFault {}
