//! The Payment scheme's intent `session` (draft-lightning-session-00; `wire.md` 4.8): a deposit is paid once, used up by
//! the unit, and what is left goes back.
//!
//! ```text
//! 402 with a deposit  ──▶  open:   the node says that it was paid; the session's book is opened with it
//!                          bearer: a unit is reserved, the request forwarded, the unit charged when it was delivered
//!                          topUp:  another deposit goes into the same book
//!                          close, or nothing for a while: what is left is paid to the return invoice
//! ```
//!
//! A unit is a request; of an answer in events (SSE) each event is one that the policy names, or that has data, and the shim reserves more of them on the
//! way ([`meter`]). Where the deposit is used up in the middle, the answer waits for another one.

use l402::decide::{Quote, Session};
use l402::payment::SessionAction;
use l402::payment::session::{Deposit, ReturnInvoice};
use l402::policy::Sessions;
use l402::problem::Refusal;
use l402::receipt::{PaymentReceipt, closed_session};
use l402::{Denial, Msat, PaymentHash, deposit};
use satstile_ledger::Id;
use satstile_lightning::Watched;
use serde_json::json;
use worker::{Context, Env, Request, Response, Result};

use crate::accounts::api::Said;
use crate::accounts::{arrivals, payouts};
use crate::config::gate::{self, Gate, Setup};
use crate::delivery::hold::{BALANCE_FIELD, hold_ttl_s};
use crate::delivery::ticket::{Admission, Outcome, Ticket};
use crate::delivery::verdict;
use crate::invoices::backend::NodeFault;
use crate::invoices::budget;
use crate::invoices::invoice;
use crate::invoices::node;
use crate::invoices::order::Wanted;
use crate::objects::account::sessions::{FULL, NOT_ITS};
use crate::objects::account::{
    Answer, CloseSession, Credit, LacksDeposit, Look, Meter, Metered, No, OpenSession, SeeTopUp, SessionSeen,
    TopUpSession, WaitDeposit,
};
use crate::objects::words::{Word, Words};
use crate::objects::{Own, Owner, ask, binding};
use crate::platform::{crypto, http, log};
use crate::totals;

/// What a deposit's invoice is for. No service has this name.
pub const DEPOSIT: &str = "_session";

/// What became of a wish about a session.
type Wish<T> = core::result::Result<T, Stop>;

/// Why one is not met.
enum Stop {
    /// Another deposit is offered, and the reason told.
    Sell(Denial),
    Refuse(Refusal<'static>),
    Platform(worker::Error),
}

impl From<worker::Error> for Stop {
    fn from(error: worker::Error) -> Self {
        Self::Platform(error)
    }
}

impl From<Said> for Stop {
    fn from(said: Said) -> Self {
        match said {
            Said::No(no) => no.into(),
            Said::Refused(refusal) => Self::Refuse(refusal),
            Said::Platform(error) => Self::Platform(error),
        }
    }
}

impl From<No> for Stop {
    fn from(no: No) -> Self {
        match no.status {
            // No book, or none of a session.
            401 | 404 => Self::Sell(Denial::SessionUnknown),
            402 => Self::Sell(Denial::SessionTooLow),
            403 => Self::Sell(Denial::UnknownChallenge),
            409 => Self::Sell(Denial::SessionClosed),
            FULL => Self::Sell(Denial::SessionFull),
            NOT_ITS => Self::Sell(Denial::OtherDeposit),
            _ => {
                log::warn("session", &no.reason);
                Self::Refuse(Refusal::Unavailable(60))
            }
        }
    }
}

/// Does what a bearer wants.
pub async fn serve(gate: &Gate, asked: &Session<'_>, request: &Request, env: &Env, ctx: &Context) -> Result<Admission> {
    let Some(sessions) = &gate.policy.sessions else { return Ok(Admission::refuse(&Refusal::NotReady, false)) };
    let accepts = request.headers().get("accept-payment")?;
    match act(gate, asked, sessions, l402::payment::takes_session(accepts.as_deref()), env).await {
        Ok(admission) => Ok(admission),
        Err(Stop::Sell(denial)) => {
            let quote = Quote { reason: Some(denial), ..(*asked.otherwise).clone() };
            offer(gate, sessions, &quote, request, env, ctx).await
        }
        Err(Stop::Refuse(refusal)) => Ok(Admission::refuse(&refusal, asked.otherwise.is_head)),
        Err(Stop::Platform(error)) => Err(error),
    }
}

async fn act(gate: &Gate, asked: &Session<'_>, sessions: &Sessions, takes_frames: bool, env: &Env) -> Wish<Admission> {
    let (wanted, session) = (&asked.wanted, asked.wanted.action.session());
    // A HEAD opens, fills and closes nothing.
    if asked.otherwise.is_head && !matches!(wanted.action, SessionAction::Bearer(_)) {
        return Err(Stop::Refuse(Refusal::UnpaidHead));
    }
    // Whoever forwarded a deposit has its preimage, and could ask for a challenge like anybody.
    let by = (!sessions.any_challenge).then(|| wanted.deposit.to_string());
    if by.is_some()
        && matches!(wanted.action, SessionAction::Bearer(_) | SessionAction::Close { .. })
        && wanted.deposit != session
        && !fills(env, wanted.deposit, session).await?
    {
        return Err(Stop::Sell(Denial::OtherDeposit));
    }
    // A session that is not named by this challenge's own deposit is one that anybody can name: it must be listed (T64).
    if wanted.deposit != session && !fills(env, session, session).await? {
        return Err(Stop::Sell(Denial::SessionUnknown));
    }
    match &wanted.action {
        SessionAction::Open { deposit, return_invoice } => {
            open(gate, env, deposit, return_invoice).await?;
            forward(gate, asked, (session, by), takes_frames, env).await
        }
        SessionAction::Bearer(_) => forward(gate, asked, (session, by), takes_frames, env).await,
        SessionAction::TopUp { deposit, .. } => {
            top_up(gate, env, session, deposit).await?;
            let receipt = PaymentReceipt::new(&session, Some(&wanted.challenge_id), http::now());
            Ok(Admission::Answer(answer(&json!({"status": "ok"}), &receipt.to_header())?))
        }
        SessionAction::Close { return_invoice, .. } => close(gate, env, (session, by), return_invoice.as_ref()).await,
    }
}

/// Whether a deposit went into this session. Asked of the index, so that no guess and no unpaid deposit wakes a book (T64).
async fn fills(env: &Env, deposit: PaymentHash, session: PaymentHash) -> Result<bool> {
    let listed = arrivals::listed(env, &deposit).await?;
    Ok(listed.is_some_and(|listed| listed.is_credited && listed.account == session.to_string()))
}

/// The 402 with a deposit to pay. It counts as any other invoice (T58).
pub async fn offer(
    gate: &Gate,
    sessions: &Sessions,
    quote: &Quote<'_>,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Result<Admission> {
    if quote.is_head {
        return Ok(Admission::refuse(&Refusal::UnpaidHead, true));
    }
    let permit = match budget::take(env, &gate.policy, &quote.place, request).await {
        Ok(permit) => permit,
        Err(refusal) => return Ok(Admission::refuse(&refusal, false)),
    };
    let (service, host) = (quote.service, &quote.place.host);
    let wanted =
        Wanted { name: DEPOSIT, amount: sessions.deposit(service), purpose: "session", ..Wanted::grant(service, host) };
    let made = match invoice::create(gate, &wanted).await {
        // A deposit is looked up by its hash alone, so it takes a node that can be asked so.
        Ok(made) if made.reference.is_empty() => made,
        Ok(_) => return Ok(Admission::refuse(&Refusal::NotReady, false)),
        Err(fault) => return Ok(Admission::refuse(&fault.refusal(), false)),
    };
    drop(permit);
    totals::count(env, ctx, &service.id, |counts| counts.challenges += 1);
    let payment = made.invoice.payment_hash.short();
    log::event("deposit asked for", json!({"service": service.id, "amount_msat": wanted.amount.0, "payment": payment}));
    let invoice = (made.bolt11.as_str(), &made.invoice);
    let answer = deposit::answer((service, quote.route), sessions, &quote.place, &gate.keys, invoice, quote.reason)
        .map_err(|fault| fault.to_string())?;
    Ok(Admission::answer(&answer))
}

/// Opens a session, unless it was opened before.
async fn open(gate: &Gate, env: &Env, deposit: &Deposit, return_invoice: &ReturnInvoice) -> Wish<()> {
    let name = deposit.payment_hash.to_string();
    let mut question = OpenSession {
        hash: name.clone(),
        preimage: deposit.preimage.expose_hex(),
        deposit_msat: deposit.amount.0,
        paid_msat: None,
        node_fee_msat: 0,
        return_hash: return_invoice.payment_hash.to_string(),
        return_bolt11: return_invoice.bolt11.clone(),
        idle_s: deposit.idle_timeout_s,
    };
    let found: Answer<()> = ask(env, binding::ACCOUNTS, &name, "session-open", &question).await?;
    match found {
        Err(no) if no.status == 402 || no.status == 401 => {}
        found => {
            found?;
            return Ok(arrivals::note_credited(env, &deposit.payment_hash, &name).await?);
        }
    }
    let came = take(gate, env, deposit, &name).await?;
    (question.paid_msat, question.node_fee_msat) = (Some(came.paid_msat), came.node_fee_msat);
    let opened: Answer<()> = ask(env, binding::ACCOUNTS, &name, "session-open", &question).await?;
    opened?;
    arrivals::note_credited(env, &deposit.payment_hash, &name).await?;
    log::event("session opened", json!({"amount_msat": deposit.amount.0, "payment": deposit.payment_hash.short()}));
    Ok(())
}

/// Adds a deposit to a session, unless that was done before.
async fn top_up(gate: &Gate, env: &Env, session: PaymentHash, deposit: &Deposit) -> Wish<()> {
    let name = session.to_string();
    let mut question = TopUpSession {
        session: name.clone(),
        hash: deposit.payment_hash.to_string(),
        deposit_msat: deposit.amount.0,
        paid_msat: None,
        node_fee_msat: 0,
        limit_msat: gate.policy.payouts.map_or(0, |payouts| payouts.max.0),
    };
    let found: Answer<()> = ask(env, binding::ACCOUNTS, &name, "session-top-up", &question).await?;
    match found {
        Err(no) if no.status == 402 => {}
        found => {
            found?;
            return Ok(arrivals::note_credited(env, &deposit.payment_hash, &name).await?);
        }
    }
    let came = take(gate, env, deposit, &name).await?;
    (question.paid_msat, question.node_fee_msat) = (Some(came.paid_msat), came.node_fee_msat);
    let topped: Answer<()> = ask(env, binding::ACCOUNTS, &name, "session-top-up", &question).await?;
    topped?;
    Ok(arrivals::note_credited(env, &deposit.payment_hash, &name).await?)
}

/// What came in by a deposit, and what the node kept of it (T66).
#[derive(Clone, Copy)]
struct Came {
    paid_msat: u64,
    node_fee_msat: u64,
}

/// The money of a deposit is here, by the node's word (C7), and it is this session's alone (T83).
async fn take(gate: &Gate, env: &Env, deposit: &Deposit, session: &str) -> Wish<Came> {
    let watched = Watched { payment_hash: deposit.payment_hash, amount: deposit.amount, reference: "" };
    let status = node::look_up(gate, &watched).await.ok_or(Stop::Refuse(NodeFault::Silent.refusal()))?;
    // Whoever has the preimage has paid, and the node will know in a moment.
    let paid = status.paid_msat().filter(|paid| *paid >= deposit.amount.0);
    let paid_msat = paid.ok_or(Stop::Refuse(Refusal::Unavailable(1)))?;
    let came = Came { paid_msat, node_fee_msat: status.node_fee_msat() };
    let hash = deposit.payment_hash.to_string();
    let mut own = Own { account: session.to_owned(), instead_of: None };
    let owner: Owner = ask(env, binding::PAYMENTS, &hash, "own", &own).await?;
    let Some(other) = owner.account.filter(|owner| owner != session) else { return Ok(came) };
    // It was meant for a session that ended before it came: then it is free to open one of its own.
    let asked = LacksDeposit { session: other.clone(), hash: hash.clone() };
    let lacks: Answer<()> = ask(env, binding::ACCOUNTS, &other, "session-lacks", &asked).await?;
    lacks.map_err(|_| Stop::Sell(Denial::UnknownChallenge))?;
    own.instead_of = Some(other);
    let owner: Owner = ask(env, binding::PAYMENTS, &hash, "own", &own).await?;
    match owner.account {
        Some(owner) if owner == session => Ok(came),
        _ => Err(Stop::Sell(Denial::UnknownChallenge)),
    }
}

/// A deposit is good for a session until so long after its invoice has ended, in seconds.
const DEPOSIT_GOOD_S: u64 = 86_400;

/// The node has pushed that a deposit was paid: it waits in a book of its own until somebody uses it.
pub async fn arrived(gate: &Gate, env: &Env, hash: &PaymentHash, asked: Msat) -> Result<bool> {
    let name = hash.to_string();
    let ends_at = http::now().plus(gate.policy.invoice_expiry_s).plus(DEPOSIT_GOOD_S).0;
    let wait = WaitDeposit { hash: name.clone(), asked_msat: asked.0, ends_at };
    let waits: Answer<()> = ask(env, binding::ACCOUNTS, &name, "deposit-wait", &wait).await?;
    Ok(waits.is_ok())
}

/// A deposit that nobody can use any more, out of the alarm of its own book: what becomes of it there.
pub async fn unused(line: &str, env: &Env) -> Option<String> {
    let look = <Look as Word>::hear(line)?;
    let setup = gate::current()?;
    let Setup::Ready(gate) = &*setup else { return None };
    let payment_hash = PaymentHash::from_hex(&look.hash)?;
    // From here on it fills no other session.
    let mut own = Own { account: look.hash.clone(), instead_of: None };
    let owner: Owner = ask(env, binding::PAYMENTS, &look.hash, "own", &own).await.ok()?;
    if let Some(other) = owner.account.filter(|owner| *owner != look.hash) {
        let asked = LacksDeposit { session: other.clone(), hash: look.hash.clone() };
        let has: Answer<()> = ask(env, binding::ACCOUNTS, &other, "session-has", &asked).await.ok()?;
        if has.is_ok() {
            return Some(format!("deposit-gone\n{}", Words::say(&SeeTopUp { hash: look.hash })));
        }
        // It was meant for a session that ended before it came.
        let lacks: Answer<()> = ask(env, binding::ACCOUNTS, &other, "session-lacks", &asked).await.ok()?;
        lacks.ok()?;
        own.instead_of = Some(other);
        let owner: Owner = ask(env, binding::PAYMENTS, &look.hash, "own", &own).await.ok()?;
        owner.account.filter(|owner| *owner == look.hash)?;
    }
    let watched = Watched { payment_hash, amount: Msat(look.asked_msat), reference: "" };
    let status = node::look_up(gate, &watched).await?;
    let paid_msat = status.paid_msat().filter(|paid| *paid >= look.asked_msat)?;
    let node_fee_msat = status.node_fee_msat();
    log::event("deposit without a session", json!({"account": look.hash, "amount_msat": paid_msat}));
    Some(format!("credit\n{}", Words::say(&Credit { hash: look.hash, paid_msat, node_fee_msat })))
}

/// Reserves a unit and forwards.
async fn forward(
    gate: &Gate,
    asked: &Session<'_>,
    (session, by): (PaymentHash, Option<String>),
    takes_frames: bool,
    env: &Env,
) -> Wish<Admission> {
    if !asked.is_for_this {
        return Err(Stop::Sell(Denial::UnknownChallenge));
    }
    let id = hex::encode(crypto::random::<32>()?);
    let use_of = Use { session: session.to_string(), by, id, unit: asked.wanted.unit };
    // What delivers nothing costs nothing: it is asked what is left.
    let is_head = asked.otherwise.is_head;
    let metered: Answer<Metered> = use_of.meter(gate, env, None, u64::from(!is_head)).await?;
    let metered = metered?;
    if is_head {
        if metered.available_msat < use_of.unit.0 {
            return Err(Stop::Sell(Denial::SessionTooLow));
        }
        let left = [(BALANCE_FIELD, metered.available_msat.to_string())];
        return Ok(Admission::Verdict(verdict::forward_with(&asked.otherwise.pass, &left, None)));
    }
    if metered.units == 0 {
        return Err(Stop::Sell(Denial::SessionTooLow));
    }
    let receipt = PaymentReceipt::new(&session, Some(&asked.wanted.challenge_id), http::now()).to_header();
    let fields = [("payment-receipt", receipt), (BALANCE_FIELD, metered.available_msat.to_string())];
    let (quote, deposit) = (&asked.otherwise, &asked.wanted.deposit);
    let pass = quote.pass.clone().paid(&quote.service.id, Some(deposit));
    let forward = verdict::forward_with(&pass, &fields, Some(&use_of.ticket().to_line()));
    let forward = verdict::by_the_event(forward, quote.service.units.as_deref(), takes_frames);
    // Nobody counts events in what is compressed.
    Ok(Admission::Verdict(verdict::uncompressed(forward)))
}

/// A use under way: the hold of some units.
struct Use {
    session: String,
    /// The deposit whose challenge was shown.
    by: Option<String>,
    id: String,
    unit: Msat,
}

impl Use {
    fn ticket(&self) -> Ticket {
        Ticket::Session { session: self.session.clone(), id: self.id.clone(), unit_msat: self.unit.0 }
    }

    /// Ends `before`, a hold and how many units of it were used, and reserves `want` units under this id.
    async fn meter(&self, gate: &Gate, env: &Env, before: Option<(String, u64)>, want: u64) -> Result<Answer<Metered>> {
        let question = Meter {
            session: self.session.clone(),
            by: self.by.clone(),
            used: before.as_ref().map_or(0, |(_, used)| *used),
            end: before.map(|(id, _)| id),
            begin: (want > 0).then(|| self.id.clone()),
            want,
            unit_msat: self.unit.0,
            ttl_s: hold_ttl_s(gate),
        };
        ask(env, binding::ACCOUNTS, &self.session, "session-meter", &question).await
    }
}

/// Charges `used` units of what a ticket reserved, and reserves `want` more: the next ticket, how many units that are, and
/// what the session has cost so far, in satoshi, a line each.
pub async fn meter(env: &Env, ticket: &str, used: u64, want: u64) -> Result<String> {
    let Some(Ticket::Session { session, id, unit_msat }) = Ticket::from_line(ticket) else {
        return Err("not a session's ticket".into());
    };
    let setup = gate::current().ok_or("not configured")?;
    let Setup::Ready(gate) = &*setup else { return Err("not ready".into()) };
    // Derived, so that the same question again is about the same hold.
    let next = hex::encode(Id::derive("session-hold", &[id.as_bytes()]).0);
    let next = Use { session, by: None, id: next, unit: Msat(unit_msat) };
    let metered: Answer<Metered> = next.meter(gate, env, Some((id, used)), want).await?;
    let metered = metered.map_err(|no| no.reason)?;
    let (ticket, spent) = (next.ticket().to_line(), metered.spent_msat.div_ceil(1_000));
    Ok(format!("{ticket}\n{}\n{spent}", metered.units))
}

/// Ends a use that was one request.
pub async fn end(env: &Env, ticket: &str, outcome: Outcome<'_>) -> Result<()> {
    meter(env, ticket, u64::from(outcome.delivered), 0).await.map(|_| ())
}

/// Closes, and tells what became of what was left. Asked again, it tells how that stands now.
async fn close(
    gate: &Gate,
    env: &Env,
    (session, by): (PaymentHash, Option<String>),
    return_invoice: Option<&ReturnInvoice>,
) -> Wish<Admission> {
    let (Some(limits), Some(payer)) = (gate.policy.payouts, gate.payer.as_ref()) else {
        return Err(Stop::Refuse(Refusal::NotReady));
    };
    let name = session.to_string();
    let mut question = CloseSession {
        session: name.clone(),
        by,
        is_alarm: false,
        fee_ppm: limits.fee_ppm,
        fee_min_msat: limits.fee_min.0,
        return_hash: return_invoice.map(|invoice| invoice.payment_hash.to_string()),
        return_bolt11: return_invoice.map(|invoice| invoice.bolt11.clone()),
    };
    let seen: Answer<SessionSeen> = ask(env, binding::ACCOUNTS, &name, "session-close", &question).await?;
    let mut seen = match seen {
        // An answer is under way: the client waits for it, or leaves it.
        Err(no) if no.status == 409 => return Err(Stop::Refuse(Refusal::InFlight)),
        seen => seen?,
    };
    if let Some(order) = seen.order.take() {
        log::event("session closed", json!({"payment": session.short(), "refund_sats": seen.refund_sats}));
        payouts::carry(env, payer, &name, order).await?;
        (question.return_hash, question.return_bolt11) = (None, None);
        let now: Answer<SessionSeen> = ask(env, binding::ACCOUNTS, &name, "session-close", &question).await?;
        seen = now?;
    }
    let receipt = closed_session(&session, http::now(), seen.refund_sats, &seen.status);
    let body = json!({"status": "closed", "refundSats": seen.refund_sats, "refundStatus": seen.status});
    Ok(Admission::Answer(answer(&body, &receipt)?))
}

/// An alarm's order to close a session that nobody uses; the operation and its question, for the session's book.
pub fn close_idle(session: &str) -> String {
    let limits = gate::current().and_then(|setup| match &*setup {
        Setup::Ready(gate) => gate.policy.payouts.filter(|_| gate.payer.is_some()),
        Setup::Faulty { .. } => None,
    });
    let Some(limits) = limits else { return "session-put-off\n".to_owned() };
    let question = CloseSession {
        session: session.to_owned(),
        by: None,
        is_alarm: true,
        fee_ppm: limits.fee_ppm,
        fee_min_msat: limits.fee_min.0,
        return_hash: None,
        return_bolt11: None,
    };
    format!("session-close\n{}", question.say())
}

fn answer(body: &serde_json::Value, receipt: &str) -> Result<Response> {
    let response = http::json(200, body)?;
    response.headers().set("payment-receipt", receipt)?;
    Ok(response)
}
