//! The 402: one invoice, two schemes, exactly as nine real clients read it (`wire.md` D1, D2; C3).

use serde_json::{Value, json};

use crate::bolt11::Invoice;
use crate::decide::Place;
use crate::fault::Denial;
use crate::keys::Keys;
use crate::payment::{Asked, ChargeFault, ChargeRequest, Offer, PaymentChallenge};
use crate::policy::Service;
use crate::problem::{Answer, common_headers, payment_reason, payment_title, payment_type, problem};
use crate::route::Route;
use crate::time::UnixTime;
use crate::token::Token;

/// How long before its invoice a Payment challenge expires: a payment in the last second must still
/// find its challenge alive (`wire.md` §4.4).
const PAYMENT_MARGIN_S: u64 = 60;

/// Everything a client needs to pay and come back.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The token, base64.
    pub token: String,
    /// The invoice's text.
    pub bolt11: String,
    /// Its fields.
    pub invoice: Invoice,
    /// Its price as text, `21 sats`.
    pub price: String,
    payment: String,
    challenge_id: String,
    amount_msat: u64,
    service: String,
    valid_s: u64,
    uses: Option<u64>,
    status_url: String,
}

impl Challenge {
    /// Puts a token and its invoice together. Both were checked: the invoice by
    /// [`Invoice::check`], the token because we minted or sealed it.
    ///
    /// # Errors
    /// [`ChargeFault::Unwritable`] for a host that no header can carry; a policy's hosts all can.
    pub fn new(
        service: &Service,
        route: &Route,
        place: &Place,
        keys: &Keys,
        token: &Token,
        bolt11: String,
        invoice: Invoice,
    ) -> Result<Self, ChargeFault> {
        let secret = keys.challenge_secrets().first().ok_or(ChargeFault::Unwritable("id"))?;
        let request = ChargeRequest {
            amount_sats: service.price.sats_up(),
            description: invoice.description.clone(),
            invoice: bolt11.clone(),
            payment_hash: invoice.payment_hash,
            network: invoice.network,
        };
        let payment = PaymentChallenge::issue(
            secret,
            &Offer {
                realm: &place.host,
                asked: Asked::Charge(&request, &token.identifier.token_id),
                service: &service.scope(route),
                price: service.price,
                expires: UnixTime(invoice.expires_at().0.saturating_sub(PAYMENT_MARGIN_S)),
                digest: None,
                description: request.description.as_deref(),
            },
        )?;
        Ok(Self {
            token: token.to_wire(),
            price: service.price.to_string(),
            payment: payment.to_header()?,
            challenge_id: payment.id,
            amount_msat: service.price.0,
            service: service.id.clone(),
            valid_s: service.valid_s,
            uses: service.uses,
            status_url: format!("{}/.well-known/satstile/status", place.public_url),
            bolt11,
            invoice,
        })
    }

    /// The `WWW-Authenticate` value: one line, because the runtime joins several anyway. L402 stands
    /// first, in the parameter order that every client reads, unless the client prefers Payment.
    #[must_use]
    pub fn www_authenticate(&self, payment_first: bool) -> String {
        let l402 = format!(r#"L402 macaroon="{0}", invoice="{1}", version="0", token="{0}""#, self.token, self.bolt11);
        let payment = &self.payment;
        if payment_first { format!("{payment}, {l402}") } else { format!("{l402}, {payment}") }
    }

    /// Where the payment's state can be asked for with the token (C5).
    #[must_use]
    pub fn status_url(&self) -> &str {
        &self.status_url
    }

    /// The header fields of a 402, whatever its body.
    #[must_use]
    pub fn headers(&self, payment_first: bool) -> Vec<(&'static str, String)> {
        headers(self.www_authenticate(payment_first))
    }

    /// The 402 for programs (C3).
    #[must_use]
    pub fn answer(&self, payment_first: bool, reason: Option<Denial>) -> Answer {
        let pay = format!(
            "Pay the invoice of {}, then send the request again with `Authorization: L402 <macaroon>:<preimage>`.",
            self.price
        );
        let detail = match payment_reason(reason) {
            // Nobody who has paid is told to pay.
            Some(why) if reason == Some(Denial::WrongPreimage) => why,
            Some(why) => format!("{why} {pay}"),
            None => pay,
        };
        let mut body = problem(payment_type(reason), payment_title(reason), 402, &detail);
        let more = json!({
            "message": detail,
            "invoice": self.bolt11,
            "payment_request": self.bolt11,
            "payment_hash": self.invoice.payment_hash.to_string(),
            "macaroon": self.token,
            "amount_sats": self.amount_msat.div_ceil(1_000),
            "amount_msat": self.amount_msat,
            "price": self.price,
            "expires_at": self.invoice.expires_at().to_string(),
            "service": self.service,
            "grant": {"valid_seconds": self.valid_s, "uses": self.uses},
            "status_url": self.status_url,
            "challenge_id": self.challenge_id,
        });
        if let Value::Object(more) = more {
            body.extend(more);
        }
        Answer { status: 402, headers: self.headers(payment_first), body: Value::Object(body).to_string() }
    }
}

/// The header fields of a 402: challenge, no caching, what it varies on.
pub(crate) fn headers(www_authenticate: String) -> Vec<(&'static str, String)> {
    let mut headers = common_headers();
    headers.push(("www-authenticate", www_authenticate));
    headers.push(("vary", "Accept, Authorization, Accept-Payment, Cookie".to_owned()));
    headers
}
