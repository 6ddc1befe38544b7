//! A token as anybody can read it, without a key: what it commits to and what its caveats say.

use std::fmt;

use l402::encoding::base64_any;
use l402::identifier::Identifier;
use l402::token::{ATTESTED, UnverifiedToken};
use l402::{PaymentHash, Preimage, UnixTime, caveat};
use macaroon::{Caveat, Macaroon};

use crate::fault::Fault;

/// The parts of a macaroon. Nothing of it is believed: its signature takes the operator's key.
#[derive(Clone)]
pub struct View {
    /// Its text.
    pub token: String,
    /// Who says to have made it.
    pub location: Option<String>,
    /// As it stands there.
    pub identifier: Vec<u8>,
    /// As L402 reads it.
    pub parsed: Option<Identifier>,
    /// The caveats that are text for the seller.
    pub caveats: Vec<Vec<u8>>,
    /// How many caveats are for somebody else.
    pub third_party: usize,
    /// Why l402 would not take it, if it would not.
    pub objection: Option<String>,
}

impl View {
    /// Reads a macaroon of version 2 in base64, standard or URL-safe.
    pub fn parse(token: &str) -> Result<Self, Fault> {
        let not = |why: &str| Fault::not_good(format!("this is no token: {why}"));
        let bytes = base64_any(token).ok_or_else(|| not("it is not base64"))?;
        if bytes.first() != Some(&2) {
            return Err(not("it is not a macaroon of version 2").next("L402 servers sell macaroons of version 2 only."));
        }
        let macaroon = Macaroon::deserialize_binary(&bytes).map_err(|_| not("it is base64, but not a macaroon"))?;
        let first_party = macaroon.caveats().iter().filter_map(Caveat::as_first_party);
        Ok(Self {
            token: token.to_owned(),
            location: macaroon.location().map(str::to_owned),
            identifier: macaroon.identifier().to_vec(),
            parsed: Identifier::parse(macaroon.identifier()),
            caveats: first_party.map(|c| c.predicate().to_vec()).collect(),
            third_party: macaroon.third_party_caveats().len(),
            objection: UnverifiedToken::parse(token).err().map(|fault| fault.to_string()),
        })
    }

    /// The caveats' bytes.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.caveats.iter().map(Vec::as_slice)
    }

    /// The value of the last caveat of this name: the narrowest, if the token is sound.
    pub fn last(&self, name: &str) -> Option<&str> {
        let value = |c: &'_ Vec<u8>| c.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
        let caveat = self.caveats.iter().rev().find(|c| value(c))?;
        std::str::from_utf8(caveat).ok()?.split_once('=').map(|(_, value)| value)
    }

    /// The service that it was sold for.
    pub fn service(&self) -> Option<&str> {
        caveat::service_of(self.bytes())
    }

    /// Under which name it is kept: the service, and the route if it is bound to one.
    pub fn scope(&self) -> String {
        let service = self.service().unwrap_or_default();
        self.last("satstile_route").map_or_else(|| service.to_owned(), |route| format!("{service}.{route}"))
    }

    /// Until when it holds, if it says so for its own service.
    pub fn valid_until(&self) -> Option<UnixTime> {
        let service = self.service()?;
        self.last(&format!("{service}_valid_until")).and_then(UnixTime::from_decimal)
    }

    /// Whether it says that what goes with it is an attestation instead of a preimage, as l402 reads it.
    pub fn takes_attestation(&self) -> bool {
        self.bytes().filter(|caveat| *caveat == ATTESTED.as_bytes()).count() == 1
    }

    /// The invoice it belongs to.
    pub fn payment_hash(&self) -> Option<PaymentHash> {
        self.parsed.map(|identifier| identifier.payment_hash)
    }
}

/// Without the token.
impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({}, {} caveats)", self.scope(), self.caveats.len())
    }
}

/// What a person pastes: a token, or the whole credential, or even the whole field.
pub struct Pasted {
    /// `L402` or `LSAT`, where it was pasted with it.
    pub scheme: Option<&'static str>,
    /// The token.
    pub view: View,
    /// What follows the colon.
    pub preimage: Option<Preimage>,
}

/// Reads `[Authorization:] [L402] TOKEN[:PREIMAGE]`.
pub fn pasted(text: &str) -> Result<Pasted, Fault> {
    let text = text.trim();
    let text = strip_name(text, "authorization:").unwrap_or(text).trim();
    let named = |name: &'static str| strip_name(text, name).filter(|rest| rest.starts_with(' ')).map(|r| (name, r));
    let (scheme, rest) = named("L402").or_else(|| named("LSAT")).map_or((None, text), |(n, r)| (Some(n), r.trim()));
    let (token, preimage) = match rest.rsplit_once(':') {
        None => (rest, None),
        Some((token, preimage)) => {
            let preimage = Preimage::from_hex(preimage).ok_or_else(|| {
                Fault::not_good("what follows the colon is no preimage").next("A preimage is 64 hex digits.")
            })?;
            (token, Some(preimage))
        }
    };
    Ok(Pasted { scheme, view: View::parse(token)?, preimage })
}

fn strip_name<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(rest)
}
