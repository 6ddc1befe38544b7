//! The articles: Markdown files in, HTML out. No script but on a preview, where the paywall is part of the page.

use std::net::SocketAddr;

use pulldown_cmark::{Parser, html::push_html};

use crate::frame::Frame;

/// One article in its forms.
pub struct Article {
    pub number: &'static str,
    pub markdown: &'static str,
    pub html: String,
    /// The first paragraph and the paywall, for `/free/N`.
    pub preview: String,
    title: &'static str,
    opening: &'static str,
}

/// All of them.
pub fn all(frame: &Frame) -> Vec<Article> {
    let files = [
        ("1", include_str!("../articles/1.md")),
        ("2", include_str!("../articles/2.md")),
        ("3", include_str!("../articles/3.md")),
    ];
    files.into_iter().map(|(number, markdown)| article(frame, number, markdown)).collect()
}

fn article(frame: &Frame, number: &'static str, markdown: &'static str) -> Article {
    let (heading, body) = markdown.split_once("\n\n").unwrap_or((markdown, ""));
    let title = heading.trim_start_matches("# ");
    let opening = body.split("\n\n").next().unwrap_or_default();
    let back = r#"<p class="nav"><a href="/">All articles</a></p>"#;
    let html = frame.page(title, &format!("<body>\n<article>{}</article>{back}\n</body>", render(markdown)));
    let preview = format!(
        r#"<body>
<article class="teaser">{teaser}</article>
<satstile-paywall src="/articles/{number}" mode="inline">
  <a href="/articles/{number}">Read the article for 21 sats</a>
</satstile-paywall>
{back}
</body>"#,
        teaser = render(&format!("# {title}\n\n{opening}")),
    );
    let preview = frame.paywalled(title, &[], &preview);
    Article { number, markdown, html, preview, title, opening }
}

/// `/`: what there is, and where.
pub fn landing(frame: &Frame, articles: &[Article], blog: Option<SocketAddr>) -> String {
    let list: String = articles
        .iter()
        .map(|a| {
            let (n, title, opening) = (a.number, a.title, render(a.opening));
            format!(r#"<section><h2><a href="/articles/{n}">{title}</a></h2>{opening}<p class="nav"><a href="/free/{n}">Preview, with the paywall in it</a></p></section>
"#)
        })
        .collect();
    let blog = blog.map_or(String::new(), |address| {
        format!(
            "\n<li><a href=\"http://{address}/\">A friend’s blog</a>: the second article, sold on another site</li>"
        )
    });
    let body = format!(
        r#"<body>
<h1>The Turnstile Review</h1>
<p>Three short pieces on how the web can be paid for. This page is free; an article costs a few sats, once, and is
then yours for an hour. There is no account.</p>
{list}<section><h2>The paywall inside a page</h2>
<ul>
<li><a href="/free/1">Where an article breaks off</a>: pay in the page, and the rest opens</li>
<li><a href="/free/demo">A button, a window, a call to an API</a>: each with the HTML that makes it</li>{blog}
</ul></section>
<section><h2>For programs</h2>
<ul>
<li><a href="/api/echo"><code>/api/echo</code></a> tells your request back as JSON; <code>/dear/echo</code> does the same for more, <a href="/free/echo"><code>/free/echo</code></a> for nothing</li>
<li><a href="/dear/field-notes.pdf"><code>/dear/field-notes.pdf</code></a> and <a href="/dear/turnstile.svg"><code>/dear/turnstile.svg</code></a> are files; they know byte ranges</li>
<li><a href="/stream/demo"><code>/stream/demo</code></a> sends twenty events, one each 100 ms; <code>?n=</code> up to 600</li>
</ul></section>
</body>"#
    );
    frame.page("The Turnstile Review", &body)
}

fn render(markdown: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, Parser::new(markdown));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_article_is_worth_reading_and_asks_for_nothing_from_elsewhere() {
        for article in all(&Frame { stylesheet: "/free/site.css", edge: None, wallet: None }) {
            let words = article.markdown.split_whitespace().count();
            assert!((350..500).contains(&words), "article {} has {words} words", article.number);
            assert!(article.html.contains(&format!("<h1>{}</h1>", article.title)));
            assert!(!article.html.contains("<script") && !article.html.contains("src="));
            assert!(!article.preview.contains(article.markdown.trim().rsplit("\n\n").next().unwrap()));
            let link = format!("<a href=\"/articles/{}\">", article.number);
            assert!(article.preview.contains(&link) && article.preview.contains("<satstile-paywall "));
        }
    }
}
