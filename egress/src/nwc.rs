//! A wallet behind a Nostr relay: sends what `satstile_lightning::nwc` asks for, and waits for what the wallet says.
//!
//! The clock and the randomness of these calls are here. A socket that has served stays open for the next call.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use l402::{PaymentHash, UnixTime};
use rustls::ClientConfig;
use satstile_lightning::nwc::{Call, Chance, Heard, Info, NwcConnection, Relay, Reply, Request};
use satstile_lightning::wallet::Outcome;
use satstile_lightning::{BackendFault, Invoice, Order, Status, Watched};
use tokio::time::{timeout, timeout_at};

use crate::{Socket, tls};

/// How long an unused socket is kept; relays close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(30);
/// Before a payment, which itself may take much longer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Asks one wallet, each question within its deadline.
#[derive(Clone)]
pub struct NwcClient {
    shared: Arc<Shared>,
    deadline: Duration,
}

struct Shared {
    connection: NwcConnection,
    tls: Arc<ClientConfig>,
    idle: Mutex<Option<(Socket, Instant)>>,
}

/// What a wallet tells by itself. Dropping ends it.
pub struct Hints {
    shared: Arc<Shared>,
    socket: Socket,
}

impl NwcClient {
    /// A client for this connection.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(connection: NwcConnection, deadline: Duration) -> io::Result<Self> {
        let shared = Shared { connection, tls: Arc::new(tls::config(None)?), idle: Mutex::new(None) };
        Ok(Self { shared: Arc::new(shared), deadline })
    }

    /// The same client for requests that are answered sooner or later.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &NwcConnection {
        &self.shared.connection
    }

    /// Makes an invoice. Where the first attempt has no answer there is a second: an invoice that nobody is shown costs
    /// nothing.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call.
    pub async fn create(&self, order: &Order<'_>) -> Result<Invoice, BackendFault> {
        self.twice(&Call::MakeInvoice(order)).await?.invoice(order)
    }

    /// What became of an invoice.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call.
    pub async fn status(&self, watched: &Watched<'_>) -> Result<Status, BackendFault> {
        self.twice(&Call::LookupInvoice(watched.payment_hash)).await?.status(watched)
    }

    /// Pays, once: a request that was sent is not sent again, and without a reply its fate is unknown (T93).
    ///
    /// # Errors
    /// A [`BackendFault`] says that nothing was paid, except for [`BackendFault::WrongPreimage`].
    pub async fn pay(&self, bolt11: &str, hash: PaymentHash) -> Result<Outcome, BackendFault> {
        let request = self.request(&Call::PayInvoice(bolt11))?;
        // A new one: what is written into a socket that has died unnoticed is neither sent nor refused.
        let patience = self.deadline.min(CONNECT_DEADLINE);
        let mut socket = timeout(patience, self.open(0)).await.unwrap_or(Err(BackendFault::Unreachable))?;
        match timeout(self.deadline, self.exchange(&mut socket, &request)).await {
            Ok(Ok(reply)) => reply.payment(hash),
            Ok(Err(_)) | Err(_) => Ok(Outcome::Unknown),
        }
    }

    /// What became of a payment that was sent earlier. Moves nothing.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call; the payment is then as unknown as before.
    pub async fn look(&self, hash: PaymentHash) -> Result<Outcome, BackendFault> {
        self.twice(&Call::LookupInvoice(hash)).await?.sent_payment(hash)
    }

    /// The methods that this connection may call, by the wallet's own word.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call. Not every connection may ask.
    pub async fn methods(&self) -> Result<Vec<String>, BackendFault> {
        self.twice(&Call::GetInfo).await?.methods()
    }

    /// What the wallet says that it can do; wallets that make a key for each connection mean that one. `None` when the relay brings nothing from it in time.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] for the relay.
    pub async fn info(&self) -> Result<Option<Info>, BackendFault> {
        let asking = async {
            let mut socket = self.open(0).await?;
            socket.send(&self.shared.connection.subscribe_to_info()).await?;
            loop {
                let frame = socket.next().await?;
                if let Some(info) = self.shared.connection.info(&frame) {
                    return Ok(Some(info));
                }
                if frame.starts_with(r#"["EOSE""#) {
                    return Ok(None);
                }
            }
        };
        timeout(self.deadline, asking).await.unwrap_or(Err(BackendFault::Unreachable))
    }

    /// Listens for payments. What is heard is a hint: a relay may lose it, and bring it twice.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] for the relay.
    pub async fn hints(&self) -> Result<Hints, BackendFault> {
        let opening = async {
            let mut socket = self.open(0).await?;
            socket.send(&self.shared.connection.subscribe_to_hints(now())).await?;
            Ok(Hints { shared: Arc::clone(&self.shared), socket })
        };
        timeout(self.deadline, opening).await.unwrap_or(Err(BackendFault::Unreachable))
    }

    /// Two attempts, each with a request of its own: a wallet answers a request once, and that answer may be lost. The
    /// first one has all the time there is, unless the second one would go another way.
    async fn twice(&self, call: &Call<'_>) -> Result<Reply, BackendFault> {
        let ends = Instant::now() + self.deadline;
        let used = self.shared.take_idle();
        let other_way = used.is_some() || self.shared.connection.relays().len() > 1;
        let patience = if other_way { self.deadline / 2 } else { self.deadline };
        match timeout(patience, self.attempt(used, 0, call)).await {
            Ok(Err(BackendFault::Unreachable)) | Err(_) => {}
            Ok(outcome) => return outcome,
        }
        timeout_at(ends.into(), self.attempt(None, 1, call)).await.unwrap_or(Err(BackendFault::Unreachable))
    }

    async fn attempt(&self, used: Option<Socket>, nth: usize, call: &Call<'_>) -> Result<Reply, BackendFault> {
        let request = self.request(call)?;
        let mut socket = match used {
            Some(socket) => socket,
            None => self.open(nth).await?,
        };
        let reply = self.exchange(&mut socket, &request).await?;
        self.shared.keep(socket);
        Ok(reply)
    }

    fn request(&self, call: &Call<'_>) -> Result<Request, BackendFault> {
        self.shared.connection.request(call, &chance()?, now())
    }

    /// Asks for the reply before it sends the request: the relay does not keep replies.
    async fn exchange(&self, socket: &mut Socket, request: &Request) -> Result<Reply, BackendFault> {
        socket.send(&request.subscribe).await?;
        socket.send(&request.event).await?;
        loop {
            match self.shared.connection.read(&socket.next().await?, request) {
                Heard::Nothing => {}
                Heard::Refused => return Err(BackendFault::Unreachable),
                Heard::Reply(reply) => {
                    let _ = socket.send(&request.close).await; // the reply is here, whatever becomes of the socket
                    return Ok(reply);
                }
            }
        }
    }

    async fn open(&self, nth: usize) -> Result<Socket, BackendFault> {
        let relays: &[Relay] = self.shared.connection.relays();
        let relay = relays.get(nth).or(relays.first()).ok_or(BackendFault::Unreachable)?;
        Socket::open(&relay.url, &[], &self.shared.tls).await
    }
}

impl Hints {
    /// The payment hash of the next payment that the wallet tells of.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] when the connection broke, or the relay is silent for a minute.
    pub async fn next(&mut self) -> Result<PaymentHash, BackendFault> {
        loop {
            let frame = self.socket.next().await?;
            if let Some(hash) = self.shared.connection.hint(&frame) {
                return Ok(hash);
            }
            if frame.starts_with(r#"["CLOSED""#) {
                return Err(BackendFault::Unreachable);
            }
        }
    }
}

impl Shared {
    fn take_idle(&self) -> Option<Socket> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        idle.filter(|(_, since)| since.elapsed() < IDLE).map(|(socket, _)| socket)
    }

    fn keep(&self, socket: Socket) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some((socket, Instant::now()));
    }
}

impl fmt::Debug for NwcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.connection.fmt(f)
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.connection.fmt(f)
    }
}

fn chance() -> Result<Chance, BackendFault> {
    let mut chance = Chance { nonce: [0; 32], auxiliary: [0; 32] };
    let drawn = getrandom::fill(&mut chance.nonce).and_then(|()| getrandom::fill(&mut chance.auxiliary));
    // Nothing may be sent without.
    drawn.map(|()| chance).map_err(|_| BackendFault::Unreachable)
}

fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
