//! lnd's `POST /v2/router/send`, the one REST call that l402sdk 0.1.0 (`with_lnd_rest`) pays with. A stream of one
//! line, as lnd answers when nothing is in flight; hashes and preimages are hex there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use l402::PaymentHash;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Unpaid, Wallet};
use crate::clock;

/// What is sent; limits on fees and time are ignored, because there is no route that could cost either.
#[derive(Deserialize)]
pub(super) struct SendPayment {
    #[serde(default)]
    payment_request: String,
}

pub(super) async fn send_payment(
    State(wallet): State<Arc<Wallet>>,
    headers: HeaderMap,
    call: Result<Json<SendPayment>, JsonRejection>,
) -> Response {
    // gRPC codes and the HTTP statuses that lnd's gateway gives them; real lnd says 500 to a wrong macaroon.
    if !wallet.password.is_macaroon(&headers) {
        return error(StatusCode::UNAUTHORIZED, 16, "the macaroon must be the hex of the dev wallet's password");
    }
    let Ok(Json(call)) = call else {
        return error(StatusCode::BAD_REQUEST, 3, "the request is not the JSON of SendPaymentV2");
    };
    match wallet.pay(&call.payment_request).await {
        Ok(paid) => line(&json!({"result": payment(&Payment {
            hash: Some(paid.payment_hash),
            preimage: &paid.preimage.expose_hex(),
            amount_msat: paid.amount.0,
            status: "SUCCEEDED",
            failure: "FAILURE_REASON_NONE",
        })})),
        Err(Unpaid::Foreign(hash)) => line(&json!({"result": payment(&Payment {
            hash: Some(hash),
            preimage: &"0".repeat(64),
            amount_msat: 0,
            status: "FAILED",
            failure: "FAILURE_REASON_NO_ROUTE",
        })})),
        Err(Unpaid::AlreadyPaid(_)) => error(StatusCode::CONFLICT, 6, "invoice is already paid"),
        Err(unpaid @ (Unpaid::Missing | Unpaid::Unreadable | Unpaid::Expired(_) | Unpaid::Canceled(_))) => {
            error(StatusCode::BAD_REQUEST, 3, unpaid.reason())
        }
        Err(unpaid @ Unpaid::Unavailable) => error(StatusCode::SERVICE_UNAVAILABLE, 14, unpaid.reason()),
    }
}

struct Payment<'a> {
    hash: Option<PaymentHash>,
    preimage: &'a str,
    amount_msat: u64,
    status: &'a str,
    failure: &'a str,
}

/// lnd writes 64-bit numbers as text.
fn payment(payment: &Payment<'_>) -> Value {
    let sats = (payment.amount_msat / 1_000).to_string();
    json!({
        "payment_hash": payment.hash.as_ref().map(PaymentHash::to_string),
        "payment_preimage": payment.preimage,
        "value": sats,
        "value_sat": sats,
        "value_msat": payment.amount_msat.to_string(),
        "fee": "0",
        "fee_sat": "0",
        "fee_msat": "0",
        "creation_date": clock::now().0.to_string(),
        "status": payment.status,
        "failure_reason": payment.failure,
        "htlcs": [],
    })
}

fn line(message: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], format!("{message}\n")).into_response()
}

fn error(status: StatusCode, code: u8, message: &str) -> Response {
    (status, line(&json!({"error": {"code": code, "message": message, "details": []}}))).into_response()
}
