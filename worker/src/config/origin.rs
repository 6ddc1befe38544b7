//! What the origin knows this worker by, so that it can shut out everybody else (D4).

use l402::Secret;

/// The field that goes along with every request to the origin, and to nobody else.
pub const FIELD: &str = "satstile-origin-secret";
/// How many there may be at once: the one that is sent, and those that an origin may still name in an answer.
const SECRETS_MAX: usize = 4;

/// `ORIGIN_SECRET="new[,old]"`: the first is sent; none of them goes out to a client.
#[derive(Clone)]
pub struct OriginSecret(Vec<String>);

impl OriginSecret {
    /// Reads the secret. No value stands in the complaint.
    pub fn parse(text: &str) -> Result<Self, String> {
        let values: Vec<String> = text.split(',').map(|value| value.trim().to_owned()).collect();
        if values.len() > SECRETS_MAX {
            return Err(format!(
                "ORIGIN_SECRET has more than {SECRETS_MAX} values; keep the new one and the one before it"
            ));
        }
        for value in &values {
            Secret::from_base64(value).map_err(|fault| format!("ORIGIN_SECRET {fault}"))?;
        }
        Ok(Self(values))
    }

    /// All of them, the one to send first.
    pub fn expose(&self) -> &[String] {
        &self.0
    }
}
