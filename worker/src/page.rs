//! The 402 for people: a complete page that works without JavaScript. A QR code for the phone, a link for the wallet on
//! this device, the invoice as text, and a refresh that unlocks once it is paid. With JavaScript the paywall component
//! takes over in place: it has the same style sheet, the same parts and the same QR code, so that nothing moves.

use l402::UnixTime;
use l402::bolt11::Network;
use l402::challenge::Challenge;
use l402::encoding::to_base64;
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

const STYLE: &str = concat!(
    include_str!("../../web-client/js/paywall.css"),
    "html{color-scheme:light dark;background:light-dark(#faf9f7,#141417)}body{margin:0;padding:max(1rem,6vh) 1rem 1rem}"
);

/// Draws the page of a challenge to a request for `path`. `terms` is the body that programs get (C3).
#[must_use]
pub fn render(challenge: &Challenge, path: &str, terms: &str, service: &str, now: UnixTime) -> Page {
    let (price, bolt11) = (&challenge.price, &challenge.bolt11);
    let minutes = now.until(challenge.invoice.expires_at()).div_ceil(60);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    let what = escape(challenge.invoice.description.as_deref().unwrap_or(service));
    let note = match challenge.invoice.network {
        Network::Mainnet => "",
        _ => "<p part=\"note\">Test network: no real money</p>",
    };
    let qr = satstile_qr::invoice(bolt11).map_or_else(String::new, |code| {
        let (size, path) = (code.size, code.path);
        format!(
            "<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"QR code: Lightning invoice of {price}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>"
        )
    });
    let (challenge_text, terms, path) = (escape(&challenge.www_authenticate(false)), escape(terms), escape(path));
    // The refresh is for browsers that run no scripts; in others it would tear the component away.
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"{REFRESH_S}\"></noscript>\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{price} to continue</title>\n<style>{STYLE}</style>\n\
         <script type=\"module\" src=\"/.well-known/satstile/widget.js\"></script>\n</head>\n<body>\n<main>\n\
         <satstile-paywall mode=\"page\" src=\"{path}\" data-challenge=\"{challenge_text}\" data-terms=\"{terms}\">\n\
         <section part=\"card\">\n<h1 part=\"title\">{what}</h1>\n<div part=\"amount\">{price}</div>\n{note}\n\
         <div part=\"pay\"><div part=\"qr\">{qr}</div>\n<a part=\"link primary\" href=\"lightning:{bolt11}\">Open in a wallet</a>\n\
         <div part=\"field\"><label for=\"invoice\">Lightning invoice</label>\
         <textarea part=\"invoice\" id=\"invoice\" readonly rows=\"4\" spellcheck=\"false\">{bolt11}</textarea></div>\n\
         <p part=\"timer\">This invoice can be paid for {minutes} more {unit}.</p></div>\n\
         <p part=\"status\" role=\"status\">Waiting for the payment. This page opens by itself, or <a href=\"{path}\">look now</a>.</p>\n\
         </section>\n</satstile-paywall>\n</main>\n</body>\n</html>\n"
    );
    let style_hash = to_base64(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'sha256-{style_hash}'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let headers = vec![
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("x-frame-options", "DENY".to_owned()),
    ];
    Page { headers, html }
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
