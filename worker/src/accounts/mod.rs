//! What comes into a balance and what goes out: top-ups, payouts, transfers, refunds. The books are in [`crate::objects`].

pub mod api;
pub mod arrivals;
pub mod lnurl;
pub mod own_invoices;
pub mod payouts;
pub mod prepaid;
pub mod refunds;
pub mod transfers;
