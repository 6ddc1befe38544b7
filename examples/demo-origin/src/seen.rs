//! The last requests of the main port, and how a request is told as JSON.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::http1::{Reply, Request};

const REQUESTS_MAX: usize = 1_000;

/// What was seen, oldest first. Requests are kept as they are and told as JSON only when somebody asks:
/// this runs in front of every answer of a load test.
#[derive(Default)]
pub struct Log(Mutex<VecDeque<Arc<Request>>>);

impl Log {
    pub fn add(&self, request: Arc<Request>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == REQUESTS_MAX {
            seen.pop_front();
        }
        seen.push_back(request);
    }

    fn tell(&self) -> Value {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|r| tell(r)).collect()
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// `{method, target, headers: [[name, value], …], body_base64}`
pub fn tell(request: &Request) -> Value {
    json!({
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body_base64": STANDARD.encode(&request.body),
    })
}

/// The control port.
#[allow(clippy::needless_pass_by_value)] // the shape that `serve` wants
pub fn answer(log: &Log, request: Request) -> Reply {
    match (request.method.as_str(), request.path()) {
        ("GET", "/__seen") => Reply::new(200, "application/json", log.tell().to_string()),
        ("DELETE", "/__seen") => {
            log.clear();
            Reply { status: 204, headers: Vec::new(), body: Vec::new() }
        }
        _ => Reply::text(404, "GET or DELETE /__seen\n"),
    }
}
