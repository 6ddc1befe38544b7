//! The address and the keys of a connection, from the text that the wallet shows.

use core::fmt;

use l402::host::is_loopback;
use nostr::key::{Keys, PublicKey, SecretKey};
use nostr::nips::nip44::v2::ConversationKey;
use secp256k1::{All, Secp256k1};

use crate::connection::{ConnectionFault, Parameters};

const SCHEMES: [&str; 2] = ["nostr+walletconnect://", "nostr+walletconnect:"];

/// A connection to a wallet. `Debug` shows the wallet's public key and the relays.
pub struct NwcConnection {
    pub(super) wallet: PublicKey,
    pub(super) keys: Keys,
    pub(super) conversation: ConversationKey,
    pub(super) secp: Secp256k1<All>,
    relays: Vec<Relay>,
}

/// Where the two sides meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// `wss://relay.example.com/path`; on this machine, or where it was allowed, `ws://`.
    pub url: String,
    /// A name or an address.
    pub host: String,
    /// 443 and 80 unless it says another.
    pub port: u16,
    /// Whether it is `wss`.
    pub tls: bool,
}

impl NwcConnection {
    /// Whether a text is meant to be such a connection, whether or not it can be read.
    ///
    /// ```
    /// use satstile_lightning::nwc::NwcConnection;
    /// assert!(NwcConnection::is_meant_by("type=nwc;uri=nostr+walletconnect://…"));
    /// assert!(NwcConnection::is_meant_by(" nostr+walletconnect://…"));
    /// assert!(!NwcConnection::is_meant_by("type=phoenixd;password=nostr+walletconnect://…"));
    /// ```
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        is_uri(text.trim())
            || text
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .any(|(name, value)| name.trim().eq_ignore_ascii_case("type") && value.trim() == super::KIND)
    }

    /// Reads a connection string, whose grammar is that of [`crate::connection`]; or the wallet's text as it is.
    ///
    /// # Errors
    /// The [`ConnectionFault`] that says what to change; never a value.
    pub fn parse(text: &str) -> Result<Self, ConnectionFault> {
        let text = text.trim();
        if is_uri(text) {
            return Self::of_uri(text, false);
        }
        let mut parameters = Parameters::split(text)?;
        let kind = parameters.required("type")?;
        if kind != super::KIND {
            return Err(ConnectionFault::Type(kind));
        }
        // BTCPay Server calls it `key`.
        let uri = match parameters.optional("key") {
            Some(uri) => uri,
            None => parameters.required("uri")?,
        };
        let insecure = parameters.flag("allowinsecure")?;
        parameters.end()?;
        Self::of_uri(&uri, insecure)
    }

    fn of_uri(uri: &str, insecure: bool) -> Result<Self, ConnectionFault> {
        let rest = SCHEMES.iter().find_map(|scheme| uri.strip_prefix(scheme));
        let (wallet, query) = rest
            .and_then(|rest| rest.split_once('?'))
            .ok_or(fault("must be nostr+walletconnect://<wallet>?relay=…&secret=…"))?;
        let wallet = public_key(wallet.trim_end_matches('/')).ok_or(fault("names no wallet: 64 hex digits"))?;
        let (mut relays, mut secret) = (Vec::new(), None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(fault("has a parameter without a value"))?;
            let value = percent_decoded(value).ok_or(fault("has a parameter that cannot be read"))?;
            match name {
                "relay" => relays.push(Relay::parse(&value, insecure)?),
                "secret" if secret.is_some() => return Err(fault("has two secrets")),
                "secret" => secret = Some(secret_key(&value).ok_or(fault("has a secret that is not 64 hex digits"))?),
                _ => {} // `lud16` and whatever wallets add for other programs
            }
        }
        let keys = Keys::new(secret.ok_or(fault("has no secret="))?);
        if relays.is_empty() {
            return Err(fault("has no relay="));
        }
        let conversation = ConversationKey::derive(keys.secret_key(), &wallet);
        let conversation = conversation.map_err(|_| fault("names no wallet: not a point of the curve"))?;
        Ok(Self { wallet, keys, conversation, secp: Secp256k1::new(), relays })
    }

    /// Where the wallet listens, the one to be asked first in front; at least one.
    #[must_use]
    pub fn relays(&self) -> &[Relay] {
        &self.relays
    }

    /// Scheme, host and port of the first relay. Many wallets share one: [`Self::name`] tells them apart.
    #[must_use]
    pub fn place(&self) -> String {
        self.relays.first().map(Relay::place).unwrap_or_default()
    }

    /// The beginning of the wallet's public key, and the relay, for logs, metrics and books. Holds no secret.
    #[must_use]
    pub fn name(&self) -> String {
        let wallet: String = self.wallet.to_hex().chars().take(16).collect();
        format!("{wallet} by {}", self.place())
    }
}

impl fmt::Debug for NwcConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.relays.iter().map(Relay::place).collect();
        f.debug_struct("NwcConnection").field("wallet", &self.wallet.to_hex()).field("relays", &places).finish()
    }
}

impl Relay {
    fn parse(url: &str, insecure: bool) -> Result<Self, ConnectionFault> {
        let (scheme, rest) = url.split_once("://").ok_or(fault("has a relay that is not a URL"))?;
        let authority = rest.split('/').next().unwrap_or_default();
        let visible = url.bytes().all(|b| b.is_ascii_graphic());
        if authority.is_empty() || !visible || url.contains(['?', '#', '@', '\\', '"']) {
            return Err(fault("has a relay that is more than scheme, host, port and path"));
        }
        let tls = match scheme {
            "wss" => true,
            "ws" => false,
            _ => return Err(fault("has a relay that begins neither with wss:// nor, on this machine, with ws://")),
        };
        // `[::1]` has colons of its own.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| fault("has a relay with an odd port"))?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        if !tls && !insecure && !is_loopback(host) {
            return Err(fault("has a relay without encryption: use wss://, or allowinsecure=true"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { url: url.to_owned(), host, port, tls })
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn place(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

const fn fault(why: &'static str) -> ConnectionFault {
    ConnectionFault::Value("uri", why)
}

fn is_uri(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Hex only: the library also takes other forms, which NIP-47 does not have.
fn public_key(text: &str) -> Option<PublicKey> {
    is_key(text).then(|| PublicKey::from_hex(text).ok()).flatten()
}

fn secret_key(text: &str) -> Option<SecretKey> {
    is_key(text).then(|| SecretKey::from_hex(text).ok()).flatten()
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.extend(hex::decode(digits).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: &str = "b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4";
    const SECRET: &str = "71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c";

    #[track_caller]
    fn fault(key: &str) -> String {
        let text = NwcConnection::parse(&format!("type=nwc;key={key}")).unwrap_err().to_string();
        assert!(!text.contains(&SECRET[..8]), "{text}");
        text
    }

    /// The example of NIP-47, with one relay more.
    #[test]
    fn the_text_that_wallets_show_is_taken() {
        let key = format!(
            "nostr+walletconnect://{WALLET}?relay=wss%3A%2F%2Frelay.damus.io&relay=wss://two.test:7777/nwc\
             &secret={SECRET}&lud16=a@b.test"
        );
        let connection = NwcConnection::parse(&format!("type=nwc;key={key}")).unwrap();
        let [first, second] = connection.relays() else { panic!("two relays") };
        assert_eq!(
            (first.url.as_str(), first.host.as_str(), first.port),
            ("wss://relay.damus.io", "relay.damus.io", 443)
        );
        assert_eq!((second.place(), second.tls), ("wss://two.test:7777".to_owned(), true));
        assert_eq!(connection.place(), "wss://relay.damus.io:443");
        assert_eq!(connection.name(), "b889ff5b1513b641 by wss://relay.damus.io:443");
    }

    #[test]
    fn one_connection_has_three_spellings_and_each_stands_alone() {
        let uri = format!("nostr+walletconnect://{WALLET}?relay=wss://r.test&secret={SECRET}");
        let shown = |text: &str| format!("{:?}", NwcConnection::parse(text).unwrap());
        let first = shown(&format!("type=nwc;uri={uri}"));
        let short = uri.replacen("://", ":", 1);
        for text in [format!("type=nwc;key={uri}"), uri.clone(), format!(" {short}\n")] {
            assert!(NwcConnection::is_meant_by(&text));
            assert_eq!(shown(&text), first);
        }
        let fault = |text: String| NwcConnection::parse(&text).unwrap_err().to_string();
        assert_eq!(fault(format!("type=nwc;uri={uri};key={uri}")), "this type has no `uri=`");
        assert_eq!(fault(format!("type=nwc;uri={uri};colour=red")), "this type has no `colour=`");
        assert_eq!(fault("type=nwc".to_owned()), "`uri=` is missing");
        assert!(fault(format!("{uri};allowinsecure=true")).contains("a secret that is not 64 hex digits"));
        assert!(!NwcConnection::is_meant_by("type=lnbits;server=https://nwc.test;api-key=type=nwc"));
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_secret() {
        let with = |relay: &str| format!("nostr+walletconnect://{WALLET}?relay={relay}&secret={SECRET}");
        assert!(fault("lnurlp://x").contains("must be nostr+walletconnect://"));
        assert!(fault(&format!("nostr+walletconnect://{WALLET}?relay=wss://r.test")).contains("no secret="));
        assert!(fault(&format!("nostr+walletconnect://{WALLET}?secret={SECRET}")).contains("no relay="));
        assert!(fault(&with(&format!("wss://r.test&secret={SECRET}"))).contains("two secrets"));
        assert!(fault(&with("ws://r.test")).contains("without encryption"));
        assert!(fault(&with("https://r.test")).contains("neither with wss://"));
        assert!(fault(&with("wss://user@r.test")).contains("more than"));
        assert!(fault(&format!("nostr+walletconnect://{}?secret={SECRET}", &WALLET[1..])).contains("64 hex digits"));
        let zero = format!("nostr+walletconnect://{WALLET}?relay=wss://r.test&secret={}", "0".repeat(64));
        assert!(fault(&zero).contains("a secret that is not"));
    }

    #[test]
    fn on_this_machine_and_where_it_is_allowed_a_relay_needs_no_encryption() {
        let text = |relay: &str| format!("type=nwc;key=nostr+walletconnect://{WALLET}?relay={relay}&secret={SECRET}");
        let relay = NwcConnection::parse(&text("ws://[::1]:7777")).unwrap().relays()[0].clone();
        assert_eq!((relay.host.as_str(), relay.port, relay.tls), ("::1", 7777, false));
        NwcConnection::parse(&format!("{};allowinsecure=true", text("ws://relay.test"))).unwrap();
    }

    #[test]
    fn the_secret_does_not_print() {
        let text = format!("type=nwc;key=nostr+walletconnect://{WALLET}?relay=wss://r.test&secret={SECRET}");
        let shown = format!("{:?}", NwcConnection::parse(&text).unwrap());
        assert_eq!(shown, format!("NwcConnection {{ wallet: \"{WALLET}\", relays: [\"wss://r.test:443\"] }}"));
    }
}
