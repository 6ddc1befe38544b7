//! The 402 of a session: one invoice for a deposit, and how to come back with it.

use serde_json::{Value, json};

use crate::bolt11::Invoice;
use crate::challenge::headers;
use crate::decide::Place;
use crate::fault::Denial;
use crate::keys::Keys;
use crate::payment::{Asked, ChargeFault, Offer, PaymentChallenge, SessionRequest};
use crate::policy::{Service, Sessions};
use crate::problem::{Answer, payment_type, problem};
use crate::route::Route;

/// How long after its invoice a challenge ends: whoever paid in the last second has an hour to open the session with it.
const OPEN_MARGIN_S: u64 = 3_600;

/// The 402 (C3), of the session intent alone: a client that asked for it is not sold something else by mistake.
///
/// # Errors
/// [`ChargeFault::Unwritable`] for a host that no header can carry; a policy's hosts all can.
pub fn answer(
    (service, route): (&Service, &Route),
    sessions: &Sessions,
    place: &Place,
    keys: &Keys,
    (bolt11, invoice): (&str, &Invoice),
    reason: Option<Denial>,
) -> Result<Answer, ChargeFault> {
    let secret = keys.challenge_secrets().first().ok_or(ChargeFault::Unwritable("id"))?;
    let deposit = sessions.deposit(service);
    let request = SessionRequest {
        amount_sats: service.price.sats_up(),
        unit_type: "request".to_owned(),
        description: invoice.description.clone(),
        deposit_invoice: bolt11.to_owned(),
        payment_hash: invoice.payment_hash,
        deposit_sats: deposit.sats_up(),
        idle_timeout_s: sessions.idle_s,
    };
    let challenge = PaymentChallenge::issue(
        secret,
        &Offer {
            realm: &place.host,
            asked: Asked::Session(&request),
            service: &service.scope(route),
            expires: invoice.expires_at().plus(OPEN_MARGIN_S),
            digest: None,
            description: request.description.as_deref(),
        },
    )?;
    let pay = format!(
        "Pay the deposit of {deposit}, for uses of {} each, then send the request again with `Authorization: Payment` and \
         the action `open`, or `topUp` for a session that is open.",
        service.price
    );
    let detail = reason.map_or_else(|| pay.clone(), |reason| format!("No: {reason}. {pay}"));
    let mut body = problem(session_type(reason), "Payment required", 402, &detail);
    let more = json!({
        "message": detail,
        "invoice": bolt11,
        "payment_request": bolt11,
        "payment_hash": invoice.payment_hash.to_string(),
        "amount_sats": request.deposit_sats,
        "amount_msat": deposit.0,
        "price": service.price.to_string(),
        "expires_at": invoice.expires_at().to_string(),
        "service": service.id,
        "session": {"unit_sats": request.amount_sats, "idle_seconds": sessions.idle_s},
        "challenge_id": challenge.id,
    });
    if let Value::Object(more) = more {
        body.extend(more);
    }
    Ok(Answer { status: 402, headers: headers(challenge.to_header()?), body: Value::Object(body).to_string() })
}

/// The problem types of the session intent, and for the rest those of the scheme (`wire.md` 4.6).
fn session_type(reason: Option<Denial>) -> &'static str {
    match reason {
        Some(Denial::SessionUnknown) => "https://paymentauth.org/problems/lightning/session-not-found",
        Some(Denial::SessionClosed) => "https://paymentauth.org/problems/lightning/session-closed",
        Some(Denial::SessionTooLow) => "https://paymentauth.org/problems/lightning/insufficient-balance",
        Some(Denial::BadReturnInvoice) => "https://paymentauth.org/problems/lightning/invalid-return-invoice",
        Some(Denial::ChallengeExpired) => "https://paymentauth.org/problems/lightning/challenge-expired",
        Some(Denial::WrongPreimage) => "https://paymentauth.org/problems/lightning/invalid-preimage",
        Some(Denial::UnknownChallenge) => "https://paymentauth.org/problems/lightning/unknown-challenge",
        other => payment_type(other),
    }
}
