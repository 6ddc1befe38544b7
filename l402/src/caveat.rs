//! What a token permits: its caveats, cleared one after the other (L402 §6, C2, T6 to T14).
//!
//! Every repetition of a caveat must narrow the one before, and all of them must hold. Names that
//! are not ours are skipped, as the specification wants; unknown names under our own prefix are not.

use sha2::{Digest, Sha256};

use crate::amount::Msat;
use crate::fault::Denial;
use crate::policy::{Policy, Service};
use crate::reference::PLACE;
use crate::route::{Methods, Route};
use crate::time::UnixTime;
use crate::token::ATTESTED;

/// The caveat in which the edge keeps what a back end knows the invoice by; see [`reference`](crate::reference). It
/// permits and forbids nothing.
pub const REFERENCE: &str = "satstile_ref";

/// The caveat in which the price at sale is kept, in msat. It permits and forbids nothing: it counts where a payment is
/// held against a price, and where a use is taken from a budget, whatever the price is by then.
pub const PRICE: &str = "satstile_price_msat";

/// What the edge mints before [`PRICE`], in this order (C2). No `satstile_budget_msat` is among them: a price behind one
/// would be the word of the very holder whom that budget limits.
const BEFORE_PRICE: [&str; 8] = [
    "services",
    VALID_UNTIL,
    REFERENCE,
    "satstile_aud",
    "satstile_methods",
    "satstile_route",
    "satstile_digest",
    "satstile_uses",
];
/// What follows the name of the service.
const VALID_UNTIL: &str = "_valid_until";

/// The request as far as caveats can speak about it.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// `satstile_aud`.
    pub deployment: &'a str,
    /// The service that the route belongs to.
    pub service: &'a str,
    /// [`Route::id`].
    pub route: &'a str,
    /// The one method of the request.
    pub method: Methods,
    /// Whether the service takes the word of its node for a payment, now.
    pub allow_attested: bool,
    /// The shell's clock.
    pub now: UnixTime,
}

/// What is left of a grant after every caveat was cleared: what only state or a body can decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Until when it holds.
    pub valid_until: UnixTime,
    /// Until when it held when it was minted: what is remembered of its uses is remembered so long.
    pub minted_until: UnixTime,
    /// The smallest `satstile_uses`. What is counted, [`Chain`](crate::caps::Chain) says.
    pub uses: Option<u64>,
    /// The smallest `satstile_budget_msat`.
    pub budget_msat: Option<u64>,
    /// SHA-256 that the request body must have.
    pub digest: Option<[u8; 32]>,
    /// The price at sale; `None` for a token that was sold before it was kept.
    pub price: Option<Msat>,
}

impl Terms {
    /// Whether a count or a body must still be looked at.
    #[must_use]
    pub const fn needs_state(&self) -> bool {
        self.counts() || self.digest.is_some()
    }

    /// Whether each use is counted.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.uses.is_some() || self.budget_msat.is_some()
    }

    /// What two macaroons of one credential permit together: the narrower of each.
    ///
    /// # Errors
    /// [`Denial::WidenedCaveat`] when they are bound to two different bodies.
    pub fn and(self, other: Self) -> Result<Self, Denial> {
        let narrower = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(b.map_or(a, |b| a.min(b))));
        hold(self.digest.is_none() || other.digest.is_none() || self.digest == other.digest, Denial::WidenedCaveat)?;
        Ok(Self {
            valid_until: self.valid_until.min(other.valid_until),
            minted_until: self.minted_until.max(other.minted_until),
            uses: narrower(self.uses, other.uses),
            budget_msat: narrower(self.budget_msat, other.budget_msat),
            digest: self.digest.or(other.digest),
            price: self.price.max(other.price),
        })
    }
}

/// The caveats that a new token gets, in the order of C2.
#[must_use]
pub fn minted(policy: &Policy, service: &Service, route: &Route, valid_until: UnixTime) -> Vec<String> {
    let mut caveats = vec![
        format!("services={}:0", service.id),
        format!("{}_valid_until={}", service.id, valid_until.0),
        format!("satstile_aud={}", policy.deployment),
        format!("satstile_methods={}", service.methods),
    ];
    if service.bind_route {
        caveats.push(format!("satstile_route={}", route.id));
    }
    if let Some(uses) = service.uses {
        caveats.push(format!("satstile_uses={uses}"));
    }
    caveats.push(format!("{PRICE}={}", service.price.0));
    caveats
}

/// Whether a list has exactly the names that [`minted`] gives this service, so that nobody has
/// attenuated it (C5). The edge's own [`REFERENCE`] may stand at its place, and its own [`ATTESTED`] may follow. A token
/// that was sold before the price was kept lacks that.
#[must_use]
pub fn is_as_minted<'c>(service: &Service, caveats: impl Iterator<Item = &'c [u8]>) -> bool {
    let valid_until = format!("{}_valid_until", service.id);
    let mut expected = vec!["services", &valid_until, "satstile_aud", "satstile_methods"];
    if service.bind_route {
        expected.push("satstile_route");
    }
    if service.uses.is_some() {
        expected.push("satstile_uses");
    }
    let caveats: Vec<_> = caveats.collect();
    let caveats = caveats.strip_suffix(&[ATTESTED.as_bytes()]).unwrap_or(&caveats);
    let name = |c: &&'c [u8]| core::str::from_utf8(c).ok().and_then(|c| c.split_once('=')).map_or("", |(name, _)| name);
    if caveats.get(PLACE).is_some_and(|caveat| name(caveat) == REFERENCE) {
        expected.insert(PLACE, REFERENCE);
    }
    if caveats.last().is_some_and(|caveat| name(caveat) == PRICE) {
        expected.push(PRICE);
    }
    caveats.iter().map(name).eq(expected)
}

/// The service that a token was minted for: the first name of its first `services` caveat.
#[must_use]
pub fn service_of<'c>(caveats: impl Iterator<Item = &'c [u8]>) -> Option<&'c str> {
    value(caveats, "services")?.split(':').next()
}

/// The price at sale of a token of ours, if it was kept. A holder can only add caveats behind the last one, so what stands
/// at its place was put there by the edge; what stands elsewhere counts for nothing.
#[must_use]
pub fn price_at_sale<'c>(caveats: impl Iterator<Item = &'c [u8]>) -> Option<Msat> {
    let mut place = Some(0);
    for caveat in caveats {
        let (name, value) = core::str::from_utf8(caveat).ok()?.split_once('=')?;
        if name == PRICE {
            return UnixTime::from_decimal(value).map(|price| Msat(price.0));
        }
        place = Some(place_behind(place?, name)?);
    }
    None
}

/// The place behind this name among what is minted [`BEFORE_PRICE`], if it stands at this place or a later one.
fn place_behind(place: usize, name: &str) -> Option<usize> {
    let is_it = |known: &&str| *known == name || (*known == VALID_UNTIL && name.ends_with(VALID_UNTIL));
    BEFORE_PRICE.get(place..)?.iter().position(is_it).map(|behind| place + behind + 1)
}

/// The value of the first caveat of this name. Says nothing about the others of that name.
#[must_use]
pub fn value<'c>(mut caveats: impl Iterator<Item = &'c [u8]>, name: &str) -> Option<&'c str> {
    let value = caveats.find_map(|c| c.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    core::str::from_utf8(value).ok()
}

/// Holds each caveat against the demand; what is left are the [`Terms`].
///
/// # Errors
/// The first [`Denial`], in the order of the caveats; [`Denial::MissingCaveat`] in the end.
pub fn clear<'c>(caveats: impl Iterator<Item = &'c [u8]>, demand: &Demand<'_>) -> Result<Terms, Denial> {
    let mut seen = Seen { place: Some(0), ..Seen::default() };
    for caveat in caveats {
        let Some((name, value)) = core::str::from_utf8(caveat).ok().and_then(|c| c.split_once('=')) else {
            seen.place = None;
            // No `=`: a third party's or a stranger's (T9). Ours always has one.
            if caveat.starts_with(b"satstile") {
                return Err(Denial::UnknownCaveat);
            }
            continue;
        };
        seen.clear_one(name, value, demand)?;
    }
    let required = (seen.services, seen.valid_until, seen.audience, seen.methods);
    let (Some(_), Some(valid_until), true, Some(_)) = required else {
        return Err(Denial::MissingCaveat);
    };
    Ok(Terms {
        valid_until,
        minted_until: seen.minted_until.unwrap_or(valid_until),
        uses: seen.uses,
        budget_msat: seen.budget_msat,
        digest: seen.digest,
        price: seen.price.map(Msat),
    })
}

/// The narrowest value so far of each caveat we enforce.
#[derive(Default)]
struct Seen<'c> {
    services: Option<Vec<(&'c str, u8)>>,
    valid_until: Option<UnixTime>,
    minted_until: Option<UnixTime>,
    audience: bool,
    attested: bool,
    methods: Option<Methods>,
    route: bool,
    digest: Option<[u8; 32]>,
    uses: Option<u64>,
    budget_msat: Option<u64>,
    price: Option<u64>,
    /// How far into [`BEFORE_PRICE`] the caveats have come; `None` once one of them was a holder's.
    place: Option<usize>,
}

impl<'c> Seen<'c> {
    fn clear_one(&mut self, name: &'c str, value: &'c str, demand: &Demand<'_>) -> Result<(), Denial> {
        if name == PRICE {
            let UnixTime(price) = UnixTime::from_decimal(value).ok_or(Denial::UnknownCaveat)?;
            // The seller's stands at its place, once. Who says another price, or says one where the seller said none,
            // would have it count in the place of the seller's.
            let is_sellers = self.price.is_none() && self.place.is_some();
            hold(is_sellers || self.price == Some(price), Denial::WidenedCaveat)?;
            (self.price, self.place) = (Some(price), None);
            return Ok(());
        }
        self.place = self.place.and_then(|place| place_behind(place, name));
        match name {
            "services" => {
                let listed = services(value).ok_or(Denial::UnknownCaveat)?;
                if self.services.as_ref().is_some_and(|before| !listed.iter().all(|s| before.contains(s))) {
                    return Err(Denial::WidenedCaveat);
                }
                hold(listed.iter().any(|(name, _)| *name == demand.service), Denial::OtherService)?;
                self.services = Some(listed);
            }
            "satstile_aud" => {
                hold(value == demand.deployment, Denial::OtherDeployment)?;
                self.audience = true;
            }
            "satstile_methods" => {
                let methods = Methods::listed(value).ok_or(Denial::UnknownCaveat)?;
                hold(self.methods.is_none_or(|before| before.contains(methods)), Denial::WidenedCaveat)?;
                hold(methods.contains(demand.method), Denial::OtherMethod)?;
                self.methods = Some(methods);
            }
            "satstile_route" => {
                hold(value == demand.route, Denial::OtherRoute)?;
                self.route = true;
            }
            "satstile_digest" => {
                let digest = digest(value).ok_or(Denial::UnknownCaveat)?;
                hold(self.digest.is_none_or(|before| before == digest), Denial::WidenedCaveat)?;
                self.digest = Some(digest);
            }
            "satstile_uses" => narrow(&mut self.uses, value)?,
            "satstile_budget_msat" => narrow(&mut self.budget_msat, value)?,
            // Whether that was said is the verifier's; here it is whether this service takes it.
            "satstile_attested" => {
                hold(value == "1", Denial::UnknownCaveat)?;
                hold(!self.attested, Denial::WidenedCaveat)?;
                hold(demand.allow_attested, Denial::AttestedOnly)?;
                self.attested = true;
            }
            REFERENCE => {}
            _ if name.starts_with("satstile") => return Err(Denial::UnknownCaveat),
            _ if name.strip_suffix("_valid_until") == Some(demand.service) => {
                let until = UnixTime::from_decimal(value).ok_or(Denial::UnknownCaveat)?;
                hold(self.valid_until.is_none_or(|before| until <= before), Denial::WidenedCaveat)?;
                hold(demand.now < until, Denial::Expired)?;
                self.minted_until.get_or_insert(until);
                self.valid_until = Some(until);
            }
            _ => {}
        }
        Ok(())
    }
}

fn hold(holds: bool, otherwise: Denial) -> Result<(), Denial> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn narrow(seen: &mut Option<u64>, value: &str) -> Result<(), Denial> {
    // The same strict decimals as a time: digits only, no sign, no leading zero.
    let UnixTime(count) = UnixTime::from_decimal(value).ok_or(Denial::UnknownCaveat)?;
    hold(seen.is_none_or(|before| count <= before), Denial::WidenedCaveat)?;
    *seen = Some(count);
    Ok(())
}

/// `name:tier[,name:tier]`.
fn services(value: &str) -> Option<Vec<(&str, u8)>> {
    value
        .split(',')
        .map(|entry| {
            let (name, tier) = entry.split_once(':')?;
            let tier = UnixTime::from_decimal(tier)?.0;
            (!name.is_empty()).then_some((name, u8::try_from(tier).ok()?))
        })
        .collect()
}

/// `sha-256:<base64>`, of 32 bytes.
fn digest(value: &str) -> Option<[u8; 32]> {
    crate::encoding::base64_any(value.strip_prefix("sha-256:")?)?.try_into().ok()
}

/// The digest in a field as RFC 9530 writes it, `sha-256=:<base64>:`.
#[must_use]
pub fn content_digest(field: &str) -> Option<[u8; 32]> {
    let text = field.strip_prefix("sha-256=:")?.strip_suffix(':')?;
    crate::encoding::base64_any(text)?.try_into().ok()
}

/// Whether a body is the one that `satstile_digest` names.
#[must_use]
pub fn body_matches(digest: &[u8; 32], body: &[u8]) -> bool {
    Sha256::digest(body).as_slice() == digest
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_900_000_000);
    const MINTED: [&str; 4] =
        ["services=api:0", "api_valid_until=1900000600", "satstile_aud=demo", "satstile_methods=GET,HEAD"];

    fn demand() -> Demand<'static> {
        Demand {
            deployment: "demo",
            service: "api",
            route: "00ff",
            method: Methods::one("GET").unwrap(),
            allow_attested: false,
            now: NOW,
        }
    }

    fn with(more: &[&str]) -> Result<Terms, Denial> {
        clear(MINTED.iter().chain(more).map(|c| c.as_bytes()), &demand())
    }

    #[track_caller]
    fn check(more: &[&str], outcome: Result<(), Denial>) {
        assert_eq!(with(more).map(|_| ()), outcome, "{more:?}");
    }

    #[test]
    fn a_token_as_minted_clears_until_its_last_second_t14() {
        assert_eq!(with(&[]).unwrap().valid_until, UnixTime(1_900_000_600));
        let at =
            |now| clear(MINTED.iter().map(|c| c.as_bytes()), &Demand { now: UnixTime(now), ..demand() }).map(|_| ());
        assert_eq!(at(1_900_000_599), Ok(()));
        assert_eq!(at(1_900_000_600), Err(Denial::Expired));
    }

    #[test]
    fn a_required_caveat_that_is_absent_makes_no_superuser_t8() {
        for missing in MINTED {
            let rest = MINTED.iter().filter(|c| **c != missing).map(|c| c.as_bytes());
            assert_eq!(clear(rest, &demand()), Err(Denial::MissingCaveat), "{missing}");
        }
        assert_eq!(clear(core::iter::empty(), &demand()), Err(Denial::MissingCaveat));
    }

    #[test]
    fn another_place_is_refused_t11_t12() {
        check(&["services=other:0"], Err(Denial::WidenedCaveat));
        check(&["satstile_aud=other"], Err(Denial::OtherDeployment));
        check(&["satstile_route=ff00"], Err(Denial::OtherRoute));
        check(&["satstile_route=00ff"], Ok(()));
        let post = Demand { method: Methods::one("POST").unwrap(), ..demand() };
        assert_eq!(clear(MINTED.iter().map(|c| c.as_bytes()), &post), Err(Denial::OtherMethod));
        let dear = Demand { service: "dear", ..demand() };
        assert_eq!(clear(MINTED.iter().map(|c| c.as_bytes()), &dear), Err(Denial::OtherService));
    }

    #[test]
    fn attenuation_narrows_and_never_widens_t10() {
        check(&["api_valid_until=1900000500", "satstile_methods=GET", "satstile_uses=3", "satstile_uses=2"], Ok(()));
        check(&["api_valid_until=1900000601"], Err(Denial::WidenedCaveat));
        check(&["satstile_methods=GET,HEAD,POST"], Err(Denial::WidenedCaveat));
        check(&["satstile_methods=GET", "satstile_methods=GET,HEAD"], Ok(())); // GET brings HEAD with it
        check(&["satstile_uses=2", "satstile_uses=3"], Err(Denial::WidenedCaveat));
        check(&["satstile_budget_msat=5", "satstile_budget_msat=6"], Err(Denial::WidenedCaveat));
        check(&["services=api:0,dear:0"], Err(Denial::WidenedCaveat));
        check(&["satstile_methods=HEAD"], Err(Denial::OtherMethod));
        assert_eq!(with(&["satstile_uses=3", "satstile_uses=2"]).unwrap().uses, Some(2));
    }

    #[test]
    fn the_nodes_word_is_taken_where_the_policy_says_so() {
        let at = |allow_attested, more: &[&str]| {
            let caveats = MINTED.iter().chain(more).map(|c| c.as_bytes());
            clear(caveats, &Demand { allow_attested, ..demand() }).map(|_| ())
        };
        assert_eq!(at(true, &[ATTESTED]), Ok(()));
        assert_eq!(at(true, &[ATTESTED, "satstile_uses=1"]), Ok(()));
        assert_eq!(at(false, &[ATTESTED]), Err(Denial::AttestedOnly));
        assert_eq!(at(true, &[ATTESTED, ATTESTED]), Err(Denial::WidenedCaveat));
        for unreadable in ["satstile_attested=0", "satstile_attested=", "satstile_attested", "satstile_attested=1 "] {
            assert_eq!(at(true, &[unreadable]), Err(Denial::UnknownCaveat), "{unreadable}");
        }
        // It is no way to widen a grant: a token without it needs none.
        assert_eq!(at(false, &[]), Ok(()));
    }

    #[test]
    fn a_token_is_as_minted_with_the_edges_own_caveat_last_and_with_no_other() {
        let policy = Policy::from_json(
            r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
                "services": {"api": {"price_msat": 1000, "valid_s": 600, "routes": [{"path": "/api"}]}}}"#,
        )
        .unwrap();
        let is = |more: &[&str]| is_as_minted(&policy.services[0], MINTED.iter().chain(more).map(|c| c.as_bytes()));
        assert!(is(&[]) && is(&[ATTESTED]));
        for narrowed in [
            &[ATTESTED, ATTESTED][..],
            &[ATTESTED, "satstile_uses=1"],
            &["satstile_uses=1", ATTESTED],
            &["satstile_attested=2"],
            &["foreign=1"],
        ] {
            assert!(!is(narrowed), "{narrowed:?}");
        }
    }

    /// Row B3 (T13): the seller's price stands behind all that is minted, and nobody can put one in its place.
    #[test]
    fn the_price_at_sale_is_the_sellers_word_and_no_holders_b3() {
        const PRICE: &str = "satstile_price_msat=21000";
        let read = |more: &[&str]| {
            let caveats: Vec<&[u8]> = MINTED.iter().chain(more).map(|c| c.as_bytes()).collect();
            let terms = clear(caveats.iter().copied(), &demand()).map(|terms| terms.price.map(|price| price.0));
            (terms, price_at_sale(caveats.into_iter()).map(|price| price.0))
        };
        for sold in [&[PRICE][..], &["satstile_uses=3", PRICE], &["satstile_route=00ff", "satstile_uses=3", PRICE]] {
            assert_eq!(read(sold), (Ok(Some(21_000)), Some(21_000)), "{sold:?}");
            // Whatever a holder adds: the same again says nothing, another price is refused, and the first is believed.
            assert_eq!(read(&[sold, &["satstile_uses=1", PRICE]].concat()), (Ok(Some(21_000)), Some(21_000)));
            for other in ["satstile_price_msat=1", "satstile_price_msat=21001"] {
                assert_eq!(read(&[sold, &[other]].concat()), (Err(Denial::WidenedCaveat), Some(21_000)), "{other}");
            }
        }
        // A token of before has none, and gets none behind anything that a holder says.
        assert_eq!(read(&[]), (Ok(None), None));
        for own in ["satstile_budget_msat=50000", "preimage=00", "free words", "satstile_attested=1", "agent=a"] {
            let terms = clear(
                MINTED.iter().chain(&[own, PRICE]).map(|c| c.as_bytes()),
                &Demand { allow_attested: true, ..demand() },
            );
            assert_eq!((terms, read(&[own, PRICE]).1), (Err(Denial::WidenedCaveat), None), "{own}");
        }
        for unreadable in ["satstile_price_msat=", "satstile_price_msat=-1", "satstile_price_msat=021"] {
            assert_eq!(read(&[unreadable]), (Err(Denial::UnknownCaveat), None), "{unreadable}");
        }
        check(&["satstile_price_msat"], Err(Denial::UnknownCaveat));
    }

    /// Row B3: last in the minted order (C2).
    #[test]
    fn a_new_token_is_minted_with_its_price_last_and_is_as_minted_with_it_and_without_b3() {
        let policy = Policy::from_json(
            r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
                "services": {"api": {"price_msat": 1000, "valid_s": 600, "uses": 2, "bind_route": true,
                                     "routes": [{"path": "/api"}]}}}"#,
        )
        .unwrap();
        let (service, route) = (&policy.services[0], policy.routes.iter().next().unwrap());
        let caveats = minted(&policy, service, route, NOW.plus(600));
        let names: Vec<_> = caveats.iter().map(|c| c.split_once('=').unwrap().0).collect();
        assert_eq!(names[4..], ["satstile_route", "satstile_uses", "satstile_price_msat"]);
        assert_eq!(caveats[6], "satstile_price_msat=1000");
        let is = |caveats: &[String], more: &[&str]| {
            is_as_minted(service, caveats.iter().map(String::as_str).chain(more.iter().copied()).map(str::as_bytes))
        };
        assert!(is(&caveats, &[]) && is(&caveats, &[ATTESTED]) && is(&caveats[..6], &[]));
        assert!(!is(&caveats, &["satstile_price_msat=1000"]) && !is(&caveats[..5], &["satstile_price_msat=1000"]));
        assert!(!is(&caveats, &[ATTESTED, "satstile_price_msat=1000"]));
    }

    #[test]
    fn a_reference_permits_nothing_and_is_as_minted_at_its_place_only() {
        let policy = Policy::from_json(
            r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
                "services": {"api": {"price_msat": 1000, "valid_s": 600, "routes": [{"path": "/api"}]}}}"#,
        )
        .unwrap();
        let with_at = |place: usize| {
            let mut caveats = MINTED.to_vec();
            caveats.insert(place, "satstile_ref=AAAA");
            caveats
        };
        let is = |caveats: &[&str]| is_as_minted(&policy.services[0], caveats.iter().map(|c| c.as_bytes()));
        assert!(is(&MINTED) && is(&with_at(2)));
        // Behind the others it is a holder's, whatever it says.
        for place in [0, 1, 3, 4] {
            assert!(!is(&with_at(place)), "{place}");
        }
        assert!(!is(&[&with_at(2)[..], &["satstile_ref=AAAA"]].concat()));
        assert!(!is(&[&with_at(2)[..], &["satstile_uses=1"]].concat()));
        check(&["satstile_ref=AAAA"], Ok(()));
        check(&["satstile_ref"], Err(Denial::UnknownCaveat));
        check(&["satstile_reference=AAAA"], Err(Denial::UnknownCaveat));
        for missing in MINTED {
            let rest = with_at(2).into_iter().filter(|c| *c != missing).map(str::as_bytes).collect::<Vec<_>>();
            assert_eq!(clear(rest.into_iter(), &demand()), Err(Denial::MissingCaveat), "{missing}");
        }
    }

    #[test]
    fn foreign_names_are_skipped_and_unknown_ones_of_ours_are_not_t9() {
        check(
            &["preimage=00", "account = 12345", "no equals sign", "dear_valid_until=1", "api_capabilities=read"],
            Ok(()),
        );
        check(&["satstile_colour=red"], Err(Denial::UnknownCaveat));
        check(&["satstile_uses"], Err(Denial::UnknownCaveat));
        check(&["satstile_uses=1.5"], Err(Denial::UnknownCaveat));
        check(&["satstile_digest=md5:00"], Err(Denial::UnknownCaveat));
        check(&["api_valid_until=+1900000000"], Err(Denial::UnknownCaveat));
        check(&["services=api"], Err(Denial::UnknownCaveat));
        check(&["satstile_methods=any"], Err(Denial::UnknownCaveat));
        check(&["satstile_methods="], Err(Denial::UnknownCaveat));
    }
}
