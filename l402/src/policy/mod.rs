//! The operator's policy, checked once, into types that cannot be invalid.

mod build;
mod fault;
mod payouts;
mod prepaid;
mod sessions;
mod table;

use crate::amount::Msat;
use crate::bolt11::Network;
use crate::response::ResponseRules;
use crate::route::{Route, RouteTable};

pub use fault::PolicyFault;
pub use payouts::{Payouts, Refunds};
pub use prepaid::{Prepaid, PrepaidRoute, Secretless};
pub use sessions::Sessions;

/// Whether invoices are really asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Charge.
    Live,
    /// Forward everything and log what would have been charged (C14).
    DryRun,
}

/// Everything that `decide` needs to know about a deployment.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Charge, or only say what would be charged.
    pub mode: Mode,
    /// Bound into every token as `satstile_aud`.
    pub deployment: String,
    /// Canonical hosts that are served, besides loopback on regtest.
    pub hosts: Vec<String>,
    /// Scheme, host and port that clients use; `None` on regtest means "whatever was asked for".
    pub public_url: Option<String>,
    /// Scheme, host and port of what is protected, without a trailing slash.
    pub origin: String,
    /// Which Lightning network the invoices must be of.
    pub network: Network,
    /// How long an invoice can be paid, in seconds.
    pub invoice_expiry_s: u64,
    /// Where a client's address comes from.
    pub client_ip: ClientIp,
    /// How many invoices may be asked for.
    pub budgets: Budgets,
    /// How long the origin may take.
    pub timeouts: Timeouts,
    /// All patterns, most specific first.
    pub routes: RouteTable,
    /// What is sold; [`crate::route::Access`] points in here.
    pub services: Vec<Service>,
    /// Balances, where the operator keeps them.
    pub prepaid: Option<Prepaid>,
    /// What the node may be asked to pay, where it may be asked.
    pub payouts: Option<Payouts>,
    /// Refunds, where failed purchases are given back.
    pub refunds: Option<Refunds>,
    /// Deposits that are used up by the unit, where they are sold.
    pub sessions: Option<Sessions>,
    /// Names that no LNURL may lead to, besides our own: with those below and above them (T97).
    pub lnurl_deny: Vec<String>,
}

/// Whose word is taken for a client's address (C13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientIp {
    /// Nothing is said: `CF-Connecting-IP` where a platform in front sets it, the TCP peer on plain workerd.
    ByRuntime,
    /// `CF-Connecting-IP`, which Cloudflare sets and a client cannot. Refused on plain workerd, where a client can.
    Cloudflare,
    /// The TCP peer.
    Peer,
    /// `header`, when the TCP peer is `proxy`.
    TrustedProxy {
        /// Address of the operator's proxy.
        proxy: core::net::IpAddr,
        /// Lower-case name of the header that it sets.
        header: String,
    },
}

/// Limits on asking the node for invoices (T58).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Invoices a minute for one client.
    pub per_client_per_min: u32,
    /// Invoices a minute altogether.
    pub global_per_min: u32,
    /// Invoices a minute for all visitors of one foreign web page's origin together (T119).
    pub per_origin_per_min: u32,
    /// Invoices being asked for at the same time, per isolate.
    pub in_flight: u32,
    /// Times a minute that one client may try a preimage, a refund's link or a one-time link (T64).
    pub tries_per_client_per_min: u32,
    /// The same, of all clients together.
    pub tries_per_min: u32,
    /// Polls of `status` a minute for one client.
    pub status_per_client_per_min: u32,
    /// The same, of all clients together.
    pub status_per_min: u32,
    /// How often in a second the node is asked what became of an invoice, for all clients together.
    pub lookups_per_s: u32,
}

/// Limits on the origin, in seconds (T45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the response's head.
    pub first_byte_s: u32,
    /// Between two pieces of its body.
    pub idle_s: u32,
    /// For the whole of it.
    pub total_s: u32,
}

impl Timeouts {
    /// The longest that an answer can take, in seconds.
    #[must_use]
    pub const fn longest_s(&self) -> u32 {
        self.first_byte_s.saturating_add(self.total_s).saturating_add(self.idle_s.saturating_mul(2))
    }
}

/// One thing that is sold: a price, and the grant that it buys.
#[derive(Clone, Debug)]
pub struct Service {
    /// `[a-z][a-z0-9-]*`, at most 32; stands in caveats, cookies and logs.
    pub id: String,
    /// Price of one grant, in whole satoshi.
    pub price: Msat,
    /// How long the grant lasts, in seconds.
    pub valid_s: u64,
    /// How many deliveries it covers; `None` for any number in its time.
    pub uses: Option<u64>,
    /// Whether a token is good for the bought route only.
    pub bind_route: bool,
    /// All methods of its routes, as `satstile_methods` lists them.
    pub methods: crate::route::Methods,
    /// Whether a paid request may ask for a part of an answer (T32).
    pub ranges: bool,
    /// Whether the origin may set cookies with what was paid for (T37).
    pub cookies: bool,
    /// What a client may have before paying.
    pub free_allowance: Option<FreeAllowance>,
    /// Whether the Payment challenge stands first.
    pub payment_first: bool,
    /// Whether the word of the node is enough where it tells no preimage: its signed message says that the invoice was
    /// settled, and nothing that a third party could check says it too.
    pub allow_attested: bool,
    /// Memo of the invoice; `None` for "<service> at <host>".
    pub description: Option<String>,
    /// Public key, in lower-case hex, that must have signed the invoices; checked by the node webhook.
    pub payee: Option<String>,
    /// How many invoices the edge keeps made ahead, 1 to 200; `None` for none.
    pub pool: Option<u64>,
    /// The most one use may cost a prepaid balance; the origin says in `Satstile-Cost-Msat` what it did cost. `None`: the
    /// price.
    pub ceiling: Option<Msat>,
    /// Whether a purchase that the origin failed is given back, instead of being good for another try.
    pub refund: bool,
    /// Whether a deposit for several of it can be paid at once (the Payment scheme's intent `session`).
    pub session: bool,
    /// Which events of a stream are units of a session, by their `event:`; `None`: those with data, but for names that only
    /// say how the stream goes.
    pub units: Option<Vec<String>>,
}

/// Requests that are given away (C14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeAllowance {
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub window_s: u32,
}

impl Service {
    /// What is done to the origin's answers.
    #[must_use]
    pub const fn response_rules(&self) -> &'static ResponseRules {
        if self.cookies { &ResponseRules::PAID } else { &ResponseRules::PAID_WITHOUT_COOKIES }
    }

    /// What one purchase on a route opens: the service, or with `bind_route` that route of it. Names cookies and
    /// stands in the Payment challenge; a service's own name has no dot.
    #[must_use]
    pub fn scope(&self, route: &Route) -> String {
        self.scope_of(&route.id)
    }

    /// The same for the route of this [`Route::id`], as `satstile_route` names it.
    #[must_use]
    pub fn scope_of(&self, route_id: &str) -> String {
        if self.bind_route { format!("{}.{route_id}", self.id) } else { self.id.clone() }
    }
}

impl Policy {
    /// The service at an index that a route gave out.
    #[must_use]
    pub fn service(&self, index: usize) -> Option<&Service> {
        self.services.get(index)
    }

    /// The service of this name.
    #[must_use]
    pub fn service_named(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id == id)
    }

    /// Every address that this deployment serves or protects, each a URL or a host: what a stranger's URL must not lead to
    /// (T97).
    pub fn own_addresses(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().chain(&self.public_url).chain(core::iter::once(&self.origin)).map(String::as_str)
    }

    /// Whether a canonical host is served here (T28, C15).
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
            || (self.network == Network::Regtest && crate::path::is_loopback(host))
    }
}
