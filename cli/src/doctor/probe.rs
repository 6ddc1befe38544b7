//! What is asked of an endpoint, and what it answered. All the I/O of the endpoint's report; grading is elsewhere.

use hyper::Method;
use hyper::header::HeaderMap;
use l402::payer::{Offer, loose};
use l402::{Preimage, UnixTime};

use crate::clock::now;
use crate::fault::Fault;
use crate::http::{Client, Reply, Request, Url};

/// What a page on another site would send along.
pub const ORIGIN: &str = "https://doctor.example";

/// One answer.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The fields.
    pub headers: HeaderMap,
    /// `WWW-Authenticate`, line by line.
    pub challenges: Vec<String>,
    /// At most 64 KB of it; empty when there is more.
    pub body: Vec<u8>,
    /// Our clock when it came.
    pub at: UnixTime,
}

impl Seen {
    /// A field that is text, its lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Whether it asks for a payment: a 402, or an offer that came with another status.
    pub fn is_challenge(&self) -> bool {
        self.status == 402 || self.offer().is_some()
    }

    /// What could be paid here.
    pub fn offer(&self) -> Option<Offer> {
        Offer::read(&self.lines()).ok().or_else(|| Offer::read(&[&self.loose()?.challenge]).ok())
    }

    /// The challenges, line by line.
    pub fn lines(&self) -> Vec<&str> {
        self.challenges.iter().map(String::as_str).collect()
    }

    /// A 402 whose challenge breaks the grammar, as a buyer reads it all the same.
    pub fn loose(&self) -> Option<loose::Loose> {
        (self.status == 402).then(|| loose::read(&self.lines(), &self.body))?
    }
}

/// All answers. What could not be asked, or was not answered, is `None`.
#[derive(Clone, Debug)]
pub struct Answers {
    /// A plain request, as from a page on another site.
    pub first: Seen,
    /// The same once more.
    pub second: Option<Seen>,
    /// By HEAD.
    pub head: Option<Seen>,
    /// A browser's preflight.
    pub preflight: Option<Seen>,
    /// With a credential that is none.
    pub junk: Option<Seen>,
    /// With the token of the first answer and a preimage that does not fit.
    pub wrong_preimage: Option<Seen>,
    /// With the same, in the query.
    pub in_query: Option<Seen>,
    /// From a browser.
    pub page: Option<Seen>,
}

/// Asks everything, one after the other, so that no rate limit is met.
pub async fn ask(url: &Url) -> Result<Answers, Fault> {
    let client = Client::new(std::time::Duration::from_secs(20))?;
    let get = || Request::get(url);
    // Whoever does not answer the first request has no report.
    let first = see(client.send(&get().with("origin", ORIGIN)).await?).await;
    let mut answers = Answers {
        first,
        second: None,
        head: None,
        preflight: None,
        junk: None,
        wrong_preimage: None,
        in_query: None,
        page: None,
    };
    let ask = async |request: Request| match client.send(&request).await {
        Ok(reply) => Some(see(reply).await),
        Err(_) => None,
    };
    if !answers.first.is_challenge() {
        return Ok(answers);
    }
    let preflight = get()
        .by(Method::OPTIONS)
        .with("origin", ORIGIN)
        .with("access-control-request-method", "GET")
        .with("access-control-request-headers", "authorization");
    answers.preflight = ask(preflight).await;
    if answers.first.status != 402 {
        return Ok(answers);
    }
    answers.second = ask(get()).await;
    answers.head = ask(get().by(Method::HEAD)).await;
    let zeros = "00".repeat(32);
    answers.junk = ask(get().with("authorization", &format!("L402 AAAA:{zeros}"))).await;
    if let Some(offer) = answers.first.offer() {
        let wrong = wrong_preimage(&offer);
        answers.wrong_preimage = ask(get().with("authorization", &format!("L402 {}:{wrong}", offer.token))).await;
        let token = satstile_lightning::http::percent_encoded(&offer.token);
        let query = format!("token={token}&macaroon={token}&preimage={wrong}");
        if let Some(url) = url.with_query(&query) {
            answers.in_query = ask(Request::get(&url)).await;
        }
    }
    answers.page = ask(get().with("accept", "text/html,application/xhtml+xml")).await;
    Ok(answers)
}

async fn see(reply: Reply) -> Seen {
    let at = now();
    let (status, headers, challenges) = (reply.status, reply.headers.clone(), reply.lines("www-authenticate"));
    Seen { status, headers, challenges, body: reply.read().await.unwrap_or_default(), at }
}

/// One that certainly does not fit: a hash is not its own preimage.
fn wrong_preimage(offer: &Offer) -> String {
    Preimage::new(offer.payment_hash().0).expose_hex()
}
