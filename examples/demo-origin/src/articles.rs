//! The pages: Markdown files in, HTML out. No script, nothing from elsewhere.

use pulldown_cmark::{Parser, html::push_html};

/// One article in its forms.
pub struct Article {
    pub number: &'static str,
    pub markdown: &'static str,
    pub html: String,
    /// The first paragraph, for `/free/N`.
    pub preview: String,
    title: &'static str,
    opening: &'static str,
}

/// All of them.
pub fn all() -> Vec<Article> {
    let files = [
        ("1", include_str!("../articles/1.md")),
        ("2", include_str!("../articles/2.md")),
        ("3", include_str!("../articles/3.md")),
    ];
    files.into_iter().map(|(number, markdown)| article(number, markdown)).collect()
}

fn article(number: &'static str, markdown: &'static str) -> Article {
    let (heading, body) = markdown.split_once("\n\n").unwrap_or((markdown, ""));
    let title = heading.trim_start_matches("# ");
    let opening = body.split("\n\n").next().unwrap_or_default();
    let back = r#"<p class="nav"><a href="/">All articles</a></p>"#;
    let html = page(title, &format!("<article>{}</article>{back}", render(markdown)));
    let more = format!(r#"<p class="nav"><a href="/articles/{number}">Read on</a> · <a href="/">All articles</a></p>"#);
    let preview = page(title, &format!("<article>{}</article>{more}", render(&format!("# {title}\n\n{opening}"))));
    Article { number, markdown, html, preview, title, opening }
}

/// `/`: what there is, and where.
pub fn landing(articles: &[Article]) -> String {
    let list: String = articles
        .iter()
        .map(|a| {
            let (n, title, opening) = (a.number, a.title, render(a.opening));
            format!(r#"<section><h2><a href="/articles/{n}">{title}</a></h2>{opening}<p class="nav"><a href="/free/{n}">Free preview</a></p></section>"#)
        })
        .collect();
    page(
        "The Turnstile Review",
        &format!(
            r#"<h1>The Turnstile Review</h1>
<p>Three short pieces on how the web can be paid for. This page is free; an article costs a few sats, once, and is
then yours for an hour. There is no account.</p>
{list}
<section><h2>For programs</h2>
<ul>
<li><a href="/api/echo"><code>/api/echo</code></a> tells your request back as JSON; <code>/dear/echo</code> does the same for more, <a href="/free/echo"><code>/free/echo</code></a> for nothing</li>
<li><a href="/stream/demo"><code>/stream/demo</code></a> sends twenty events, one each 100 ms; <code>?n=</code> up to 600</li>
</ul></section>"#
        ),
    )
}

fn render(markdown: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, Parser::new(markdown));
    html
}

fn page(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"#
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2328;--soft:#5a6470;--paper:#fdfcf9;--accent:#a34a00}
@media(prefers-color-scheme:dark){:root{--ink:#e4e2dd;--soft:#a19d95;--paper:#17181a;--accent:#f0a35e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:34rem;padding:clamp(1.5rem,6vw,4rem) 1.25rem;background:var(--paper);color:var(--ink);\
font:1.125rem/1.65 Charter,'Bitstream Charter','Iowan Old Style',Georgia,serif;text-wrap:pretty;hyphens:auto;overflow-wrap:break-word}
h1,h2{line-height:1.2;text-wrap:balance;hyphens:none}
h1{font-size:clamp(1.75rem,6vw,2.4rem);margin:0 0 1.2em}
h2{font-size:1.3rem;margin:2.2em 0 .5em}
p{margin:0 0 1.1em}
a{color:var(--accent);text-underline-offset:.15em}
code{font:.85em ui-monospace,'SF Mono',Menlo,Consolas,monospace}
li{margin-bottom:.5em}
.nav{color:var(--soft);font-size:.95rem}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_article_is_worth_reading_and_asks_for_nothing_from_elsewhere() {
        for article in all() {
            let words = article.markdown.split_whitespace().count();
            assert!((350..500).contains(&words), "article {} has {words} words", article.number);
            assert!(article.html.contains(&format!("<h1>{}</h1>", article.title)));
            assert!(!article.html.contains("<script") && !article.html.contains("src="));
            assert!(!article.preview.contains(article.markdown.trim().rsplit("\n\n").next().unwrap()));
        }
    }
}
