//! phoenixd as a payer, and the dev wallet of `cargo xtask dev`, which speaks the same.
//!
//! `type=phoenixd;server=http://127.0.0.1:9740;password=<http-password>`; the server may be left out. The password of
//! `http-password-limited-access` cannot pay.
//!
//! Habits: it fixes its fee itself and takes no limit; what failed is 200 with a `reason`.

use l402::{Msat, PaymentHash, encoding};

use super::{Outcome, Payment, Wallet, of_status};
use crate::call::Step;
use crate::connection::{ConnectionFault, Credential, Parameters, Server};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json;

/// Its `type`.
pub const KIND: &str = "phoenixd";

/// Where phoenixd listens.
pub const SERVER: &str = "http://127.0.0.1:9740";

/// A phoenixd that pays.
#[derive(Clone, Debug)]
pub struct PhoenixdWallet {
    server: Server,
    password: Credential,
}

impl PhoenixdWallet {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let server = parameters.server(Some(SERVER))?;
        let password = parameters.credential("password")?;
        let place = server.place.clone();
        Ok((Self { server, password }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        let basic = encoding::to_base64(format!(":{}", self.password.expose()).as_bytes());
        request.with("authorization", format!("Basic {basic}"))
    }
}

impl Wallet for PhoenixdWallet {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits_fees(&self) -> bool {
        false
    }

    fn pay(&self, payment: &Payment<'_>, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let request = HttpRequest::post_form(self.server.at("/payinvoice"), &[("invoice", payment.bolt11)]);
            return Ok(Step::Ask(self.signed(request)));
        };
        if reply.status != 200 {
            return of_status(reply.status).map(Step::Done);
        }
        let Ok(reply) = json::parse(reply) else { return Ok(Step::Done(Outcome::Unknown)) };
        if reply.get("paymentPreimage").is_some() {
            let (preimage, fee) = (json::preimage(&reply, "/paymentPreimage"), json::sat(&reply, "/routingFeeSat"));
            return Outcome::paid(payment.payment_hash, preimage, fee).map(Step::Done);
        }
        Ok(Step::Done(json::text(&reply, "/reason").map_or(Outcome::Unknown, Outcome::failed)))
    }

    fn look(&self, payment_hash: PaymentHash, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let path = format!("/payments/outgoingbyhash/{payment_hash}");
            return Ok(Step::Ask(self.signed(HttpRequest::get(self.server.at(&path)))));
        };
        let reply = json::of_success(reply)?;
        if reply.get("isPaid") == Some(&true.into()) {
            let (preimage, fee) = (json::preimage(&reply, "/preimage"), json::msat(&reply, "/fees"));
            return Outcome::paid(payment_hash, preimage, fee.or(Some(Msat(0)))).map(Step::Done);
        }
        Ok(Step::Done(Outcome::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::WalletConnection;
    use l402::Preimage;

    fn asked(replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let wallet = WalletConnection::parse("type=phoenixd;password=hunter2").unwrap().wallet;
        let payment_hash = Preimage::new([0x11; 32]).payment_hash();
        wallet.pay(&Payment { bolt11: "lnbcrt1", payment_hash, amount: Msat(1_000), max_fee: Msat(0) }, replies)
    }

    #[track_caller]
    fn check(status: u16, body: &str, ending: Result<Outcome, BackendFault>) {
        assert_eq!(asked(&[HttpReply::new(status, body)]), ending.map(Step::Done), "{status} {body}");
    }

    #[test]
    fn the_request_is_a_form_with_basic_authentication() {
        let Ok(Step::Ask(request)) = asked(&[]) else { panic!("no request") };
        assert_eq!(request.url, "http://127.0.0.1:9740/payinvoice");
        assert_eq!(request.body.as_deref(), Some("invoice=lnbcrt1"));
        assert!(request.headers.contains(&("authorization", "Basic Omh1bnRlcjI=".to_owned()))); // :hunter2
    }

    #[test]
    fn a_preimage_that_fits_is_the_proof() {
        let body = |byte: &str| format!(r#"{{"routingFeeSat":4,"paymentPreimage":"{}"}}"#, byte.repeat(32));
        check(200, &body("11"), Ok(Outcome::Paid { preimage: Preimage::new([0x11; 32]), fee: Some(Msat(4_000)) }));
        check(200, &body("12"), Err(BackendFault::WrongPreimage));
        check(200, r#"{"paymentPreimage":null}"#, Err(BackendFault::WrongPreimage));
    }

    #[test]
    fn its_own_reason_is_final_and_everything_else_is_unknown_t93() {
        check(200, r#"{"paymentHash":"","reason":"no route"}"#, Ok(Outcome::Failed("no route".to_owned())));
        check(200, "{}", Ok(Outcome::Unknown));
        check(200, "not json", Ok(Outcome::Unknown));
        check(500, "oops", Ok(Outcome::Unknown));
        check(401, "Invalid authentication", Err(BackendFault::Unauthorized));
        check(400, "Missing form field", Err(BackendFault::Refused(400)));
    }
}
