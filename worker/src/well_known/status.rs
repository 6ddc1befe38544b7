//! `POST status`: has my invoice been paid? Asked with the token, the one secret only the buyer has (C5, T62).

use std::cell::RefCell;
use std::collections::VecDeque;

use l402::policy::Service;
use l402::problem::Refusal;
use l402::receipt::Receipt;
use l402::token::Token;
use l402::{Msat, PaymentHash, Preimage, UnixTime, credential};
use serde_json::{Map, Value};
use worker::{Context, Date, Env, Request, Response, Result};

use crate::config::gate::Gate;
use crate::invoices::budget::{self, Door};
use crate::objects::Settlement;
use crate::platform::http;
use crate::settle;
use crate::well_known::minted::{Minted, Proof, as_minted};

/// The least time between two polls of one token, in milliseconds.
const POLL_MS: u64 = 900;
thread_local! {
    // Who polled in the last moment, and when; the oldest first.
    static POLLED: RefCell<VecDeque<([u8; 32], u64)>> = const { RefCell::new(VecDeque::new()) };
}

/// Answers 200 for a token exactly as it was minted, and the same 404 for everything else.
pub async fn status(gate: &Gate, place_url: &str, request: &Request, env: &Env, ctx: &Context) -> Result<Response> {
    let authorization = request.headers().get("authorization")?.unwrap_or_default();
    let verified = credential::poll_token(&authorization).and_then(|token| token.verify(&gate.keys).ok());
    let found = verified.as_ref().and_then(|token| Some((token, as_minted(gate, token)?)));
    let Some((token, Minted { service, valid_until, invoice_expires_at })) = found else {
        return http::refuse(&Refusal::NotFound, false);
    };
    if polls_too_fast(token) {
        return http::refuse(&Refusal::TooOften(1), false);
    }
    if let Err(refusal) = budget::knock(env, &gate.policy, request, Door::Status).await {
        return http::refuse(&refusal, false);
    }
    let mut body = Map::new();
    let mut say = |name: &str, value: String| {
        body.insert(name.to_owned(), value.into());
    };
    say("invoice_expires_at", invoice_expires_at.to_string());
    match settle::of_token(gate, env, ctx, request, token, invoice_expires_at).await? {
        Some(settlement) => {
            say("status", "settled".to_owned());
            say("access_expires_at", valid_until.to_string());
            match Proof::of(gate, service, token, &settlement) {
                Some(Proof::Preimage(preimage)) => say("preimage", preimage),
                Some(Proof::Attested(token, attestation)) => {
                    say("token", token.to_wire());
                    say("preimage", attestation.expose_hex());
                }
                None => {}
            }
            if let Some(receipt) = receipt(gate, place_url, service, token, &settlement).await {
                say("receipt", receipt);
            }
        }
        None if http::now() >= invoice_expires_at => say("status", "expired".to_owned()),
        None => say("status", "pending".to_owned()),
    }
    http::json(200, &Value::Object(body))
}

/// A receipt says that the payment was made, so it takes the proof: the node's word alone opens the door where the policy
/// takes it, and signs nothing (T54, C16).
async fn receipt(
    gate: &Gate,
    issuer: &str,
    service: &Service,
    token: &Token,
    settlement: &Settlement,
) -> Option<String> {
    let hash = token.identifier.payment_hash;
    Preimage::from_hex(&settlement.preimage).filter(|preimage| preimage.payment_hash() == hash)?;
    let receipt = Receipt {
        issuer: issuer.to_owned(),
        service: service.id.clone(),
        amount: Msat(u64::try_from(settlement.amount_msat).ok()?),
        payment_hash: hash,
        challenge_id: None,
        issued_at: UnixTime(u64::try_from(settlement.settled_at).ok()?),
    };
    gate.receipts.sign(&receipt).await
}

fn polls_too_fast(token: &Token) -> bool {
    let PaymentHash(hash) = token.identifier.payment_hash;
    let now_ms = Date::now().as_millis();
    POLLED.with_borrow_mut(|polled| {
        while polled.front().is_some_and(|(_, at_ms)| now_ms.saturating_sub(*at_ms) >= POLL_MS) {
            polled.pop_front();
        }
        let too_fast = polled.iter().any(|(known, _)| *known == hash);
        // A refused poll does not count, or a hasty client would never hear anything.
        if !too_fast {
            polled.push_back((hash, now_ms));
        }
        too_fast
    })
}
