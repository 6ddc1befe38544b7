//! What is asked for: the JSON behind a challenge's `request` parameter (`wire.md` 4.4).

use serde::Serialize;

use serde_json::Value;

use super::ChargeFault;
use super::purchase::{self, Purchase};
use crate::bolt11::Network;
use crate::json::{self, optional, text};
use crate::preimage::PaymentHash;

/// A charge of whole satoshi, payable by one invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRequest {
    /// Satoshi; a price in millisatoshi is rounded up before the invoice is made.
    pub amount_sats: u64,
    /// What the payer reads.
    pub description: Option<String>,
    /// The BOLT 11 invoice.
    pub invoice: String,
    /// The invoice's payment hash.
    pub payment_hash: PaymentHash,
    /// The invoice's network.
    pub network: Network,
}

/// Fields in the order of their JSON names: see [`json::to_base64url`].
#[derive(Serialize)]
struct Wire<'a> {
    amount: String,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "methodDetails")]
    method_details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    invoice: String,
    network: String,
    #[serde(rename = "paymentHash")]
    payment_hash: String,
    satstile: purchase::Wire<'a>,
}

impl ChargeRequest {
    /// Canonical JSON (RFC 8785) in base64url without padding.
    ///
    /// # Errors
    /// [`ChargeFault::Unwritable`] for an amount of 0.
    pub(super) fn encode(&self, purchase: &Purchase) -> Result<String, ChargeFault> {
        if self.amount_sats == 0 {
            return Err(ChargeFault::Unwritable("amount"));
        }
        let wire = Wire {
            amount: self.amount_sats.to_string(),
            currency: "sat".to_owned(),
            description: self.description.clone(),
            method_details: Details {
                invoice: self.invoice.clone(),
                network: self.network.as_str().to_owned(),
                payment_hash: self.payment_hash.to_string(),
                satstile: purchase.wire(),
            },
        };
        json::to_base64url(&wire).ok_or(ChargeFault::Unwritable("request"))
    }

    /// Reads what [`ChargeRequest::encode`] wrote; unknown members are skipped. The invoice stays a text here.
    ///
    /// # Errors
    /// [`ChargeFault::Malformed`].
    pub(super) fn of(request: &Value) -> Result<Self, ChargeFault> {
        use ChargeFault::Malformed as No;
        let details = request.get("methodDetails").ok_or(No("request"))?;
        let required = |object, name| text(object, name).ok_or(No("request"));
        let amount = required(request, "amount")?;
        let amount_sats = amount.parse().ok().filter(|sats: &u64| *sats > 0 && sats.to_string() == amount);
        if required(request, "currency")? != "sat" {
            return Err(No("request.currency"));
        }
        let (hash, network) = (required(details, "paymentHash")?, required(details, "network")?);
        Ok(Self {
            amount_sats: amount_sats.ok_or(No("request.amount"))?,
            description: optional(request, "description", text).ok_or(No("request"))?,
            payment_hash: PaymentHash::from_hex(&hash).ok_or(No("request.methodDetails.paymentHash"))?,
            network: Network::from_name(&network).ok_or(No("request.methodDetails.network"))?,
            invoice: required(details, "invoice")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Msat;
    use crate::encoding;

    fn purchase() -> Purchase {
        Purchase { service: "articles".to_owned(), token_id: Some([0x22; 32]), price: Msat(99_001), digest: None }
    }

    fn encode(request: &ChargeRequest) -> Result<String, ChargeFault> {
        request.encode(&purchase())
    }

    fn decode(text: &str) -> Result<ChargeRequest, ChargeFault> {
        ChargeRequest::of(&json::parse_base64url(text).unwrap())
    }

    fn request() -> ChargeRequest {
        ChargeRequest {
            amount_sats: 100,
            description: Some("Q&A <b> \"⚡\"\n".to_owned()),
            invoice: "lnbcrt1u1p".to_owned(),
            payment_hash: PaymentHash([0xbc; 32]),
            network: Network::Regtest,
        }
    }

    #[test]
    fn a_request_is_canonical_json() {
        let bytes = encoding::base64url(&encode(&request()).unwrap()).unwrap();
        let (hash, token) = ("bc".repeat(32), "22".repeat(32));
        let json = concat!(
            r#"{"amount":"100","currency":"sat","description":"Q&A <b> \"⚡\"\n","#,
            r#""methodDetails":{"invoice":"lnbcrt1u1p","network":"regtest","paymentHash":""#,
        );
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!(r#"{json}{hash}","satstile":{{"price_msat":99001,"service":"articles","token":"{token}"}}}}}}"#)
        );
    }

    #[test]
    fn a_request_reads_back() {
        for request in [request(), ChargeRequest { description: None, ..request() }] {
            let text = encode(&request).unwrap();
            assert_eq!(decode(&text), Ok(request));
            assert_eq!(Purchase::of(&json::parse_base64url(&text).unwrap()), Ok(purchase()));
        }
    }

    #[test]
    fn an_amount_is_a_positive_decimal_string() {
        assert_eq!(encode(&ChargeRequest { amount_sats: 0, ..request() }), Err(ChargeFault::Unwritable("amount")));
        let json = String::from_utf8(encoding::base64url(&encode(&request()).unwrap()).unwrap()).unwrap();
        for amount in ["\"0\"", "\"-1\"", "\"+1\"", "\"01\"", "\"1.0\"", "\"1e2\"", "\"\"", "\" 1\"", "100"] {
            let other = json.replacen("\"100\"", amount, 1);
            let read = decode(&encoding::to_base64url(other.as_bytes()));
            assert!(matches!(read, Err(ChargeFault::Malformed(_))), "{amount}");
        }
    }

    #[test]
    fn another_currency_is_refused() {
        let json = String::from_utf8(encoding::base64url(&encode(&request()).unwrap()).unwrap()).unwrap();
        let other = encoding::to_base64url(json.replacen("\"sat\"", "\"usd\"", 1).as_bytes());
        assert_eq!(decode(&other), Err(ChargeFault::Malformed("request.currency")));
    }
}
