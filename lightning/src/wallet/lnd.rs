//! LND as a payer, over REST (`routerrpc/router.proto`).
//!
//! `type=lnd-rest;server=https://127.0.0.1:8080;macaroon=<hex>;certthumbprint=<sha-256>`
//!
//! Least privilege: `lncli bakemacaroon uri:/routerrpc.Router/SendPaymentV2 uri:/routerrpc.Router/TrackPaymentV2`.
//!
//! Habits: `/v2/router/send` answers with JSON objects a line each, of which the last one counts; an error comes as
//! such a line, too, often with status 500; `FAILED` is final, `IN_FLIGHT` and `INITIATED` are not. `amt_msat` is demanded
//! for an invoice that names no amount, and refused for any other.

use l402::{PaymentHash, encoding};
use serde_json::{Value, json};

use super::{Outcome, PAYMENT_S, Payment, Wallet, of_status};
use crate::call::Step;
use crate::connection::{ConnectionFault, Credential, Parameters, Server};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json;

/// Its `type`.
pub const KIND: &str = "lnd-rest";

/// An LND node that pays.
#[derive(Clone, Debug)]
pub struct LndWallet {
    server: Server,
    macaroon: Credential,
}

impl LndWallet {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let server = parameters.server(None)?;
        let macaroon = parameters.credential("macaroon")?;
        let place = server.place.clone();
        Ok((Self { server, macaroon }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("grpc-metadata-macaroon", self.macaroon.expose())
    }
}

impl Wallet for LndWallet {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits_fees(&self) -> bool {
        true
    }

    /// From 0.18 on; an older one calls the invoice invalid, which is a definite "no".
    fn pays_blinded_paths(&self) -> bool {
        true
    }

    fn pay(&self, payment: &Payment<'_>, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let mut body = json!({
                "payment_request": payment.bolt11,
                "fee_limit_msat": payment.max_fee.0.to_string(),
                "timeout_seconds": PAYMENT_S,
                "no_inflight_updates": true,
            });
            if let (Some(amount), Some(body)) = (payment.amount_to_tell(), body.as_object_mut()) {
                body.insert("amt_msat".to_owned(), amount.0.to_string().into());
            }
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(self.server.at("/v2/router/send"), &body))));
        };
        outcome(payment.payment_hash, reply).map(Step::Done)
    }

    fn look(&self, payment_hash: PaymentHash, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let hash = encoding::to_base64url(&payment_hash.0);
            // Base64 of 32 bytes ends in one `=`, and LND insists on it.
            let path = format!("/v2/router/track/{hash}%3D?no_inflight_updates=true");
            return Ok(Step::Ask(self.signed(HttpRequest::get(self.server.at(&path)))));
        };
        outcome(payment_hash, reply).map(Step::Done)
    }
}

fn outcome(hash: PaymentHash, reply: &HttpReply) -> Result<Outcome, BackendFault> {
    let mut lines = reply.unverified_body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    // A line that was cut off says nothing; the payment went out all the same.
    let last = lines.next_back().and_then(|line| json::parse(&HttpReply::new(200, line)).ok());
    let Some(last) = last else { return of_status(reply.status) };
    if let Some(error) = last.get("error").or(last.get("message").map(|_| &last)) {
        return of_error(error, reply.status);
    }
    // An end of another payment is none of this one.
    if json::hash(&last, "/result/payment_hash").is_some_and(|named| named != hash) {
        return Err(BackendFault::WrongInvoice);
    }
    let preimage = json::preimage(&last, "/result/payment_preimage");
    match json::text(&last, "/result/status") {
        Some("SUCCEEDED") => Outcome::paid(hash, preimage, json::msat(&last, "/result/fee_msat")),
        Some("FAILED") => Ok(Outcome::failed(&reason(&last))),
        _ => Ok(Outcome::Unknown),
    }
}

/// `FAILURE_REASON_NO_ROUTE` as "no route".
fn reason(line: &Value) -> String {
    let name = json::text(line, "/result/failure_reason").unwrap_or("no reason given");
    name.trim_start_matches("FAILURE_REASON_").replace('_', " ").to_ascii_lowercase()
}

/// What LND says instead of paying. Only what it cannot say of a payment that is under way is final.
fn of_error(error: &Value, status: u16) -> Result<Outcome, BackendFault> {
    let message = json::text(error, "/message").unwrap_or_default();
    let says = |words: &str| message.contains(words);
    if says("permission denied") || says("macaroon") || says("verification failed") {
        return Err(BackendFault::Unauthorized);
    }
    if says("invoice is already paid") {
        return Ok(Outcome::failed("this invoice was paid before"));
    }
    if says("isn't initiated") {
        return Ok(Outcome::NotFound);
    }
    let is_misordered = says("amount must be specified") || says("amount must not be specified");
    if says("invoice expired") || says("invalid payment request") || says("self-payments not allowed") || is_misordered
    {
        return Ok(Outcome::failed(message));
    }
    match of_status(status) {
        // "payment is in transition" comes as 409 from some versions.
        Err(BackendFault::Refused(_)) if says("in transition") => Ok(Outcome::Unknown),
        judged => judged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::WalletConnection;
    use l402::{Msat, Preimage};

    fn hash() -> PaymentHash {
        Preimage::new([0x11; 32]).payment_hash()
    }

    #[track_caller]
    fn check(status: u16, body: &str, ending: Result<Outcome, BackendFault>) {
        assert_eq!(outcome(hash(), &HttpReply::new(status, body)), ending, "{status} {body}");
    }

    fn paid(fee: u64) -> Outcome {
        Outcome::Paid { preimage: Preimage::new([0x11; 32]), fee: Some(Msat(fee)) }
    }

    #[test]
    fn the_request_names_a_fee_limit_and_asks_for_one_answer() {
        let text = "type=lnd-rest;server=https://n.test:8080;macaroon=00ff";
        let wallet = WalletConnection::parse(text).unwrap().wallet;
        let payment = Payment { bolt11: "lnbcrt1", payment_hash: hash(), amount: Msat(21_000), max_fee: Msat(1_500) };
        let Ok(Step::Ask(request)) = wallet.pay(&payment, &[]) else { panic!("no request") };
        assert_eq!(request.url, "https://n.test:8080/v2/router/send");
        assert!(request.headers.contains(&("grpc-metadata-macaroon", "00ff".to_owned())));
        assert_eq!(
            request.body.as_deref(),
            Some(
                r#"{"fee_limit_msat":"1500","no_inflight_updates":true,"payment_request":"lnbcrt1","timeout_seconds":60}"#
            )
        );
        let Ok(Step::Ask(request)) = wallet.look(hash(), &[]) else { panic!("no request") };
        let path = "/v2/router/track/AtRJox-7JnyPNS6ZaKeePl_JXBu-qlAv1kVOveWkvtw%3D?no_inflight_updates=true";
        assert_eq!(request.url, format!("https://n.test:8080{path}"));
    }

    #[test]
    fn the_last_line_counts() {
        let p = "11".repeat(32);
        let done = format!(r#"{{"result":{{"status":"SUCCEEDED","payment_preimage":"{p}","fee_msat":"1001"}}}}"#);
        check(200, &done, Ok(paid(1_001)));
        check(200, &format!("{{\"result\":{{\"status\":\"IN_FLIGHT\"}}}}\n{done}\n"), Ok(paid(1_001)));
        let failed = r#"{"result":{"status":"FAILED","failure_reason":"FAILURE_REASON_NO_ROUTE"}}"#;
        check(200, failed, Ok(Outcome::Failed("no route".to_owned())));
    }

    #[test]
    fn a_payment_under_way_or_an_answer_cut_off_is_unknown_t93() {
        check(200, r#"{"result":{"status":"IN_FLIGHT"}}"#, Ok(Outcome::Unknown));
        check(200, r#"{"result":{"status":"SUCCEE"#, Ok(Outcome::Unknown));
        check(200, "", Ok(Outcome::Unknown));
        check(504, "upstream timed out", Ok(Outcome::Unknown));
        check(500, r#"{"error":{"code":6,"message":"payment is in transition"}}"#, Ok(Outcome::Unknown));
        check(409, r#"{"code":6,"message":"payment is in transition"}"#, Ok(Outcome::Unknown));
        check(500, r#"{"error":{"code":2,"message":"the chain backend went away"}}"#, Ok(Outcome::Unknown));
    }

    #[test]
    fn a_refusal_before_the_payment_is_final() {
        let denied = r#"{"error":{"code":2,"message":"permission denied","details":[]}}"#;
        check(500, denied, Err(BackendFault::Unauthorized));
        check(404, r#"{"code":5,"message":"Not Found"}"#, Err(BackendFault::Refused(404)));
        let expired = r#"{"error":{"code":2,"message":"invoice expired. Valid until 2026-11-21"}}"#;
        check(500, expired, Ok(Outcome::Failed("invoice expired. Valid until 2026-11-21".to_owned())));
        for words in [
            "amount must be specified when paying a zero amount invoice",
            "amount must not be specified when paying a non-zero amount invoice",
        ] {
            let amount = format!(r#"{{"error":{{"code":2,"message":"{words}"}}}}"#);
            check(500, &amount, Ok(Outcome::Failed(words.to_owned())));
        }
    }

    #[test]
    fn a_success_without_its_proof_is_no_success() {
        let other = "22".repeat(32);
        let body = format!(r#"{{"result":{{"status":"SUCCEEDED","payment_preimage":"{other}","fee_msat":"0"}}}}"#);
        check(200, &body, Err(BackendFault::WrongPreimage));
        check(200, r#"{"result":{"status":"SUCCEEDED"}}"#, Err(BackendFault::WrongPreimage));
    }
}
