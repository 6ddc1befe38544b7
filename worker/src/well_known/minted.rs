//! A token as it was minted, and what opens the door to its buyer once it is paid.

use l402::policy::Service;
use l402::token::Token;
use l402::{Preimage, UnixTime, caveat};

use crate::config::gate::Gate;
use crate::objects::Settlement;

/// What opens the door to the buyer of a token, once the node has said that its invoice was settled.
pub enum Proof {
    /// The preimage, hex: with the token as it was minted.
    Preimage(String),
    /// The token with the edge's own caveat, and the attestation that stands in the preimage's place.
    Attested(Token, Preimage),
}

impl Proof {
    /// The one of the two that goes with this token; `None` while there is no preimage and the service's policy does
    /// not take the node's word for it.
    pub fn of(gate: &Gate, service: &Service, token: &Token, settlement: &Settlement) -> Option<Self> {
        // Whoever asks with the attested token is told its own other half; a preimage is none of it.
        if !settlement.preimage.is_empty() && !token.takes_attestation() {
            return Some(Self::Preimage(settlement.preimage.clone()));
        }
        let (token, attestation) = token.clone().attest(&gate.keys).filter(|_| service.allow_attested)?;
        Some(Self::Attested(token, attestation))
    }
}

/// What a token says that nobody has attenuated.
pub struct Minted<'g> {
    /// What was bought.
    pub service: &'g Service,
    /// Until when it opens the door.
    pub valid_until: UnixTime,
    /// The grant begins where its invoice ends, so this need not be written anywhere.
    pub invoice_expires_at: UnixTime,
}

/// Reads a token exactly as it was minted, or as the edge attested it where that is still taken; `None` for a narrowed
/// one, since a delegate never learns a preimage.
pub fn as_minted<'g>(gate: &'g Gate, token: &Token) -> Option<Minted<'g>> {
    let service = gate.policy.service_named(caveat::service_of(token.caveats())?)?;
    let is_taken = service.allow_attested || !token.takes_attestation();
    if !is_taken || !caveat::is_as_minted(service, token.caveats()) {
        return None;
    }
    let valid_until = caveat::value(token.caveats(), &format!("{}_valid_until", service.id))?;
    let valid_until = UnixTime::from_decimal(valid_until)?;
    let invoice_expires_at = UnixTime(valid_until.0.saturating_sub(service.valid_s));
    Some(Minted { service, valid_until, invoice_expires_at })
}
