//! The 402 of a session: one invoice for a deposit, and how to come back with it.

use serde_json::{Value, json};

use crate::bolt11::Invoice;
use crate::challenge::headers;
use crate::decide::Place;
use crate::fault::Denial;
use crate::keys::Keys;
use crate::payment::{Asked, ChargeFault, Offer, PaymentChallenge, SessionRequest};
use crate::policy::{Service, Sessions};
use crate::problem::{Answer, payment_title, payment_type, problem};
use crate::route::Route;

/// How long after its invoice a challenge ends: whoever paid in the last second has a day to open the session with it.
const OPEN_MARGIN_S: u64 = 86_400;

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
            price: service.price,
            expires: invoice.expires_at().plus(OPEN_MARGIN_S),
            digest: None,
            description: request.description.as_deref(),
        },
    )?;
    let pay = format!(
        "Pay the deposit of {deposit}, for uses of {} each, then send the request again with `Authorization: Payment` and \
         the action `open`; or `topUp`, for a session that is open.",
        service.price
    );
    let detail = match reason {
        None => pay,
        Some(reason) => match advice(reason) {
            Some(advice) => advice.to_owned(),
            None => format!("No: {reason}. {pay}"),
        },
    };
    let mut body = problem(session_type(reason), payment_title(reason), 402, &detail);
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

/// What to do instead of paying once more, which is seldom what is wanted.
const fn advice(reason: Denial) -> Option<&'static str> {
    Some(match reason {
        Denial::WrongPreimage => {
            "The preimage is not that of the deposit in this challenge (`open`, `topUp`), or not that of `sessionId` \
             (`bearer`, `close`). No new deposit is needed."
        }
        Denial::BadReturnInvoice => {
            "`returnInvoice` must be a BOLT11 invoice of this network, without an amount, that can be paid for a minute \
             longer than the session's idle time; at `close` it takes the challenge that the session was opened with. A \
             deposit that was paid stays good: send the same again with another invoice."
        }
        Denial::SessionClosed => {
            "The session is closed. A deposit that was paid for it stays good: send `open` with its challenge."
        }
        Denial::SessionFull => {
            "With another deposit the session would hold more than can be sent back at once. This one stays good: send \
             `open` with its challenge."
        }
        Denial::SessionTooLow => {
            "What is left of the session does not cover a unit. Pay this deposit and send `topUp`, or `close` the session."
        }
        Denial::OtherDeposit => {
            "A session is used and closed with the challenge of one of its own deposits. No new deposit is needed: send the \
             challenge that it was opened with."
        }
        Denial::SessionUnclear => {
            "`action` is one of `open`, `bearer`, `topUp` and `close`; all but `open` name the `sessionId`, and `open` brings \
             a `returnInvoice`."
        }
        _ => return None,
    })
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
        Some(Denial::SessionUnclear) => "https://paymentauth.org/problems/lightning/malformed-credential",
        Some(Denial::UnknownChallenge | Denial::OtherDeposit) => {
            "https://paymentauth.org/problems/lightning/unknown-challenge"
        }
        other => payment_type(other),
    }
}
