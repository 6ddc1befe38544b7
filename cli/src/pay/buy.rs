//! The way from a 402 to what it sells. Decisions about the invoice are `l402::payer`'s.

use std::time::Duration;

use hyper::Method;
use l402::payer::{self, Asked, Offer, Payer, PayerFault, UnverifiedTerms, loose};
use l402::{Msat, PaymentHash, Preimage};
use satstile_lightning::BackendFault;
use satstile_lightning::wallet::{self, Payment};
use serde_json::{Value, json};

use super::Shop;
use super::output::Paid;
use crate::cache::{Kept, Redacted, Sent};
use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::http::{Reply, Request};
use crate::say::{Tone, distance, pasteable, printable};
use crate::token::view::View;
use crate::wallet::Purse;

/// How often what was paid for is asked for, when the server is busy.
const TRIES: u32 = 3;

impl Shop<'_> {
    /// Sends the request, with a token that is at hand if there is one.
    pub(super) async fn fetch(&self, request: Request) -> Result<Exit, Fault> {
        let book = self.cache.as_ref().map(|cache| cache.read()).transpose()?.unwrap_or_default();
        let mut tried = book.likely(&request.url.origin, &request.url.path, now()).cloned();
        let mut reply = self.send(&request, tried.as_ref()).await?;
        if let (401, Some(dead)) = (reply.status, &tried) {
            // The seller does not know its own token any more: a new key, most likely.
            self.refused(dead)?;
            tried = None;
            reply = self.send(&request, None).await?;
        }
        if reply.status != 402 {
            return self.used(&request, tried.as_ref(), reply).await;
        }
        let (mut offer, mut asked) = self.read_offer(reply, request.method == Method::HEAD).await?;
        let mut scope = scope_of(&offer);
        // What this 402 sells was perhaps bought before, for a path that looked quite different.
        let other = book.of(&request.url.origin, &scope).filter(|kept| !kept.has_ended(now()));
        if let Some(other) = other.filter(|other| tried.as_ref().is_none_or(|t| t.service != other.service)).cloned() {
            let reply = self.send(&request, Some(&other)).await?;
            if !matches!(reply.status, 401 | 402) {
                return self.used(&request, Some(&other), reply).await;
            }
            let may_buy = reply.status == 402;
            self.refused(&other)?;
            let reply = if may_buy { reply } else { self.send(&request, None).await? };
            (offer, asked) = self.read_offer(reply, false).await?;
            scope = scope_of(&offer);
        } else if let Some(dead) = tried.filter(|tried| tried.service == scope) {
            self.refused(&dead)?;
        }
        self.buy(&request, &offer, asked, &scope).await
    }

    async fn send(&self, request: &Request, token: Option<&Kept>) -> Result<Reply, Fault> {
        let request = request.clone();
        let request = match token {
            Some(kept) => request.with("authorization", &kept.authorization),
            None => request,
        };
        self.client.send(&request).await
    }

    /// An answer that is about no payment of this call.
    async fn used(&self, request: &Request, token: Option<&Kept>, reply: Reply) -> Result<Exit, Fault> {
        if let Some(kept) = token {
            self.note_use(kept, request, &reply)?;
            let at = l402::UnixTime(kept.bought_at);
            self.remark(&format!(
                "bought before, on {at} ({}); nothing paid now (--no-cache pays again)",
                distance(now(), at)
            ));
        }
        self.deliver(reply, Paid::Nothing).await
    }

    /// An answer to a token whose payment was sent by an earlier call, and is found to have arrived.
    async fn arrived(&self, request: &Request, token: Option<&Kept>, reply: Reply) -> Result<Exit, Fault> {
        if let Some(kept) = token {
            self.note_use(kept, request, &reply)?;
        }
        self.remark("the payment of an earlier call has arrived; nothing more is paid now");
        self.deliver(reply, Paid::Price { kept: token.is_some() }).await
    }

    fn note_use(&self, kept: &Kept, request: &Request, reply: &Reply) -> Result<(), Fault> {
        match &self.cache {
            Some(cache) if reply.status < 500 => {
                cache.change(|book| book.opened(&kept.origin, &kept.service, &request.url.path))
            }
            _ => Ok(()),
        }
    }

    fn remark(&self, words: &str) {
        if !self.say.json {
            self.say.aside(&self.say.paint_err(Tone::Aside, words));
        }
    }

    /// A token that is refused is dropped, unless it never opened anything: then buying another is no remedy.
    fn refused(&self, kept: &Kept) -> Result<(), Fault> {
        if !kept.delivered && !kept.has_ended(now()) {
            let bought = distance(now(), l402::UnixTime(kept.bought_at));
            return Err(Fault::new(
                Exit::Refused,
                format!(
                    "the token that was bought {bought} for {} opened nothing yet, and is refused",
                    Msat(kept.amount_msat)
                ),
            )
            .next(format!(
                "Nothing was paid now. Ask the seller why; `satstile token list` has the payment.\n\
                 To buy another all the same: satstile token forget {} --service {}",
                pasteable(&kept.origin),
                pasteable(&kept.service)
            )));
        }
        self.cache.as_ref().map_or(Ok(()), |cache| cache.change(|book| book.drop_token(&kept.origin, &kept.service)))
    }

    /// Reads a 402 and holds its parts against each other and against the limits.
    async fn read_offer(&self, reply: Reply, is_head: bool) -> Result<(Offer, Asked), Fault> {
        let lines = reply.lines("www-authenticate");
        if is_head && lines.is_empty() {
            return Err(Fault::new(Exit::Budget, "this is sold; a HEAD gets no invoice").next("Buy it with GET first."));
        }
        let values: Vec<&str> = lines.iter().map(String::as_str).collect();
        let fault = |fault: PayerFault| {
            let next = match fault {
                PayerFault::TooDear(amount) => format!("If it is worth that: --max-sats {}", amount.sats_up()),
                PayerFault::WrongNetwork(network) => {
                    format!("You pay on {}. If your wallet is on {network}: --network {network}", self.limits.network)
                }
                PayerFault::Expired => "Ask again: every 402 has a new invoice. Is your clock right?".to_owned(),
                _ => format!("`satstile doctor {}` says what is wrong with this endpoint.", self.args.url),
            };
            Fault::new(Exit::Budget, format!("nothing was paid: {fault}")).next(next)
        };
        let body = reply.read().await.unwrap_or_default();
        let read = Offer::read(&values);
        // What nobody could offer in good grammar may still mean one thing only.
        let loose = match &read {
            Err(PayerFault::Unreadable | PayerFault::NoChallenge) => loose::read(&values, &body),
            _ => None,
        };
        let (values, read) = match &loose {
            Some(loose) => (vec![loose.challenge.as_str()], Offer::read(&[&loose.challenge])),
            None => (values, read),
        };
        let offer = read.map_err(fault)?;
        let step = Payer::new(self.limits).response(402, &values, now()).map_err(fault)?;
        offer.check(&terms(&body)).map_err(fault)?;
        match step {
            payer::Step::Pay(asked) => Ok((offer, asked)),
            payer::Step::Pass => Err(Fault::new(Exit::Budget, "nothing was paid: this is no 402")),
        }
    }

    /// Pays, keeps the token, and asks again with it.
    async fn buy(&self, request: &Request, offer: &Offer, asked: Asked, scope: &str) -> Result<Exit, Fault> {
        if self.args.dry_run {
            return Ok(self.would_pay(offer));
        }
        let purse = self.purse.as_ref().ok_or_else(|| {
            Fault::usage(format!("this costs {}, and there is no wallet to pay it", offer.amount))
                .next("Say --wallet, or set SATSTILE_WALLET; `satstile pay --help` has examples. --dry-run only looks.")
        })?;
        purse.knock().await?;
        if let Some(exit) = self.earlier_payment(request, purse, scope).await? {
            return Ok(exit);
        }
        let sent = Sent {
            origin: request.url.origin.clone(),
            service: scope.to_owned(),
            token: Redacted(asked.status_authorization()),
            payment_hash: asked.payment_hash().to_string(),
            amount_msat: asked.amount().0,
            wallet: purse.name(),
            sent_at: now().0,
            path: request.url.path.clone(),
        };
        if let Some(cache) = &self.cache {
            cache.change(|book| book.sent.push(sent.clone()))?;
        }
        let payment = Payment {
            bolt11: asked.invoice(),
            payment_hash: asked.payment_hash(),
            amount: asked.amount(),
            max_fee: self.max_fee.unwrap_or(Msat(10_000 + asked.amount().0 / 100)),
        };
        let (preimage, fee) = match purse.pay(&payment).await {
            Ok(wallet::Outcome::Paid { preimage, fee }) => (preimage, fee),
            Ok(wallet::Outcome::Failed(reason)) => {
                self.settle(&sent)?;
                return Err(Fault::new(Exit::Payment, format!("the payment failed: {reason}"))
                    .next("Nothing was paid; the wallet says so. Balance, channels, fee limit (--max-fee-sats)?"));
            }
            Ok(wallet::Outcome::Unknown | wallet::Outcome::NotFound) => return Err(self.unknown(&sent)),
            Err(fault @ BackendFault::WrongPreimage) => {
                return Err(Fault::new(Exit::Payment, format!("the wallet ({}): {fault}", purse.name()))
                    .next("It says that it paid. Do not pay again before you have looked into the wallet."));
            }
            Err(fault) => {
                self.settle(&sent)?;
                return Err(Fault::new(Exit::Payment, format!("the wallet ({}): {fault}", purse.name()))
                    .next("Nothing was paid."));
            }
        };
        let paid = asked.paid(preimage).map_err(|wrong| Fault::new(Exit::Payment, wrong))?;
        let authorization = paid.authorization();
        let kept = self.keep(&sent, &authorization);
        let outcome = self.collect(request, paid).await;
        self.receipt(offer, fee, now(), kept);
        let outcome = outcome.map_err(|fault| {
            let next = kept.then_some("It is paid, and the token is kept: the same command pays nothing.");
            Fault { exit: Exit::Network, ..self.not_delivered(fault.what, next, &authorization) }
        })?;
        match outcome {
            Collected::Reply(reply) => {
                if let Some(cache) = self.cache.as_ref().filter(|_| kept) {
                    cache.change(|book| book.opened(&request.url.origin, scope, &request.url.path))?;
                }
                let opened_nothing = !(200..400).contains(&reply.status);
                let outcome = self.deliver(reply, Paid::Price { kept }).await;
                if opened_nothing && !kept {
                    self.say.aside(&lost(&authorization));
                }
                outcome
            }
            Collected::Later(status) => Err(self.not_delivered(
                format!("paid, but the server cannot deliver now ({status})"),
                kept.then_some("The token is kept: the same command, later, pays nothing."),
                &authorization,
            )),
            Collected::Rejected(status) => Err(self.not_delivered(
                format!("paid, and the server refuses the token ({status})"),
                kept.then_some(
                    "Nothing more is paid to it for this by itself. Ask the seller; the payment hash is your proof.",
                ),
                &authorization,
            )),
        }
    }

    /// Asks for what was paid, more than once when the server is merely busy and asking is harmless.
    async fn collect(&self, request: &Request, paid: payer::Paid) -> Result<Collected, Fault> {
        let harmless = [Method::GET, Method::HEAD].contains(&request.method);
        let authorized = request.clone().with("authorization", &paid.authorization());
        let (mut paid, mut tries) = (paid, 0);
        loop {
            tries += 1;
            let again = harmless && tries < TRIES;
            let reply = match self.client.send(&authorized).await {
                Ok(reply) => reply,
                Err(_) if again => {
                    tokio::time::sleep(Duration::from_secs(u64::from(tries))).await;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let status = reply.status;
            match paid.response(status) {
                payer::Outcome::Delivered(_) => return Ok(Collected::Reply(reply)),
                payer::Outcome::Rejected(_) => return Ok(Collected::Rejected(status)),
                payer::Outcome::Again(same) if again => {
                    paid = same;
                    tokio::time::sleep(Duration::from_secs(u64::from(tries))).await;
                }
                payer::Outcome::Again(_) => return Ok(Collected::Later(status)),
            }
        }
    }

    /// A payment for the same thing whose end is not known: asked after, never repeated (T93).
    async fn earlier_payment(&self, request: &Request, purse: &Purse, scope: &str) -> Result<Option<Exit>, Fault> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let book = cache.read()?;
        let Some(sent) = book.sent_for(&request.url.origin, scope, &request.url.path) else { return Ok(None) };
        let hash = PaymentHash::from_hex(&sent.payment_hash).filter(|_| sent.wallet == purse.name());
        let Some(hash) = hash else { return Err(self.unknown(sent)) };
        match purse.look(hash).await {
            wallet::Outcome::Unknown => Err(self.unknown(sent)),
            wallet::Outcome::Failed(_) | wallet::Outcome::NotFound => self.settle(sent).map(|()| None),
            wallet::Outcome::Paid { preimage, .. } => {
                let kept = self.keep(sent, &credential(sent, &preimage));
                let token = cache.read()?.of(&sent.origin, scope).cloned().filter(|_| kept);
                let reply = self.send(request, token.as_ref()).await?;
                match (reply.status, token) {
                    (401 | 402, Some(token)) => self.refused(&token).map(|()| None),
                    (_, token) => self.arrived(request, token.as_ref(), reply).await.map(Some),
                }
            }
        }
    }

    /// Keeps a token in the place of its payment. Says whether it could.
    fn keep(&self, sent: &Sent, authorization: &str) -> bool {
        let Some(cache) = &self.cache else { return false };
        let token = sent.token.0.split_once(' ').map_or("", |(_, token)| token);
        let kept = Kept {
            origin: sent.origin.clone(),
            service: sent.service.clone(),
            authorization: authorization.to_owned(),
            paths: vec![sent.path.clone()],
            delivered: false,
            amount_msat: sent.amount_msat,
            bought_at: now().0,
            valid_until: View::parse(token).ok().and_then(|view| view.valid_until()).map(|at| at.0),
        };
        let written = cache.change(|book| {
            book.keep(kept);
            book.settle(&sent.payment_hash);
        });
        written.map_err(|fault| self.say.fault(&fault)).is_ok()
    }

    fn settle(&self, sent: &Sent) -> Result<(), Fault> {
        self.cache.as_ref().map_or(Ok(()), |cache| cache.change(|book| book.settle(&sent.payment_hash)))
    }

    fn unknown(&self, sent: &Sent) -> Fault {
        let hash = &sent.payment_hash;
        let next = if self.cache.is_some() {
            format!(
                "It may still arrive, so nothing is paid again. The same command asks the wallet first.\n\
                 Look for the payment {hash} in the wallet ({}).\n\
                 Only once the wallet says that it failed: satstile token forget {} --service {}",
                sent.wallet,
                pasteable(&sent.origin),
                pasteable(&sent.service)
            )
        } else {
            format!("It may still arrive. Look for the payment {hash} in the wallet before you pay again.")
        };
        let when = distance(now(), l402::UnixTime(sent.sent_at));
        Fault::new(
            Exit::Payment,
            format!("it is not known what became of a payment of {} ({when})", Msat(sent.amount_msat)),
        )
        .next(next)
    }

    /// Paid and not delivered. Where the token is not kept, it is printed: it is all that is left of the money.
    fn not_delivered(&self, what: String, kept: Option<&str>, authorization: &str) -> Fault {
        let next = kept.map_or_else(|| lost(authorization), str::to_owned);
        Fault::new(Exit::Refused, what).next(next)
    }

    fn would_pay(&self, offer: &Offer) -> Exit {
        let ends = offer.expires_at();
        if self.say.json {
            self.say.document(&json!({
                "amount_msat": offer.amount.0,
                "description": offer.invoice.description,
                "network": offer.invoice.network.as_str(),
                "payment_hash": offer.payment_hash().to_string(),
                "invoice": offer.bolt11,
                "invoice_expires_at": ends.to_string(),
                "service": View::parse(&offer.token).ok().and_then(|view| view.service().map(str::to_owned)),
            }));
        } else {
            let what = offer.invoice.description.as_deref().map(printable).unwrap_or_default();
            self.say.out(&format!("would pay {} for \"{what}\" on {}", offer.amount, offer.invoice.network));
            self.say.out(&format!("the invoice can be paid until {ends} ({})", distance(now(), ends)));
        }
        Exit::Ok
    }
}

/// What came of the request with the token.
enum Collected {
    /// Delivered.
    Reply(Reply),
    /// Not now; the status.
    Later(u16),
    /// Not at all; the status.
    Rejected(u16),
}

/// A credential that is kept nowhere and has opened nothing, for its owner alone.
fn lost(authorization: &str) -> String {
    format!("Keep this, it was paid for:\nAuthorization: {authorization}")
}

fn credential(sent: &Sent, preimage: &Preimage) -> String {
    format!("{}:{}", sent.token.0, preimage.expose_hex())
}

/// Under which name a purchase is kept; sellers whose tokens cannot be read have one for all.
fn scope_of(offer: &Offer) -> String {
    View::parse(&offer.token).map(|view| view.scope()).unwrap_or_default()
}

/// What a problem body says of the purchase; nothing, when it is no such JSON.
fn terms(body: &[u8]) -> UnverifiedTerms {
    let body: Value = l402::json::parse(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    UnverifiedTerms {
        amount_msat: body.get("amount_msat").and_then(Value::as_u64),
        payment_hash: text("payment_hash"),
        invoice: text("invoice"),
        macaroon: text("macaroon"),
        // Other sellers write times in other ways; the invoice's own end is what counts.
        expires_at: text("expires_at").filter(|at| l402::UnixTime::from_rfc3339(at).is_some()),
        network: None,
    }
}
