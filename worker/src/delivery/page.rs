//! The 402 for people: a complete page that works without JavaScript. A QR code for the phone, a link for the wallet on
//! this device, the invoice as text, and a refresh that unlocks once it is paid. With JavaScript the paywall component
//! takes over in place: it has the same style sheet, the same parts and the same QR code, so that nothing moves.
//!
//! And every other "no" for people: what happened, and what to do.

use l402::bolt11::Network;
use l402::challenge::Challenge;
use l402::decide::{Quote, wants_html};
use l402::encoding::to_base64;
use l402::headers::Headers as Fields;
use l402::problem::{Answer, Refusal, payment_reason};
use l402::{Malformed, Request, UnixTime};
use sha2::{Digest, Sha256};

use crate::delivery::words::Words;

/// How often the page looks whether it was paid, in seconds.
const REFRESH_S: u32 = 5;

/// A page and the fields that go with it.
pub struct Page {
    /// Content type and policy.
    pub headers: Vec<(&'static str, String)>,
    /// The document.
    pub html: String,
}

const STYLE: &str = concat!(
    include_str!("../../../web-client/js/paywall.css"),
    "html{color-scheme:light dark;background:light-dark(#faf9f7,#141417)}body{margin:0;padding:max(1rem,6vh) 1rem 1rem}"
);

/// Draws the page of a challenge to a request for `path`. `terms` is the body that programs get (C3).
#[must_use]
pub fn render(challenge: &Challenge, path: &str, terms: &str, quote: &Quote<'_>, now: UnixTime) -> Page {
    let service = &quote.service.id;
    // Who comes back with something that was paid for is told why it does not do, before there is talk of paying.
    let why = payment_reason(quote.reason)
        .map_or_else(String::new, |why| format!("<p part=\"note\" lang=\"en\" dir=\"ltr\">{}</p>\n", escape(&why)));
    let (price, bolt11) = (&challenge.price, &challenge.bolt11);
    let words = Words::of(None, quote.accept_language.as_deref());
    let left = words.left.replace("{n}", &now.until(challenge.invoice.expires_at()).div_ceil(60).to_string());
    let what = escape(challenge.invoice.description.as_deref().unwrap_or(service));
    let note = match challenge.invoice.network {
        Network::Mainnet => String::new(),
        _ => format!("<p part=\"note\">{}</p>", words.network_test),
    };
    let qr = satstile_qr::invoice(bolt11).map_or_else(String::new, |code| {
        let (size, path, label) = (code.size, code.path, words.qr_label.replace("{amount}", &price.to_string()));
        format!(
            "<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{label}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>"
        )
    });
    let Words { code, pay, open_wallet, invoice, waiting, by_itself, look_now, .. } = words;
    let dir = words.dir();
    let (challenge_text, terms, path) = (escape(&challenge.www_authenticate(false)), escape(terms), escape(path));
    // The refresh is for browsers that run no scripts; in others it would tear the component away.
    let html = format!(
        "<!doctype html>\n<html lang=\"{code}\" dir=\"{dir}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"{REFRESH_S}\"></noscript>\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{price} · {pay}</title>\n<style>{STYLE}</style>\n\
         <script type=\"module\" src=\"/.well-known/satstile/widget.js\"></script>\n</head>\n<body>\n<main>\n\
         <satstile-paywall mode=\"page\" src=\"{path}\" data-challenge=\"{challenge_text}\" data-terms=\"{terms}\">\n\
         <section part=\"card\">\n<h1 part=\"title\">{what}</h1>\n{why}<div part=\"amount\">{price}</div>\n{note}\n\
         <div part=\"pay\"><div part=\"qr\">{qr}</div>\n<a part=\"link primary\" href=\"lightning:{bolt11}\">{open_wallet}</a>\n\
         <div part=\"field\"><label for=\"invoice\">{invoice}</label>\
         <textarea part=\"invoice\" id=\"invoice\" readonly rows=\"4\" spellcheck=\"false\">{bolt11}</textarea></div>\n\
         <p part=\"timer\">{left}</p></div>\n\
         <p part=\"status\" role=\"status\">{waiting} · {by_itself} <a href=\"{path}\">{look_now}</a></p>\n\
         </section>\n</satstile-paywall>\n</main>\n</body>\n</html>\n"
    );
    let mut headers = headers("script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:; ");
    headers.extend([("content-language", code.to_owned()), ("vary", "Accept-Language".to_owned())]);
    Page { headers, html }
}

/// The fields of a page of ours. `sources` are the parts of its policy that a page without scripts has not.
fn headers(sources: &str) -> Vec<(&'static str, String)> {
    let style_hash = to_base64(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; {sources}style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    vec![
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("x-frame-options", "DENY".to_owned()),
    ]
}

/// A "no" to a request: a page for who takes HTML, a problem document for everybody else.
#[must_use]
pub fn refuse_request(refusal: &Refusal<'_>, asked: &Request<'_>) -> Answer {
    // Fields that are too many to be read say nothing about the reader, either.
    let accept = Fields::parse(asked.headers).ok().and_then(|fields| fields.get("accept"));
    refuse(refusal, wants_html(accept), asked.method)
}

/// The same, where it is known what is taken. Nothing of the request stands in the page.
#[must_use]
pub fn refuse(refusal: &Refusal<'_>, wants_html: bool, method: &str) -> Answer {
    let mut answer = refusal.answer(method == "HEAD");
    if !wants_html {
        return answer;
    }
    answer.headers.retain(|(name, _)| *name != "content-type");
    answer.headers.extend(headers(""));
    answer.headers.push(("vary", "Accept".to_owned()));
    if method == "HEAD" {
        return answer;
    }
    let (title, detail, advice) = (escape(refusal.title()), escape(&sentence(&refusal.detail())), advice(refusal));
    // An address without anything in it is that of this page, whatever it is.
    let again = match (method, answer.status) {
        ("GET", 409 | 429 | 500..=599) => "<a part=\"link primary\" href=\"\">Try again</a>\n",
        _ => "",
    };
    answer.body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <section part=\"card\">\n<h1 part=\"title\">{title}</h1>\n<p part=\"status\">{detail}</p>\n\
         <p part=\"note\">{advice}</p>\n{again}</section>\n</main>\n</body>\n</html>\n"
    );
    answer
}

/// What a visitor can do.
fn advice(refusal: &Refusal<'_>) -> &'static str {
    match refusal {
        Refusal::NoRoute | Refusal::NotFound => "Check the address for a slip, or go back to where you came from.",
        Refusal::Malformed(Malformed::UnknownHost | Malformed::UnreadableHost) => {
            "Check the name in the address. If this is your site, add the name to “hosts” in its policy."
        }
        Refusal::Malformed(Malformed::TooManyHeaders) => "Delete the cookies of this site, then open the page again.",
        Refusal::Malformed(Malformed::Loop) => "The operator of this site must correct the address of its origin.",
        Refusal::Malformed(_) => "Check the address for a slip, or open the page again by a link.",
        Refusal::Method(_) => "Go back, and open this page by its address.",
        Refusal::Forgery { .. } => "Open the page again without it, and you can pay.",
        Refusal::Unauthorized | Refusal::OtherSite => "Open the page of this site itself.",
        Refusal::BodyTooLarge => "Go back and send less.",
        Refusal::BodyLate => "Go back and send it again.",
        Refusal::Ahead => "Open the page by its link or its address.",
        Refusal::UnpaidHead | Refusal::Conflict | Refusal::KeyReused => "Go back and begin anew.",
        Refusal::InFlight => "It takes a few seconds.",
        Refusal::TooManyInvoices(_) | Refusal::TooOften(_) => "Wait a minute, then try again.",
        Refusal::CannotSell(_) | Refusal::BadInvoice => {
            "Your wallet was not asked for anything. Try again in a minute."
        }
        Refusal::Unavailable(_) | Refusal::NotReady => "Try again in a few minutes.",
        Refusal::OriginFailed(_) | Refusal::OriginTimeout(_) | Refusal::OriginChallenges(_) => {
            "The site behind this address has a fault of its own. Try again in a minute."
        }
    }
}

/// With a capital letter at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Text from outside becomes text (T109).
pub fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}
