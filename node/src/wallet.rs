//! The dev wallet: pays the dev node's own invoices, for whoever has its password. There is no other node on this
//! network, so it pays nothing else. It also makes invoices with a key of its own, which the dev node pays when the worker
//! asks for a payout.
//!
//! Three ways in: phoenixd's `POST /payinvoice`, the one LND call that the Python client l402sdk makes, and a page for
//! a person. All refuse names that are not this machine, and other sites' pages. A fourth, WebLN for the pages of
//! listed origins, is there only when the command line lists some.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::middleware;
use axum::routing::{get, post};
use l402::{Msat, PaymentHash, Preimage};
use lightning_invoice::Bolt11Invoice;
use rusqlite::Connection;

use crate::clock;
use crate::dev::{self, DevNode};
use crate::invoice;
use crate::looks::Looks;
use crate::store::invoices;
use crate::store::invoices::Payment;

mod guard;
mod lnd;
mod page;
mod password;
mod phoenixd;
mod receive;
mod webln;

use password::Password;

const BODY_BYTES_MAX: usize = 16 * 1024;

/// What pays.
pub(crate) struct Wallet {
    looks: Looks,
    password: Password,
    /// Signs what it makes.
    signer: DevNode,
}

/// A payment that went through.
#[derive(Debug)]
struct Paid {
    amount: Msat,
    payment_hash: PaymentHash,
    preimage: Preimage,
}

/// Why nothing was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unpaid {
    /// No invoice was given.
    Missing,
    /// What was given is no BOLT11 invoice.
    Unreadable,
    /// It is of another node, or its text is not the one that was made here.
    Foreign(PaymentHash),
    /// It was paid before.
    AlreadyPaid(PaymentHash),
    /// Its time is over.
    Expired(PaymentHash),
    /// It was withdrawn.
    Canceled(PaymentHash),
    /// The store failed.
    Unavailable,
}

impl Unpaid {
    /// For the person, and for phoenixd's `reason`.
    const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "an invoice is missing",
            Self::Unreadable => "this is not a BOLT11 invoice",
            Self::Foreign(_) => "this wallet pays only the invoices of its own dev node, and this is not one of them",
            Self::AlreadyPaid(_) => "this invoice has already been paid",
            Self::Expired(_) => "this invoice has expired",
            Self::Canceled(_) => "this invoice was withdrawn by who made it",
            Self::Unavailable => "the wallet cannot pay now; try again",
        }
    }

    const fn payment_hash(self) -> Option<PaymentHash> {
        match self {
            Self::Foreign(hash) | Self::AlreadyPaid(hash) | Self::Expired(hash) | Self::Canceled(hash) => Some(hash),
            Self::Missing | Self::Unreadable | Self::Unavailable => None,
        }
    }
}

/// An invoice that could be read, and what is known of it without paying.
struct Offer {
    invoice: Bolt11Invoice,
    /// As it was made: lower case, no `lightning:`.
    text: String,
}

impl Offer {
    /// Reads what a person pasted or a client sent.
    fn read(text: &str) -> Result<Self, Unpaid> {
        let text = text.trim();
        let scheme = text.get(..10).filter(|scheme| scheme.eq_ignore_ascii_case("lightning:"));
        let text = text.get(scheme.map_or(0, str::len)..).unwrap_or_default();
        if text.is_empty() {
            return Err(Unpaid::Missing);
        }
        let invoice = invoice::read(text).ok_or(Unpaid::Unreadable)?;
        Ok(Self { invoice, text: text.to_ascii_lowercase() })
    }

    fn payment_hash(&self) -> PaymentHash {
        invoice::payment_hash(&self.invoice)
    }
}

impl Wallet {
    /// A wallet for the invoices in `store`.
    pub(crate) fn new(password: &str, signer: DevNode, looks: &Looks) -> Self {
        Self { looks: looks.clone(), password: Password::new(password), signer }
    }

    /// Pays an invoice, at most once. Check the password first.
    async fn pay(self: &Arc<Self>, text: &str) -> Result<Paid, Unpaid> {
        let offer = Offer::read(text)?;
        let payment_hash = offer.payment_hash();
        let paid = self.looks.store.write(move |books| settle(books, &offer)).await.unwrap_or(Err(Unpaid::Unavailable));
        if let Ok(paid) = &paid {
            self.looks.metrics.settled(dev::BACKEND, paid.amount.0, 0);
            self.looks.bell.notify_one();
        }
        match &paid {
            Ok(paid) => tracing::info!(hash = %payment_hash.short(), amount_msat = paid.amount.0, "invoice paid"),
            Err(unpaid) => tracing::info!(hash = %payment_hash.short(), reason = unpaid.reason(), "nothing was paid"),
        }
        paid
    }
}

/// Pays, in one transaction of the store.
fn settle(books: &Connection, offer: &Offer) -> rusqlite::Result<Result<Paid, Unpaid>> {
    let payment_hash = offer.payment_hash();
    // The text must be the one made here: another invoice could name the same hash with another amount.
    let Some(kept) = invoices::find(books, payment_hash)?.filter(|kept| kept.bolt11 == offer.text) else {
        return Ok(Err(Unpaid::Foreign(payment_hash)));
    };
    Ok(match invoices::pay(books, payment_hash, clock::now(), clock::now_ms())? {
        Payment::Settled(preimage) => Ok(Paid { amount: kept.amount, payment_hash, preimage }),
        Payment::AlreadyPaid => Err(Unpaid::AlreadyPaid(payment_hash)),
        Payment::Expired => Err(Unpaid::Expired(payment_hash)),
        Payment::Canceled => Err(Unpaid::Canceled(payment_hash)),
        Payment::Unknown => Err(Unpaid::Foreign(payment_hash)),
    })
}

/// The wallet's routes; WebLN's among them if pages of some origin may use them.
pub(crate) fn router(wallet: Arc<Wallet>, webln_origins: Vec<HeaderValue>) -> Router {
    let own = Router::new()
        .route("/", get(page::show))
        .route("/pay", post(page::pay))
        .route("/wallet.css", get(page::css))
        .route("/wallet.js", get(page::js))
        .route("/payinvoice", post(phoenixd::pay_invoice))
        .route("/v2/router/send", post(lnd::send_payment))
        .route("/createinvoice", post(receive::create_invoice))
        .route("/payments/incoming/{payment_hash}", get(receive::incoming_payment))
        .layer(middleware::from_fn(guard::only_from_this_machine));
    let webln = Router::new()
        .route("/webln.js", get(webln::js))
        .route("/webln/pay", post(webln::pay).options(webln::preflight))
        .route_layer(middleware::from_fn_with_state(webln_origins.clone().into(), guard::only_from_listed_pages));
    let all = if webln_origins.is_empty() { own } else { own.merge(webln) };
    all.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(wallet)
}
