//! One decision for one request. Everything the edge does follows from the value that comes out here.

use crate::amount::Msat;
use crate::balance::{self, BalanceToken};
use crate::caveat::Demand;
use crate::cookie::Cookies;
use crate::credential::{AUTHORIZATION_BYTES_MAX, Credential, Paid, UnverifiedL402};
use crate::fault::{Denial, Malformed};
use crate::headers::Headers;
use crate::keys::Keys;
use crate::path::{Allow, RequestUrl, Target, canonical_host, is_loopback, without_default_port};
use crate::payment::{ChargeFault, VerifiedCharge, VerifiedSession};
use crate::policy::{Mode, Policy, PrepaidRoute, Service};
use crate::preimage::PaymentHash;
use crate::problem::Refusal;
use crate::query;
use crate::response::ResponseRules;
use crate::route::{Access, Methods, Route};
use crate::time::UnixTime;

/// Everything the kit itself serves lives under here.
pub const OWN_PREFIX: &str = "/.well-known/satstile/";

/// A request as a shell hands it over. Nothing in it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method, as sent.
    pub method: &'a str,
    /// Absolute URL, as sent.
    pub url: &'a str,
    /// `name:value` lines, names in lower case, see [`Headers::parse`].
    pub headers: &'a str,
    /// Whether a body comes with it.
    pub has_body: bool,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Decision<'p> {
    /// Anybody may have this: forward.
    Free(Pass),
    /// Paid, and nothing but the token was needed to see it: forward.
    Paid(Pass),
    /// Paid, and a count or a body must still be looked at: claim, then forward.
    Claim(Claim<'p>),
    /// A prepaid balance pays: reserve what it may cost, then forward.
    Spend(Spend<'p>),
    /// Something about a session: ask its books, then forward or answer.
    Session(Session<'p>),
    /// Not paid, or no longer: price, invoice, challenge.
    Charge(Quote<'p>),
    /// A route of the module `prepaid`.
    Prepaid(Prepaid),
    /// The kit's own surface: the path after [`OWN_PREFIX`], and the host that was asked.
    Own(String, Place),
    /// A browser asks whether it may ask (CORS).
    Preflight(Methods),
    /// A finished "no".
    Refuse(Refusal<'p>, Option<Denial>),
}

/// How to forward a request: the same bytes to the origin, some header fields less, some more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Origin and target, to be fetched byte for byte.
    pub url: String,
    /// Request fields to take out.
    pub drop: Vec<String>,
    /// Request fields to set.
    pub set: Vec<(&'static str, String)>,
    /// What to do with the response.
    pub rules: &'static ResponseRules,
}

/// Says to the origin what was paid for, and stays here when a client says it (D3).
pub const SERVICE_FIELD: &str = "satstile-service";
/// Says to the origin which payment opened the door; the preimage stays here.
pub const PAYMENT_HASH_FIELD: &str = "satstile-payment-hash";

impl Pass {
    /// The same for a request that is paid: the origin is told what for, and by which payment where there is one.
    #[must_use]
    pub fn paid(mut self, service: &str, payment: Option<&PaymentHash>) -> Self {
        self.set.push((SERVICE_FIELD, service.to_owned()));
        self.set.extend(payment.map(|hash| (PAYMENT_HASH_FIELD, hash.to_string())));
        self
    }
}

/// Where this deployment was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `https://example.com`.
    pub public_url: String,
    /// The origin that was really asked, which may be another of our hosts: `https://www.example.com`.
    pub asked_url: String,
    /// `example.com`.
    pub host: String,
}

impl Place {
    /// Whether an `Origin` is this site's own (T114, T119). `null` never is.
    #[must_use]
    pub fn is_home(&self, origin: &str) -> bool {
        origin == self.asked_url || origin == self.public_url
    }
}

/// A redemption that state or a body decides.
#[derive(Clone, Debug)]
pub struct Claim<'p> {
    /// What was bought.
    pub service: &'p Service,
    /// By which route.
    pub route: &'p Route,
    /// The proof.
    pub proof: Proof,
    /// What to charge if the claim fails.
    pub otherwise: Box<Quote<'p>>,
}

/// A use that a prepaid balance pays for.
#[derive(Clone, Debug)]
pub struct Spend<'p> {
    /// Whose balance.
    pub token: BalanceToken,
    /// The most it may cost.
    pub ceiling: Msat,
    /// What to charge if the balance does not do.
    pub otherwise: Box<Quote<'p>>,
}

/// A bearer's wish about a session.
#[derive(Clone, Debug)]
pub struct Session<'p> {
    /// What is wanted, and the proof.
    pub wanted: VerifiedSession,
    /// Whether the challenge was for this service, at no less than its price now: otherwise the session is not used for
    /// it. A deposit that was paid is taken all the same, and so is the end of a session.
    pub is_for_this: bool,
    /// What to charge if it cannot be had.
    pub otherwise: Box<Quote<'p>>,
}

/// A request to the module `prepaid`.
#[derive(Clone, Debug)]
pub struct Prepaid {
    /// What for.
    pub route: PrepaidRoute,
    /// Where it was reached.
    pub place: Place,
    /// The balance's token that came along, if one did.
    pub token: Option<BalanceToken>,
}

/// Which scheme redeems.
#[derive(Clone, Debug)]
pub enum Proof {
    /// An L402 token with a count, a budget or a body digest.
    L402(Box<Paid>),
    /// A Payment credential, which delivers once (D8).
    Payment(Box<VerifiedCharge>),
}

impl Proof {
    /// The payment that it rests on.
    #[must_use]
    pub fn payment_hash(&self) -> &PaymentHash {
        match self {
            Self::L402(paid) => &paid.payment_hash,
            Self::Payment(charge) => &charge.payment_hash,
        }
    }
}

/// What would be sold, and why the request as it came was not enough.
#[derive(Clone, Debug)]
pub struct Quote<'p> {
    /// What.
    pub service: &'p Service,
    /// By which route.
    pub route: &'p Route,
    /// Why the credential did not do; `None` when there was none.
    pub reason: Option<Denial>,
    /// Where.
    pub place: Place,
    /// The client takes HTML before JSON.
    pub wants_html: bool,
    /// In which languages a person reads, where a page is wanted; as sent.
    pub accept_language: Option<String>,
    /// The client asked for the Payment scheme first.
    pub payment_first: bool,
    /// The client asks for a deposit, and the service is sold by it.
    pub by_session: bool,
    /// HEAD: no body, no challenge, no invoice.
    pub is_head: bool,
    /// The browser's `wait` cookie, unopened.
    pub unverified_wait: Option<String>,
    /// How to forward after all: dry run, free allowance.
    pub pass: Pass,
}

/// Decides. Pure: the same arguments give the same decision.
///
/// The order is that of C1 and the spine: size, host, path, route, method, credential. A step that
/// fails ends it, and nothing after it has happened.
#[must_use]
pub fn decide<'p>(policy: &'p Policy, keys: &Keys, request: &Request<'_>, now: UnixTime) -> Decision<'p> {
    match examine(policy, keys, request, now) {
        // A browser that fetches ahead may never show it: nothing is sold for that, and nothing used up. What was paid for
        // a time is there ahead as well, and so is what nobody pays for.
        Ok(Decision::Charge(_) | Decision::Claim(_) | Decision::Spend(_) | Decision::Session(_))
            if policy.mode == Mode::Live && is_ahead(request.headers) =>
        {
            Decision::Refuse(Refusal::Ahead, None)
        }
        Ok(decision) => decision,
        Err(malformed) => Decision::Refuse(Refusal::Malformed(malformed), None),
    }
}

fn examine<'p>(
    policy: &'p Policy,
    keys: &Keys,
    request: &Request<'_>,
    now: UnixTime,
) -> Result<Decision<'p>, Malformed> {
    // (1) Sizes, before anything is looked into (T44).
    let headers = Headers::parse(request.headers)?;
    let authorization = headers.get("authorization").filter(|value| !value.is_empty());
    if authorization.is_some_and(|value| value.len() > AUTHORIZATION_BYTES_MAX) {
        return Err(Malformed::AuthorizationTooLong);
    }
    // (2) Host and target have one reading (T26 to T28).
    let url = RequestUrl::split(request.url)?;
    let host = check_host(policy, &url, &headers)?;
    let target = policy.routes.target(url.unverified_target)?;
    check_message(policy, request, &headers, &target)?;
    // What stands in a query stands in every log on the way (T121).
    let prefix = policy.prepaid.as_ref().map(|prepaid| prepaid.token_prefix.as_str());
    if target.query().is_some_and(|query| query::holds_credential(query, prefix)) {
        return Err(Malformed::CredentialInQuery);
    }
    let place = place(policy, url.scheme, host);
    // A spelling that a route permits must not be one of ours in another reading.
    if target.used() != Allow::default() && target.other_readings().iter().any(|path| is_ours(policy, path)) {
        return Err(Malformed::AmbiguousTarget("its slashes could lead to another route"));
    }
    // (3) Our own surface, then the policy's routes.
    if let Some(own) = target.path().strip_prefix(OWN_PREFIX) {
        return Ok(Decision::Own(own.to_owned(), place));
    }
    if let Some(decision) = prepaid(policy, keys, request, &headers, (&target, &place))? {
        return Ok(decision);
    }
    let Some(route) = policy.routes.find(&target) else {
        return Ok(Decision::Refuse(Refusal::NoRoute, None));
    };
    if request.method == "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method") {
        return Ok(Decision::Preflight(route.methods));
    }
    let Some(method) = Methods::one(request.method).filter(|method| route.methods.contains(*method)) else {
        return Ok(Decision::Refuse(Refusal::Method(route.methods), None));
    };
    // Of two methods in one request both must be taken here, and paid for (T30).
    let Some(methods) = with_named(method, &target) else { return Err(Malformed::MethodInQuery) };
    if !route.methods.contains(methods) {
        return Err(Malformed::MethodInQuery);
    }
    // (4) Free, or what the credential says.
    let service = match route.access {
        Access::Free => None,
        Access::Service(index) => policy.service(index),
    };
    let Some(service) = service else {
        // An index always names a service; were one ever missing, the route is shut, not free.
        return Ok(match route.access {
            Access::Free => {
                let kept: &[&str] = if headers.has("upgrade") { &UPGRADE } else { &RANGE };
                Decision::Free(pass(policy, &headers, (&target, &place), kept, "", &ResponseRules::FREE))
            }
            Access::Service(_) => Decision::Refuse(Refusal::NotReady, None),
        });
    };
    // Nothing in a socket can be metered or counted (T33).
    if headers.has("upgrade") {
        return Err(Malformed::Upgrade);
    }
    let safe = matches!(request.method, "GET" | "HEAD");
    let pass = |kept: &[&str]| pass(policy, &headers, (&target, &place), kept, &service.id, service.response_rules());
    // Cookies count for GET and HEAD only, and an Authorization of any scheme wins over them (C6).
    let cookies = match authorization {
        None if safe => Cookies::read(headers.get("cookie").unwrap_or_default(), &service.scope(route)),
        _ => Cookies::default(),
    };
    let quote = |reason| Quote {
        service,
        route,
        reason,
        wants_html: safe && wants_html(headers.get("accept")),
        accept_language: headers.get("accept-language").map(str::to_owned),
        payment_first: service.payment_first || crate::payment::prefers_payment(headers.get("accept-payment")),
        by_session: service.session && crate::payment::prefers_session(headers.get("accept-payment")),
        is_head: request.method == "HEAD",
        unverified_wait: cookies.unverified_wait.map(str::to_owned),
        pass: pass(&[]),
        place: place.clone(),
    };
    let demand = Demand {
        deployment: &policy.deployment,
        service: &service.id,
        route: &route.id,
        method: methods,
        allow_attested: service.allow_attested,
        now,
    };
    let balance = match &policy.prepaid {
        Some(prepaid) => balance::find(&headers, prepaid)?.map(|token| (token, &prepaid.token_prefix)),
        None => None,
    };
    let credential = match authorization {
        Some(value) => Credential::parse(value)?,
        // A stale or broken cookie is a visitor without a ticket, not a forger.
        None => cookies.unverified_pass.and_then(|pass| UnverifiedL402::parse(pass).ok()).map(Credential::L402),
    };
    // A cookie is a visitor's, and a dry run lets everybody through and says why it would not have (C14).
    let spares_forgers = authorization.is_none() || policy.mode == Mode::DryRun;
    // An `X-Token` beside a payment of our schemes says who pays, and the payment pays.
    if let (None, Some((unverified, prefix))) = (&credential, balance) {
        return Ok(match BalanceToken::verify(unverified, keys, prefix) {
            // Nothing is charged in a dry run, a balance neither (C14).
            Ok(_) if policy.mode == Mode::DryRun => Decision::Charge(quote(None)),
            Ok(token) => {
                let ceiling = service.ceiling.unwrap_or(service.price);
                Decision::Spend(Spend { token, ceiling, otherwise: Box::new(quote(Some(Denial::BalanceTooLow))) })
            }
            Err(denial) if policy.mode == Mode::DryRun => Decision::Charge(quote(Some(denial))),
            Err(denial) => Decision::Refuse(Refusal::Forgery { service: &service.id }, Some(denial)),
        });
    }
    let denied =
        |denial: Denial, quote: &dyn Fn(Option<Denial>) -> Quote<'p>| match denial.is_forgery() && !spares_forgers {
            true => Decision::Refuse(Refusal::Forgery { service: &service.id }, Some(denial)),
            false => Decision::Charge(quote(Some(denial))),
        };
    match credential {
        None => Ok(Decision::Charge(quote(None))),
        Some(Credential::L402(l402)) => match l402.verify(keys).and_then(|verified| verified.clear(&demand)) {
            Ok(paid) if paid.terms.needs_state() => Ok(Decision::Claim(Claim {
                service,
                route,
                proof: Proof::L402(Box::new(paid)),
                otherwise: Box::new(quote(Some(Denial::UsedUp))),
            })),
            Ok(paid) => {
                // The grant is for a time and nothing is counted: a slice is part of what was paid for (T32).
                let kept: &[&str] = if service.ranges && safe { &RANGE } else { &[] };
                Ok(Decision::Paid(pass(kept).paid(&service.id, Some(&paid.payment_hash))))
            }
            Err(denial) => Ok(denied(denial, &quote)),
        },
        Some(Credential::Session(unverified)) => {
            let quote = |reason| Quote { by_session: service.session, ..quote(reason) };
            match unverified.verify(keys.challenge_secrets(), &place.host, (policy.network, now)) {
                // Nothing is charged in a dry run, a deposit neither (C14).
                Ok(_) if policy.mode == Mode::DryRun => Ok(Decision::Charge(quote(None))),
                Ok(_) if !service.session => Ok(Decision::Charge(quote(Some(Denial::UnknownChallenge)))),
                Ok(wanted) => {
                    // The unit's price at sale counts as long as its challenge does: money that is paid in later does not
                    // buy at it for ever (T13).
                    let is_its_price = wanted.unit >= service.price || now < wanted.expires_at;
                    let is_for_this = wanted.service == service.scope(route) && is_its_price;
                    Ok(Decision::Session(Session { wanted, is_for_this, otherwise: Box::new(quote(None)) }))
                }
                Err(ChargeFault::Unsupported | ChargeFault::Malformed(_)) => {
                    Ok(Decision::Charge(quote(Some(Denial::SessionUnclear))))
                }
                Err(fault) => Ok(denied(fault.into(), &quote)),
            }
        }
        Some(Credential::Payment(unverified)) => match unverified.verify(keys.challenge_secrets(), &place.host, now) {
            // The route decides what was to be bought (C4); what it cost was decided when it was sold.
            Ok(charge) if charge.service == service.scope(route) && charge.invoice.amount >= Some(charge.price) => {
                let proof = Proof::Payment(Box::new(charge));
                Ok(Decision::Claim(Claim { service, route, proof, otherwise: Box::new(quote(Some(Denial::UsedUp))) }))
            }
            Ok(_) => Ok(Decision::Charge(quote(Some(Denial::UnknownChallenge)))),
            Err(fault) => Ok(denied(fault.into(), &quote)),
        },
    }
}

/// What the module `prepaid` serves by itself, if that is what was asked for.
fn prepaid<'p>(
    policy: &'p Policy,
    keys: &Keys,
    request: &Request<'_>,
    headers: &Headers<'_>,
    (target, place): (&Target<'_>, &Place),
) -> Result<Option<Decision<'p>>, Malformed> {
    let Some(module) = &policy.prepaid else { return Ok(None) };
    let path = target.decoded_path();
    let Some((route, method)) = core::str::from_utf8(&path).ok().and_then(|path| module.route(path)) else {
        return Ok(None);
    };
    let takes = Methods::listed(method).unwrap_or(Methods::NONE);
    if request.method == "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method") {
        return Ok(Some(Decision::Preflight(takes)));
    }
    if request.method != method {
        return Ok(Some(Decision::Refuse(Refusal::Method(takes), None)));
    }
    if headers.has("upgrade") {
        return Err(Malformed::Upgrade);
    }
    let unverified = balance::find(headers, module)?;
    Ok(Some(match unverified.map(|token| BalanceToken::verify(token, keys, &module.token_prefix)).transpose() {
        Ok(token) => Decision::Prepaid(Prepaid { route, place: place.clone(), token }),
        Err(denial) => Decision::Refuse(Refusal::Unauthorized, Some(denial)),
    }))
}

/// The host is one of ours, and `Host` did not smuggle a path into the URL (M3).
fn check_host(policy: &Policy, url: &RequestUrl<'_>, headers: &Headers<'_>) -> Result<String, Malformed> {
    let host = canonical_host(url.unverified_authority).ok_or(Malformed::UnreadableHost)?;
    // The port that a scheme has anyway says nothing; behind a proxy that ends TLS, the scheme is not the visitor's.
    let is_https = policy.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
    let scheme = if is_https { "https" } else { url.scheme };
    let is_same = |other: &str| bare(other, url.scheme, scheme) == bare(&host, url.scheme, scheme);
    if headers.get("host").is_some_and(|sent| !canonical_host(sent).is_some_and(|sent| is_same(&sent))) {
        return Err(Malformed::UnreadableHost);
    }
    if policy.serves(&host) {
        return Ok(host);
    }
    policy.hosts.iter().find(|known| is_same(known)).cloned().ok_or(Malformed::UnknownHost)
}

/// A host without the port that the scheme here has anyway, or that of the visitor.
fn bare<'h>(host: &'h str, scheme: &str, visitors: &str) -> &'h str {
    without_default_port(without_default_port(host, scheme), visitors)
}

/// What a free route hands on, and a paid one where the policy says so: what is free has no price that a slice of it could
/// undercut (T32).
const RANGE: [&str; 2] = ["range", "if-range"];
/// What a free route hands on of a WebSocket's beginning (T33); a part of a socket is nothing.
const UPGRADE: [&str; 1] = ["upgrade"];

/// The subprotocol of `watch`, offered beside the token that is watched.
pub const WATCH_PROTOCOL: &str = "satstile.v1";

/// What no route here takes: upgrades but WebSockets, bodies on GET, and ourselves as a client.
fn check_message(
    policy: &Policy,
    request: &Request<'_>,
    headers: &Headers<'_>,
    target: &Target<'_>,
) -> Result<(), Malformed> {
    // One door of our own takes an upgrade, and nothing that is sold stands behind it; of the policy's routes the free ones (T33).
    let offers_ours = || {
        let offered = headers.get("sec-websocket-protocol").unwrap_or_default();
        offered.split(',').any(|protocol| protocol.trim() == WATCH_PROTOCOL)
    };
    let is_taken = |protocol: &str| {
        request.method == "GET"
            && match target.path().strip_prefix(OWN_PREFIX) {
                Some(own) => own == "watch",
                // Beside the name of ours stands a token, which no origin is shown (T36).
                None => protocol.eq_ignore_ascii_case("websocket") && !offers_ours(),
            }
    };
    if headers.get("upgrade").is_some_and(|protocol| !is_taken(protocol)) {
        return Err(Malformed::Upgrade);
    }
    if request.has_body && matches!(request.method, "GET" | "HEAD") {
        return Err(Malformed::BodyOnGet);
    }
    let ours = via(policy);
    let is_ours = |hop: &str| hop.trim().eq_ignore_ascii_case(&ours);
    if headers.get("via").is_some_and(|via| via.split(',').any(is_ours)) {
        return Err(Malformed::Loop);
    }
    Ok(())
}

/// Whether a path is of the kit's own surface, or of a module.
fn is_ours(policy: &Policy, path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path);
    path.starts_with(OWN_PREFIX) || policy.prepaid.as_ref().is_some_and(|module| module.route(&path).is_some())
}

/// The request's method, and those that `_method` in its query names; `None` when one of them is none.
fn with_named(method: Methods, target: &Target<'_>) -> Option<Methods> {
    let mut named = query::named_methods(target.query().unwrap_or_default());
    named.try_fold(method, |all, name| Some(all.union(Methods::one(&name)?)))
}

/// Whether a browser fetches what its visitor may want next: `Sec-Purpose` (Fetch), and what browsers sent before.
fn is_ahead(headers: &str) -> bool {
    const WORDS: [&str; 3] = ["prefetch", "prerender", "preview"];
    let is_word = |word: &str| WORDS.iter().any(|known| word.trim().eq_ignore_ascii_case(known));
    let Ok(headers) = Headers::parse(headers) else { return false };
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(name))
        .any(|value| value.split([',', ';']).any(is_word))
}

fn via(policy: &Policy) -> String {
    format!("1.1 satstile-{}", policy.deployment)
}

fn place(policy: &Policy, scheme: &str, host: String) -> Place {
    let Some(url) = &policy.public_url else {
        let asked_url = format!("{scheme}://{host}");
        return Place { public_url: asked_url.clone(), asked_url, host };
    };
    let (public_scheme, public_host) = url.split_once("://").unwrap_or_default();
    // Behind a proxy that ends TLS, the scheme that reaches us is not the one that the visitor sees.
    let scheme = if is_loopback(&host) { scheme } else { public_scheme };
    Place { public_url: url.clone(), asked_url: format!("{scheme}://{host}"), host: public_host.to_owned() }
}

fn pass(
    policy: &Policy,
    headers: &Headers<'_>,
    (target, place): (&Target<'_>, &Place),
    kept: &[&str],
    service: &str,
    rules: &'static ResponseRules,
) -> Pass {
    let mut drop: Vec<String> = headers.dropped(kept).into_iter().map(str::to_owned).collect();
    // A balance's token is a credential of ours, too (T36).
    if let Some(prepaid) = &policy.prepaid {
        drop.extend(headers.with_token(&prepaid.token_prefix, &prepaid.token_headers).map(str::to_owned));
    }
    let scheme = place.public_url.split(':').next().unwrap_or_default();
    let mut set =
        vec![("via", via(policy)), ("x-forwarded-host", place.host.clone()), ("x-forwarded-proto", scheme.to_owned())];
    // The one address that budgets believe as well (T35).
    let client = policy.client_ip.address(headers.connection(), |name| headers.get(name).map(str::to_owned));
    set.extend(client.map(|address| ("x-forwarded-for", address.to_string())));
    match headers.get("cookie").and_then(|cookie| Cookies::read(cookie, service).rest) {
        None => {}
        Some(rest) if rest.is_empty() => drop.push("cookie".to_owned()),
        Some(rest) => set.push(("cookie", rest)),
    }
    Pass { url: format!("{}{}", policy.origin, target.as_str()), drop, set, rules }
}

/// Whether HTML stands in `Accept` with a weight no smaller than JSON's (RFC 9110 §12.5.1).
#[must_use]
pub fn wants_html(accept: Option<&str>) -> bool {
    let weight = |kind: &str| {
        let of_kind = |(name, weight): (&str, u32)| name.eq_ignore_ascii_case(kind).then_some(weight);
        weighted(accept).filter_map(of_kind).max().unwrap_or(0)
    };
    let html = weight("text/html").max(weight("application/xhtml+xml"));
    html > 0 && html >= weight("application/json").max(weight("application/problem+json"))
}

/// What is `known` of the language that `Accept-Language` prefers, by its first subtag such as `pt` (RFC 4647 §2.1). The
/// first of equals; `None` when nothing is known of any.
#[must_use]
pub fn wants_language<T>(accept_language: Option<&str>, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut best = (0, None);
    for (range, weight) in weighted(accept_language).filter(|(_, weight)| *weight > 0) {
        let found = known(range.split('-').next().unwrap_or_default());
        if found.is_some() && weight > best.0 {
            best = (weight, found);
        }
    }
    best.1
}

/// The members of an `Accept` field and their weights; those whose weight is no qvalue are left out.
fn weighted(field: Option<&str>) -> impl Iterator<Item = (&str, u32)> {
    field.unwrap_or_default().split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next()?;
        Some((name, parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1_000), thousandths)?))
    })
}

/// A qvalue: `0` or `1`, with up to three decimals (RFC 9110 §12.4.2).
fn thousandths(q: &str) -> Option<u32> {
    let (whole, decimals) = q.split_once('.').unwrap_or((q, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let fraction = format!("{decimals:0<3}").parse::<u32>().ok().filter(|_| digits)?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}
