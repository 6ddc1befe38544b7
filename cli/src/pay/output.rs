//! Where the body goes, and the line that says what it cost.

use std::time::Duration;

use l402::payer::Offer;
use l402::{Msat, UnixTime};
use serde_json::json;

use super::Shop;
use crate::fault::{Exit, Fault};
use crate::http::Reply;
use crate::say::{Tone, distance, printable};
use crate::token::view::View;

/// The advice to a buyer whose token was taken for an answer that is an error.
const KEPT: &str = "The token is kept, and opens what else it is good for; the payment hash is your proof.";

/// What an answer was paid with, by this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// Nothing: it is free, or was bought before.
    Nothing,
    /// Its price.
    Price {
        /// Whether the token is kept for another call.
        kept: bool,
    },
}

impl Paid {
    /// How a call ends that got another answer than it asked for.
    const fn exit(self) -> Exit {
        match self {
            Self::Nothing => Exit::NotGood,
            Self::Price { .. } => Exit::Refused,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Price { .. } => "it is paid, and ",
        }
    }
}

impl Shop<'_> {
    /// Hands the body on, whatever its status; one that is an error ends with 1, and with 5 once it was paid for.
    pub(super) async fn deliver(&self, reply: Reply, paid: Paid) -> Result<Exit, Fault> {
        let status = reply.status;
        if self.args.output.is_some() && !(200..300).contains(&status) {
            // A file keeps what it held: an error page is not what was asked for.
            let body = reply.read().await.unwrap_or_default();
            let text = printable(&String::from_utf8_lossy(&body));
            let fault = Fault::new(paid.exit(), format!("{}the server answered {status}: {text}", paid.words()));
            return Err(match paid {
                Paid::Price { kept: true } => fault.next(KEPT),
                _ => fault,
            });
        }
        let idle = Duration::from_secs(self.args.timeout.max(1));
        match &self.args.output {
            None => reply.pour(&mut tokio::io::stdout(), idle).await?,
            Some(file) => {
                let opened = std::fs::File::create(file).map_err(|error| {
                    Fault::not_good(format!("cannot write {}: {error}", file.display()))
                        .next("The token is kept: the same command with another --output pays nothing.")
                })?;
                reply.pour(&mut Blocking(opened), idle).await?
            }
        };
        if (200..400).contains(&status) {
            return Ok(Exit::Ok);
        }
        let words = format!("{}the server answered {status}", paid.words());
        self.say.aside(&self.say.paint_err(Tone::Odd, &words));
        if paid == (Paid::Price { kept: true }) {
            self.say.aside(&format!("  {KEPT}"));
        }
        Ok(paid.exit())
    }

    /// One line on stderr, after a payment.
    pub(super) fn receipt(&self, offer: &Offer, fee: Option<Msat>, now: UnixTime, kept: bool) {
        let view = View::parse(&offer.token).ok();
        let ends = view.as_ref().and_then(View::valid_until);
        if self.say.json {
            let receipt = json!({
                "paid_msat": offer.amount.0,
                "fee_msat": fee.map(|fee| fee.0),
                "payment_hash": offer.payment_hash().to_string(),
                "description": offer.invoice.description,
                "network": offer.invoice.network.as_str(),
                "service": view.as_ref().and_then(View::service),
                "valid_until": ends.map(|at| at.to_string()),
                "token_kept": kept,
            });
            return self.say.aside(&receipt.to_string());
        }
        let mut parts = vec![format!("paid {}", offer.amount)];
        if let Some(fee) = fee.filter(|fee| fee.0 > 0) {
            parts.push(format!("and {fee} of routing fee"));
        }
        if let Some(text) = &offer.invoice.description {
            parts.push(format!("for \"{}\"", printable(text)));
        }
        let until = ends.map(|at| format!(", good until {at} ({})", distance(now, at))).unwrap_or_default();
        let token = if kept { "; token kept" } else { "; token not kept" };
        let line = format!("{} · payment {}{until}{token}", parts.join(" "), offer.payment_hash().short());
        self.say.aside(&self.say.paint_err(Tone::Good, &line));
    }
}

/// A file, written as the body comes: nothing else happens meanwhile, so it may as well block.
struct Blocking(std::fs::File);

impl tokio::io::AsyncWrite for Blocking {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(std::io::Write::write(&mut self.0, bytes))
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(std::io::Write::flush(&mut self.0))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        self.poll_flush(context)
    }
}
