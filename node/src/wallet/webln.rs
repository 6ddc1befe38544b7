//! WebLN: what lets a page's own button pay, without a password. Only for pages of the origins that the command line
//! lists; who else asks is turned away by `guard.rs` before this is reached.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL,
};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Unpaid, Wallet, page};

#[derive(Deserialize)]
pub(super) struct SendPayment {
    #[serde(default)]
    invoice: String,
}

/// `GET /webln.js`: defines `window.webln`. It holds no secret, so whoever names this machine may read it.
pub(super) async fn js() -> Response {
    page::asset("text/javascript; charset=utf-8", include_str!("webln.js"))
}

/// `OPTIONS /webln/pay`: JSON is no "simple" content type, so browsers ask first. The guard adds the origin.
pub(super) async fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// `POST /webln/pay`: an invoice in, its preimage out.
pub(super) async fn pay(State(wallet): State<Arc<Wallet>>, call: Result<Json<SendPayment>, JsonRejection>) -> Response {
    let Ok(Json(call)) = call else {
        return answer(StatusCode::BAD_REQUEST, &json!({"reason": "the request is not JSON with an invoice"}));
    };
    match wallet.pay(&call.invoice).await {
        Ok(paid) => answer(StatusCode::OK, &json!({"preimage": paid.preimage.expose_hex()})),
        Err(unpaid) => {
            let status = match unpaid {
                Unpaid::Missing | Unpaid::Unreadable => StatusCode::BAD_REQUEST,
                Unpaid::Foreign(_) | Unpaid::AlreadyPaid(_) | Unpaid::Expired(_) | Unpaid::Canceled(_) => {
                    StatusCode::CONFLICT
                }
                Unpaid::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            };
            answer(status, &json!({"reason": unpaid.reason()}))
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
