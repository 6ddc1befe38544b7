//! phoenixd's `POST /createinvoice` and `GET /payments/incoming/{hash}`: how somebody receives a payout on this machine.
//!
//! The description says what becomes of a payment, so that every end can be seen: `fail` is never paid, `hang` stays under
//! way for ever, `late` and `late fail` end after three seconds, and any other one is paid at once.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use l402::relay::InvoiceCreate;
use l402::{Msat, PaymentHash};
use serde::Deserialize;
use serde_json::json;

use super::{Wallet, phoenixd};
use crate::clock;
use crate::dev::Chance;
use crate::store::wallet_invoices::{self, WalletInvoice};

/// As phoenixd has it.
const DESCRIPTION_CHARS_MAX: usize = 128;
/// phoenixd's own default is an hour, too.
const EXPIRY_S: u64 = 3_600;

/// What is sent. Invoices by the hash of a description, or with a webhook, are not made here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateInvoice {
    /// Left out, the invoice can be paid with any amount, as with phoenixd.
    amount_sat: Option<u64>,
    description: String,
    expiry_seconds: Option<u64>,
    external_id: Option<String>,
}

pub(super) async fn create_invoice(
    State(wallet): State<Arc<Wallet>>,
    headers: HeaderMap,
    form: Result<Form<CreateInvoice>, FormRejection>,
) -> Response {
    if !wallet.password.is_basic(&headers) {
        return phoenixd::unauthorized();
    }
    let Ok(Form(form)) = form else {
        let why = "The form must have description, and may have amountSat, expirySeconds and externalId";
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    let amount = form.amount_sat.map(Msat::from_sats);
    if amount == Some(None) || form.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return (StatusCode::BAD_REQUEST, "Invalid parameter: amountSat or description").into_response();
    }
    let amount = amount.flatten();
    let order = InvoiceCreate {
        amount_msat: amount.map_or(0, |amount| amount.0),
        description: form.description.clone(),
        expiry_s: form.expiry_seconds.unwrap_or(EXPIRY_S),
        service: String::new(),
        purpose: String::new(),
        payee: None,
    };
    let now = clock::now();
    let made = Chance::draw().and_then(|chance| match amount {
        Some(_) => wallet.signer.make(&order, &chance, now),
        None => wallet.signer.make_for_any_amount(&order, &chance, now),
    });
    let made =
        made.map(|made| made.preimage.map(|preimage| (preimage, made.bolt11, made.payment_hash, made.expires_at)));
    let (preimage, bolt11, payment_hash, expires_at) = match made {
        Ok(Some(made)) => made,
        Ok(None) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Err(problem) if problem.status() < 500 => {
            return (StatusCode::BAD_REQUEST, "Invalid parameter: amountSat or expirySeconds").into_response();
        }
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let invoice = WalletInvoice {
        payment_hash,
        bolt11: bolt11.clone(),
        preimage,
        amount,
        description: form.description,
        external_id: form.external_id,
        created_at: now,
        expires_at,
        tried_at: None,
        tried: None,
        paid_at: None,
    };
    match wallet.looks.store.write(move |books| wallet_invoices::insert(books, &invoice)).await {
        Some(()) => Json(json!({
            "amountSat": form.amount_sat,
            "paymentHash": payment_hash.to_string(),
            "serialized": bolt11,
        }))
        .into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An invoice of the wallet, whoever asks with the password: like phoenixd, with its preimage, paid or not.
pub(super) async fn incoming_payment(
    State(wallet): State<Arc<Wallet>>,
    headers: HeaderMap,
    Path(payment_hash): Path<String>,
) -> Response {
    if !wallet.password.is_basic(&headers) {
        return phoenixd::unauthorized();
    }
    let hash = PaymentHash::from_hex(&payment_hash);
    let found = match hash {
        Some(hash) => wallet.looks.store.read(|books| wallet_invoices::find(books, hash)),
        None => Some(None),
    };
    match found {
        Some(Some(invoice)) => Json(incoming(&invoice)).into_response(),
        Some(None) => (StatusCode::NOT_FOUND, "Not found").into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Times are in milliseconds there. `receivedMsat` is not of phoenixd, which counts in whole sats: what is left of a
/// balance is paid out to the millisatoshi.
fn incoming(invoice: &WalletInvoice) -> serde_json::Value {
    let (received, is_paid) = (invoice.received(), invoice.paid_at.is_some());
    json!({
        "type": "incoming_payment",
        "subType": "lightning",
        "paymentHash": invoice.payment_hash.to_string(),
        "preimage": invoice.preimage.expose_hex(),
        "externalId": invoice.external_id,
        "description": invoice.description,
        "invoice": invoice.bolt11,
        "isPaid": is_paid,
        "isExpired": !is_paid && clock::now() >= invoice.expires_at,
        "requestedSat": invoice.amount.map(|amount| amount.0 / 1_000),
        "receivedSat": received.0 / 1_000,
        "receivedMsat": received.0,
        "fees": 0,
        "payerNote": null,
        "payerKey": null,
        "expiresAt": invoice.expires_at.0 * 1_000,
        "completedAt": invoice.paid_at.map(|at| at.0 * 1_000),
        "createdAt": invoice.created_at.0 * 1_000,
    })
}
