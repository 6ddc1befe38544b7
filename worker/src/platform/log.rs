//! One JSON line for each thing that an operator may ask about. Never a token, preimage, invoice or
//! secret: purchases are named by the first 8 digits of their payment hash (T120).

use l402::Denial;
use l402::problem::Refusal;
use serde_json::{Value, json};
use worker::{console_error, console_log, console_warn};

/// A refusal, with the reason that the client is not told (T25).
pub fn refused(refusal: &Refusal<'_>, reason: Option<Denial>) {
    let why = match (refusal, reason) {
        (Refusal::Malformed(malformed), _) => malformed.to_string(),
        (_, Some(denial)) => denial.to_string(),
        _ => return,
    };
    console_log!("{}", json!({"level": "info", "event": "refused", "status": refusal.status(), "reason": why}));
}

/// Something happened that is worth a line.
pub fn event(name: &str, mut fields: Value) {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("event".to_owned(), name.into());
        fields.insert("level".to_owned(), "info".into());
    }
    console_log!("{fields}");
}

/// Something outside failed us, and we said no because of it.
pub fn warn(name: &str, reason: &str) {
    console_warn!("{}", json!({"level": "warn", "event": name, "reason": reason}));
}

/// The origin failed us: where it is, and what the platform says.
pub fn origin(reason: &str, address: &str, error: &str) {
    console_warn!(
        "{}",
        json!({"level": "warn", "event": "origin", "reason": reason, "address": address, "error": error})
    );
}

/// An operation ended in an error of the platform.
pub fn failed(operation: &str, reason: &str) {
    console_error!("{}", json!({"level": "error", "event": "failed", "operation": operation, "reason": reason}));
}

/// The configuration has a fault; every paid route stays shut.
pub fn not_ready(fault: &str) {
    console_error!("{}", json!({"level": "error", "event": "not-ready", "reason": fault}));
}
