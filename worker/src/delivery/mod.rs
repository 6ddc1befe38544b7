//! From a request to its answer: what the core decided is done, and what it costs is taken.

pub mod admit;
pub mod charge;
pub mod hold;
pub mod page;
pub mod redeem;
pub mod sessions;
pub mod spend;
pub mod ticket;
pub mod unlock;
pub mod verdict;
pub mod wait;
pub mod words;
