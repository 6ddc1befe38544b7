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

impl Shop<'_> {
    /// Hands the body on, whatever its status; one that is an error ends with 1.
    pub(super) async fn deliver(&self, reply: Reply) -> Result<Exit, Fault> {
        let status = reply.status;
        if self.args.output.is_some() && !(200..300).contains(&status) {
            // A file keeps what it held: an error page is not what was asked for.
            let body = reply.read().await.unwrap_or_default();
            let text = printable(&String::from_utf8_lossy(&body));
            return Err(Fault::not_good(format!("the server answered {status}: {text}")));
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
        self.say.aside(&self.say.paint_err(Tone::Odd, &format!("the server answered {status}")));
        Ok(Exit::NotGood)
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
