//! LNbits as a payer.
//!
//! `type=lnbits;server=https://lnbits.example;api-key=<admin key>`: the invoice key cannot pay.
//!
//! Habits: it takes no fee limit; `amount` and `fee` of an outgoing payment are negative millisatoshi; older versions
//! answer with the hash alone, so what became of it is asked for; what failed is 520 with `"status":"failed"`.

use l402::{Msat, PaymentHash};
use serde_json::{Value, json};

use super::{Outcome, Payment, Wallet, of_status};
use crate::call::Step;
use crate::connection::{ConnectionFault, Credential, Parameters, Server};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json;

/// Its `type`.
pub const KIND: &str = "lnbits";

/// An LNbits wallet that pays.
#[derive(Clone, Debug)]
pub struct LnbitsWallet {
    server: Server,
    api_key: Credential,
}

impl LnbitsWallet {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let server = parameters.server(None)?;
        let api_key = parameters.credential("api-key")?;
        let place = server.place.clone();
        Ok((Self { server, api_key }, place))
    }

    fn ask(&self, payment_hash: PaymentHash) -> HttpRequest {
        let url = self.server.at(&format!("/api/v1/payments/{payment_hash}"));
        HttpRequest::get(url).with("x-api-key", self.api_key.expose())
    }
}

impl Wallet for LnbitsWallet {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits_fees(&self) -> bool {
        false
    }

    fn pay(&self, payment: &Payment<'_>, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        match replies {
            [] => {
                let body = json!({"out": true, "bolt11": payment.bolt11});
                let request = HttpRequest::post_json(self.server.at("/api/v1/payments"), &body);
                Ok(Step::Ask(request.with("x-api-key", self.api_key.expose())))
            }
            [sent] => match json::parse(sent).ok().filter(is_failed) {
                Some(failed) => Ok(Step::Done(Outcome::failed(json::text(&failed, "/detail").unwrap_or("failed")))),
                None if matches!(sent.status, 200..=299) => Ok(Step::Ask(self.ask(payment.payment_hash))),
                None => of_status(sent.status).map(Step::Done),
            },
            // Paid or under way: that this reply cannot be used does not make it fail.
            [_, looked, ..] => match outcome(payment.payment_hash, looked) {
                Err(BackendFault::WrongPreimage) => Err(BackendFault::WrongPreimage),
                judged => Ok(Step::Done(judged.unwrap_or(Outcome::Unknown))),
            },
        }
    }

    fn look(&self, payment_hash: PaymentHash, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        match replies {
            [] => Ok(Step::Ask(self.ask(payment_hash))),
            [reply, ..] => outcome(payment_hash, reply).map(Step::Done),
        }
    }
}

fn is_failed(reply: &Value) -> bool {
    json::text(reply, "/status") == Some("failed") || json::text(reply, "/details/status") == Some("failed")
}

fn outcome(hash: PaymentHash, reply: &HttpReply) -> Result<Outcome, BackendFault> {
    let reply = json::of_success(reply)?;
    if reply.get("paid") == Some(&true.into()) {
        let fee = reply.pointer("/details/fee").and_then(Value::as_i64).map(|fee| Msat(fee.unsigned_abs()));
        return Outcome::paid(hash, json::preimage(&reply, "/preimage"), fee);
    }
    Ok(if is_failed(&reply) { Outcome::failed("LNbits says failed") } else { Outcome::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::WalletConnection;
    use l402::Preimage;

    const SENT: &str = r#"{"payment_hash":"00","status":"success"}"#;

    fn asked(replies: &[(u16, &str)]) -> Result<Step<Outcome>, BackendFault> {
        let wallet = WalletConnection::parse("type=lnbits;server=https://n.test;api-key=adminkey").unwrap().wallet;
        let payment_hash = Preimage::new([0x11; 32]).payment_hash();
        let replies: Vec<HttpReply> = replies.iter().map(|(status, body)| HttpReply::new(*status, *body)).collect();
        wallet.pay(&Payment { bolt11: "lnbcrt1", payment_hash, amount: Msat(1_000), max_fee: Msat(0) }, &replies)
    }

    #[track_caller]
    fn check(replies: &[(u16, &str)], ending: Result<Outcome, BackendFault>) {
        assert_eq!(asked(replies), ending.map(Step::Done), "{replies:?}");
    }

    #[test]
    fn it_pays_once_and_then_asks_what_became_of_it() {
        let Ok(Step::Ask(pay)) = asked(&[]) else { panic!("no request") };
        assert_eq!((pay.method.as_str(), pay.url.as_str()), ("POST", "https://n.test/api/v1/payments"));
        assert_eq!(pay.body.as_deref(), Some(r#"{"bolt11":"lnbcrt1","out":true}"#));
        let Ok(Step::Ask(look)) = asked(&[(201, SENT)]) else { panic!("no request") };
        assert_eq!(look.method.as_str(), "GET");
        assert!(look.url.ends_with(&Preimage::new([0x11; 32]).payment_hash().to_string()));
    }

    #[test]
    fn paid_is_what_is_proven() {
        let body =
            |byte: &str| format!(r#"{{"paid":true,"preimage":"{}","details":{{"fee":-1500}}}}"#, byte.repeat(32));
        let paid = Outcome::Paid { preimage: Preimage::new([0x11; 32]), fee: Some(Msat(1_500)) };
        check(&[(201, SENT), (200, &body("11"))], Ok(paid));
        check(&[(201, SENT), (200, &body("00"))], Err(BackendFault::WrongPreimage)); // lnbits#3070
    }

    #[test]
    fn only_its_own_failed_is_failed_t93() {
        let failed = r#"{"detail":"Insufficient balance.","status":"failed"}"#;
        check(&[(520, failed)], Ok(Outcome::Failed("Insufficient balance.".to_owned())));
        check(&[(520, r#"{"detail":"Payment is pending.","status":"pending"}"#)], Ok(Outcome::Unknown));
        check(&[(500, "")], Ok(Outcome::Unknown));
        check(&[(201, SENT), (200, r#"{"paid":false,"status":"pending","preimage":null}"#)], Ok(Outcome::Unknown));
        check(&[(201, SENT), (502, "")], Ok(Outcome::Unknown));
        check(&[(201, SENT), (401, "")], Ok(Outcome::Unknown));
        check(&[(403, r#"{"detail":"Invoice (or Admin) key required."}"#)], Err(BackendFault::Unauthorized));
        check(&[(404, r#"{"detail":"Wallet not found."}"#)], Err(BackendFault::Refused(404)));
    }
}
