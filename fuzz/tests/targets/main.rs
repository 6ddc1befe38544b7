//! One program for all targets: the test runner keeps every core busy until the last target has had its time.

mod backends;
mod bolt11;
mod checkout;
mod header;
mod lnurl;
mod macaroon;
mod path;
mod policy;
mod relay;
