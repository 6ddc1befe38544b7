//! What the runtime has and the core lacks: requests and answers, the log, randomness, calls to the node's side.

pub mod crypto;
pub mod exchange;
pub mod http;
pub mod log;
