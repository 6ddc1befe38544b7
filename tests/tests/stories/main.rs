//! Black-box stories through the built worker in a real workerd: one program, a module for each subject, so that the
//! harness is compiled and linked once. One subject alone: `cargo test -p satstile-tests --test stories -- sessions::`.
//! What needs Chromium, packages, proxies or a Lightning network is a program of its own beside this one.

#[path = "../common/mod.rs"]
mod common;

mod allowances;
mod attested;
mod bad_node;
mod bad_origin;
mod browser;
mod budgets;
mod caveats;
mod config;
mod credentials;
mod delegation;
mod delegation_page;
mod delivery;
mod direct;
mod files;
mod forgotten;
mod handover;
mod harness;
mod headers;
mod ledger;
mod limits;
mod lnurl;
mod logs;
mod metering;
mod operator;
mod own_invoices;
mod pass;
mod paths;
mod payment;
mod payouts;
mod pool;
mod prepaid;
mod ranges;
mod replay;
mod responses;
mod schema;
mod selfhost;
mod session_streams;
mod sessions;
mod settlements;
mod site;
mod status;
mod streams;
mod transfers;
mod traps;
mod turnstile;
mod uses;
mod watch;
