//! phoenixd's `POST /payinvoice`: what most L402 clients and every curl example speak (`clients.md` §4).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use l402::PaymentHash;
use serde::Deserialize;
use serde_json::json;

use super::{Unpaid, Wallet};

/// What is sent; `amountSat` and the like are ignored, because our invoices all have an amount.
#[derive(Deserialize)]
pub(super) struct PayInvoice {
    #[serde(default)]
    invoice: String,
}

/// To somebody without the password.
pub(super) fn unauthorized() -> Response {
    const WHY: &str = "Invalid authentication (use basic auth with the password in the state folder's wallet-password)";
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"dev wallet\"")], WHY).into_response()
}

pub(super) async fn pay_invoice(
    State(wallet): State<Arc<Wallet>>,
    headers: HeaderMap,
    form: Result<Form<PayInvoice>, FormRejection>,
) -> Response {
    if !wallet.password.is_basic(&headers) {
        return unauthorized();
    }
    let Ok(Form(form)) = form else {
        return (StatusCode::BAD_REQUEST, "Missing form field: invoice").into_response();
    };
    match wallet.pay(&form.invoice).await {
        Ok(paid) => {
            let hash = paid.payment_hash.to_string();
            Json(json!({
                "recipientAmountSat": paid.amount.sats_up(),
                "routingFeeSat": 0,
                "paymentId": hash.get(..32),
                "paymentHash": hash,
                "paymentPreimage": paid.preimage.expose_hex(),
            }))
            .into_response()
        }
        Err(Unpaid::Missing) => (StatusCode::BAD_REQUEST, "Missing form field: invoice").into_response(),
        Err(Unpaid::Unreadable) => (StatusCode::BAD_REQUEST, "Invalid invoice: not a BOLT11 invoice").into_response(),
        Err(unpaid) => Json(json!({
            "paymentHash": unpaid.payment_hash().as_ref().map(PaymentHash::to_string).unwrap_or_default(),
            "reason": unpaid.reason(),
        }))
        .into_response(),
    }
}
