//! The 402 for people: a complete page that works without JavaScript. A QR code for the phone, a link
//! for the wallet on this device, the invoice as text, and a refresh that unlocks once it is paid.

use l402::UnixTime;
use l402::challenge::Challenge;
use l402::encoding::to_base64;
use qrcodegen::{QrCode, QrCodeEcc};
use sha2::{Digest, Sha256};

/// How often the page looks whether it was paid, in seconds.
const REFRESH_S: u32 = 5;

/// A page and the fields that go with it.
pub struct Page {
    /// Content type and policy.
    pub headers: Vec<(&'static str, String)>,
    /// The document.
    pub html: String,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1b1f;--soft:#5c5c66;--paper:#faf9f7;--card:#fff;--line:#e3e0da;--accent:#b45309}\
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--soft:#a5a5b0;--paper:#141417;--card:#1d1d22;--line:#33333b;--accent:#f6ad55}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:100vh;padding:1rem}\
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem;text-align:center}\
h1{font-size:1.25rem;margin:0}\
.price{font-size:2.5rem;font-weight:700;line-height:1.1;margin:.5rem 0 .25rem}\
p{margin:.25rem 0;color:var(--soft)}\
.qr{display:block;width:100%;max-width:20rem;margin:1rem auto;background:#fff;border-radius:.75rem;padding:.75rem}\
.qr svg{display:block;width:100%;height:auto}\
.open{display:block;background:var(--accent);color:#fff;text-decoration:none;font-weight:600;border-radius:.6rem;padding:.8rem;margin:1rem 0}\
@media(prefers-color-scheme:dark){.open{color:#1b1b1f}}\
.open:focus-visible,summary:focus-visible,textarea:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
label{display:block;text-align:left;font-size:.875rem;color:var(--soft)}\
textarea{width:100%;height:5.5rem;margin-top:.25rem;font:.75rem/1.4 ui-monospace,monospace;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:.6rem;padding:.6rem;word-break:break-all;resize:vertical}\
.state{margin-top:1rem;font-size:.875rem}";

/// Draws the page of a challenge.
#[must_use]
pub fn render(challenge: &Challenge, service: &str, now: UnixTime) -> Page {
    let upper = challenge.bolt11.to_ascii_uppercase();
    let minutes = now.until(challenge.invoice.expires_at()).div_ceil(60);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    let (price, bolt11) = (&challenge.price, &challenge.bolt11);
    let what = escape(challenge.invoice.description.as_deref().unwrap_or(service));
    // Upper case is the QR code's alphanumeric mode: a third fewer modules for a camera to tell apart.
    let qr = qr_svg(&format!("LIGHTNING:{upper}"));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_S}\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{price} to continue</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{what}</h1>\n<div class=\"price\">{price}</div>\n<p>Pay with a Lightning wallet to continue.</p>\n\
         <div class=\"qr\">{qr}</div>\n<a class=\"open\" href=\"lightning:{bolt11}\">Open in a wallet on this device</a>\n\
         <label>Or copy the invoice<textarea readonly rows=\"4\" spellcheck=\"false\">{bolt11}</textarea></label>\n\
         <p class=\"state\" role=\"status\">Waiting for the payment. This page looks again every {REFRESH_S} seconds and opens by itself. \
         The invoice is good for {minutes} more {unit}.</p>\n</main>\n</body>\n</html>\n"
    );
    let style_hash = to_base64(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = vec![
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("x-frame-options", "DENY".to_owned()),
    ];
    Page { headers, html }
}

/// A QR code as one path; low error correction, since a screen is not a torn parcel label.
fn qr_svg(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Low) else { return String::new() };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let start = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > start {
                path.push_str(&format!("M{start} {y}h{0}v1h-{0}z", x - start));
            }
            x += 1;
        }
    }
    format!(
        "<svg viewBox=\"-2 -2 {0} {0}\" role=\"img\" aria-label=\"QR code of the invoice\" shape-rendering=\"crispEdges\">\
         <path d=\"{path}\" fill=\"#000\"/></svg>",
        size + 4
    )
}

/// Text from outside becomes text (T109).
fn escape(text: &str) -> String {
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
