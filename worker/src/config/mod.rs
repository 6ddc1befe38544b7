//! What is configured: policy and secrets, read once.

pub mod gate;
pub mod node;
pub mod origin;
pub mod receipts;
