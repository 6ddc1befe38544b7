//! The wallet's page for a person: paste an invoice, see what it says, pay. Plain forms, works without JavaScript;
//! with it, and where the browser can read QR codes, the camera fills the field.

use std::fmt;
use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use l402::{Msat, UnixTime};
use lightning_invoice::Bolt11InvoiceDescriptionRef;
use serde::Deserialize;

use super::{Offer, Paid, Unpaid, Wallet};

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

#[derive(Deserialize)]
pub(super) struct Show {
    #[serde(default)]
    invoice: String,
}

#[derive(Deserialize)]
pub(super) struct Pay {
    #[serde(default)]
    invoice: String,
    #[serde(default)]
    password: String,
}

/// `GET /`, or `/?invoice=lnbcrt…` with what that invoice says.
pub(super) async fn show(query: Result<Query<Show>, QueryRejection>) -> Response {
    let text = query.map(|Query(show)| show.invoice).unwrap_or_default();
    match Offer::read(&text) {
        Ok(offer) => html(StatusCode::OK, &offer_form(&offer, None)),
        Err(Unpaid::Missing) => html(StatusCode::OK, &ask_form("", None)),
        Err(unpaid) => html(StatusCode::BAD_REQUEST, &ask_form(&text, Some(unpaid.reason()))),
    }
}

/// `POST /pay`, from the form that `show` gave.
pub(super) async fn pay(State(wallet): State<Arc<Wallet>>, form: Result<Form<Pay>, FormRejection>) -> Response {
    let Ok(Form(form)) = form else {
        return html(StatusCode::BAD_REQUEST, &ask_form("", Some("the form could not be read")));
    };
    let offer = match Offer::read(&form.invoice) {
        Ok(offer) => offer,
        Err(unpaid) => return html(StatusCode::BAD_REQUEST, &ask_form(&form.invoice, Some(unpaid.reason()))),
    };
    if !wallet.password.is(form.password.trim()) {
        return html(StatusCode::FORBIDDEN, &offer_form(&offer, Some("this is not the wallet's password")));
    }
    match wallet.pay(&offer.text).await {
        Ok(paid) => html(StatusCode::OK, &receipt(&paid)),
        Err(unpaid) => html(StatusCode::CONFLICT, &offer_form(&offer, Some(unpaid.reason()))),
    }
}

/// The page's style.
pub(super) async fn css() -> Response {
    asset("text/css; charset=utf-8", include_str!("wallet.css"))
}

/// The page's camera.
pub(super) async fn js() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("wallet.js"))
}

fn ask_form(text: &str, fault: Option<&str>) -> String {
    format!(
        r#"{fault}<form method="get" action="/">
<label for="invoice">Lightning invoice</label>
<textarea id="invoice" name="invoice" rows="5" required autofocus autocomplete="off" autocapitalize="off"
 spellcheck="false" placeholder="lnbcrt…">{text}</textarea>
<video id="camera" muted playsinline hidden></video>
<div class="row"><button type="submit">Continue</button><button type="button" id="scan" class="quiet" hidden>Scan</button></div>
</form>"#,
        fault = Fault(fault),
        text = Escaped(text),
    )
}

fn offer_form(offer: &Offer, fault: Option<&str>) -> String {
    let invoice = &offer.invoice;
    let amount = match invoice.amount_milli_satoshis() {
        Some(msat) => Msat(msat).to_string(),
        None => "any amount".to_owned(),
    };
    let description = match invoice.description() {
        Bolt11InvoiceDescriptionRef::Direct(text) => text.as_inner().0.clone(),
        Bolt11InvoiceDescriptionRef::Hash(_) => "(the invoice has only a hash of its description)".to_owned(),
    };
    let until = invoice.duration_since_epoch().saturating_add(invoice.expiry_time()).as_secs();
    format!(
        r#"<p class="amount">{amount}</p>
<p class="what">{description}</p>
<dl><dt>Network</dt><dd>{network}</dd><dt>Until</dt><dd>{until}</dd><dt>Payment hash</dt><dd><code>{hash}</code></dd></dl>
{fault}<form method="post" action="/pay">
<input type="hidden" name="invoice" value="{text}">
<label for="password">Wallet password</label>
<input id="password" name="password" type="password" required autofocus autocomplete="current-password">
<div class="row"><button type="submit">Pay {amount}</button><a class="quiet" href="/">Another invoice</a></div>
</form>"#,
        amount = Escaped(&amount),
        description = Escaped(&description),
        network = Escaped(invoice.network().to_core_arg()),
        until = UnixTime(until),
        hash = offer.payment_hash(),
        fault = Fault(fault),
        text = Escaped(&offer.text),
    )
}

fn receipt(paid: &Paid) -> String {
    format!(
        r#"<p class="amount">{amount}</p>
<p class="what" role="status">paid</p>
<dl><dt>Preimage</dt><dd><code>{preimage}</code></dd><dt>Payment hash</dt><dd><code>{hash}</code></dd></dl>
<p>You can go back to the page that asked for it.</p>
<div class="row"><a class="quiet" href="/">Another invoice</a></div>"#,
        amount = Escaped(&paid.amount.to_string()),
        preimage = paid.preimage.expose_hex(),
        hash = paid.payment_hash,
    )
}

/// `same-origin`, because `no-referrer` would make the browser send `Origin: null` with our own form.
fn html(status: StatusCode, body: &str) -> Response {
    let page = format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dev wallet</title><link rel="stylesheet" href="/wallet.css"><script src="/wallet.js" defer></script></head>
<body><main><h1>Dev wallet</h1>
{body}
<footer>Pays the invoices of the dev node beside it, on regtest. No real money.</footer></main></body></html>
"#
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, CSP),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("permissions-policy"), "camera=(self)"),
    ];
    (status, headers, page).into_response()
}

/// A file that this program carries.
pub(super) fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response()
}

/// What went wrong, if anything did.
struct Fault<'a>(Option<&'a str>);

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |why| writeln!(f, "<p class=\"fault\" role=\"alert\">{}</p>", Escaped(why)))
    }
}

/// Text that cannot become markup, in an element or a quoted attribute (T109).
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => fmt::Write::write_char(f, other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_stays_text() {
        let form = ask_form("</textarea><script>alert('1')</script>", Some("\"&<"));
        assert!(!form.contains("<script") && !form.contains("</textarea><"), "{form}");
        assert!(form.contains("&lt;/textarea&gt;&lt;script&gt;alert(&#39;1&#39;)"), "{form}");
        assert!(form.contains("&quot;&amp;&lt;"), "{form}");
    }
}
