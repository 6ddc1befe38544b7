//! Invoices: who makes them, how they are asked for, and how many may be.

pub mod backend;
pub mod breaker;
pub mod budget;
pub mod client;
pub mod direct;
pub mod invoice;
pub mod node;
pub mod order;
pub mod pool;
pub mod relay;
