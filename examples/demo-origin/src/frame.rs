//! What every HTML page has around it: the head, the scripts, and the policy of what may run. No script and no style
//! is inline, so the policy can be strict.

use std::fmt;
use std::str::FromStr;

/// One site's frame.
pub struct Frame {
    pub stylesheet: &'static str,
    /// Where the paywall is served, if that is another origin than the page's own.
    pub edge: Option<Origin>,
    /// A wallet that offers itself to pages as `window.webln`.
    pub wallet: Option<Origin>,
}

impl Frame {
    /// A page of text.
    pub fn page(&self, title: &str, body: &str) -> String {
        self.whole(title, "", body)
    }

    /// A page with the paywall's component in it, and scripts of its own.
    pub fn paywalled(&self, title: &str, scripts: &[&str], body: &str) -> String {
        // In this order: the wallet is there when somebody looks for it, and our listeners before the first event.
        let mut head = String::new();
        if let Some(wallet) = &self.wallet {
            head += &format!("<script defer src=\"{wallet}/webln.js\"></script>\n");
        }
        for script in scripts {
            head += &format!("<script type=\"module\" src=\"{script}\"></script>\n");
        }
        head += &self.widget();
        head.push('\n');
        self.whole(title, &head, body)
    }

    /// The line that brings the component.
    pub fn widget(&self) -> String {
        let edge = self.edge.as_ref().map_or("", Origin::as_str);
        format!("<script type=\"module\" src=\"{edge}/.well-known/satstile/widget.js\"></script>")
    }

    fn whole(&self, title: &str, head: &str, body: &str) -> String {
        let stylesheet = self.stylesheet;
        format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/free/icon.svg">
<link rel="stylesheet" href="{stylesheet}">
{head}</head>
{body}
</html>
"#,
            title = Escaped(title)
        )
    }

    /// The `Content-Security-Policy` of the pages: this site, the paywall's edge (its wasm, and the socket that says
    /// "paid"), the wallet, and nobody else.
    pub fn policy(&self) -> String {
        let wallet = self.wallet.as_ref().map(|wallet| format!(" {wallet}")).unwrap_or_default();
        let (edge, socket) = match &self.edge {
            None => (String::new(), " ws:".to_owned()), // not every browser counts sockets as 'self'
            Some(edge) => (format!(" {edge}"), format!(" {}", edge.socket())),
        };
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{edge}{wallet}; \
             connect-src 'self'{edge}{socket}{wallet}; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
             frame-ancestors 'none'"
        )
    }
}

/// `http://localhost:8787`: scheme, host and port, and nothing that would mean something in HTML or in a policy.
#[derive(Clone, Debug)]
pub struct Origin(String);

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for web sockets.
    fn socket(&self) -> String {
        self.0.replacen("http", "ws", 1)
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let host = host.ok_or("an origin begins with http:// or https://")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if host.is_empty() || !host.bytes().all(plain) {
            return Err("an origin is a scheme, a host and a port, such as http://localhost:8787");
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that cannot become markup.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            other => fmt::Write::write_char(f, other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(edge: Option<&str>, wallet: Option<&str>) -> Frame {
        let origin = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Frame { stylesheet: "/s.css", edge: origin(edge), wallet: origin(wallet) }
    }

    #[test]
    fn the_policy_names_who_is_needed_and_nobody_else() {
        let own = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws:; style-src 'self'; \
                   img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(frame(None, None).policy(), own);
        assert_eq!(
            frame(Some("http://localhost:8787"), Some("http://localhost:9740/")).policy(),
            "default-src 'none'; \
             script-src 'self' 'wasm-unsafe-eval' http://localhost:8787 http://localhost:9740; \
             connect-src 'self' http://localhost:8787 ws://localhost:8787 http://localhost:9740; \
             style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
        );
        assert!(frame(Some("https://shop.test"), None).policy().contains("connect-src 'self' https://shop.test wss:"));
    }

    #[test]
    fn without_a_wallet_no_script_is_from_elsewhere() {
        let alone = frame(None, None).paywalled("T", &["/own.js"], "");
        assert!(!alone.contains("://") && alone.contains(r#"src="/.well-known/satstile/widget.js""#), "{alone}");
        let page = frame(Some("http://e.test"), Some("http://w.test")).paywalled("T", &["/own.js"], "");
        let at = |text: &str| page.find(text).unwrap();
        assert!(at(r#"<script defer src="http://w.test/webln.js">"#) < at(r#"src="/own.js""#));
        assert!(at(r#"src="/own.js""#) < at(r#"src="http://e.test/.well-known/satstile/widget.js""#));
        assert!(!frame(None, Some("http://w.test")).page("T", "").contains("<script"));
    }

    #[test]
    fn an_origin_holds_nothing_that_could_mean_more() {
        for good in ["http://localhost:8787", "https://shop.test", "http://[::1]:1", "HTTP://A/"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for odd in ["", "localhost:8787", "ftp://a", "http://", "http://a/b", "http://a b", "http://a;x", "http://\"a"]
        {
            assert!(odd.parse::<Origin>().is_err(), "{odd}");
        }
        assert_eq!(Escaped("<a b=\"c\">&").to_string(), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
