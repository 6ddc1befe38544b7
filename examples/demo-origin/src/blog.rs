//! A friend's blog, on an origin of its own: what it takes to sell an article of ours on somebody else's page.

use crate::frame::{Frame, Origin};
use crate::http1::{Answer, Reply, Request};

/// The site, rendered once.
pub struct Blog {
    page: String,
    policy: String,
}

impl Blog {
    pub fn new(edge: Origin, wallet: Option<Origin>) -> Self {
        let frame = Frame { stylesheet: "/blog.css", edge: Some(edge.clone()), wallet };
        let body = format!(
            r#"<body>
<header>Notes from the ferry</header>
<main>
<h1>Something I paid for, and did not regret</h1>
<p><time datetime="2026-03-14">14 March 2026</time></p>
<p>The crossing takes forty minutes, and for years I have spent them reading things that were free and worth it only in
that sense. Last week somebody sent me a piece on the oddest number in HTTP, the one that was reserved for money and
then never used. It asked for 21 sats. I had the coffee in one hand and the phone in the other, and it was open before
the ramp was up.</p>
<blockquote>In the first drafts of HTTP, among codes for pages that had moved and pages that were gone, somebody left
room for money.</blockquote>
<p>It is from <a href="{edge}/">The Turnstile Review</a>, who let me put the whole of it here. You pay them, not me, and
you do not have to leave the page.</p>
<satstile-paywall src="{edge}/articles/2" mode="inline" remember="session">
  <a href="{edge}/articles/2">Read “The status code that waited” for 21 sats</a>
</satstile-paywall>
<article id="article" aria-live="polite"></article>
</main>
<footer>Written by a passenger. No comments, but the bench at the stern is usually free.</footer>
</body>"#
        );
        Self { page: frame.paywalled("Notes from the ferry", &["/blog.js"], &body), policy: frame.policy() }
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that `serve` wants
    pub fn answer(&self, request: Request) -> Answer {
        if !["GET", "HEAD"].contains(&request.method.as_str()) {
            return Answer::Reply(Reply::text(405, "only GET and HEAD here\n").with("Allow", "GET, HEAD"));
        }
        Answer::Reply(match request.path() {
            "/" => Reply::new(200, "text/html; charset=utf-8", self.page.as_str())
                .with("Content-Security-Policy", &self.policy),
            "/blog.css" => asset("text/css; charset=utf-8", include_str!("../site/blog.css")),
            "/blog.js" => asset("text/javascript; charset=utf-8", include_str!("../site/blog.js")),
            "/free/icon.svg" => asset("image/svg+xml", include_str!("../site/icon.svg")),
            _ => Reply::text(404, "There is nothing here but /\n"),
        })
    }
}

fn asset(content_type: &str, body: &str) -> Reply {
    Reply::new(200, content_type, body).with("Cache-Control", "no-cache")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blog_embeds_the_other_site_and_allows_nobody_else() {
        let edge = "http://localhost:8787";
        let blog = Blog::new(edge.parse().unwrap(), None);
        assert!(blog.page.contains(r#"<satstile-paywall src="http://localhost:8787/articles/2""#));
        assert!(blog.page.contains(r#"<a href="http://localhost:8787/articles/2">"#), "without JavaScript too");
        let elsewhere = |text: &str| text.split("://").count() - 1;
        assert_eq!(elsewhere(&blog.page), blog.page.matches(edge).count());
        assert_eq!(elsewhere(&blog.policy), 3, "scripts, connections, sockets: {}", blog.policy);
        assert!(!blog.page.contains("style=") && !blog.page.contains("<style"));
        // What the edge sends never becomes markup of this page.
        let script = include_str!("../site/blog.js");
        assert!(script.contains("textContent") && !script.contains("innerHTML") && !script.contains("insertAdjacent"));
    }
}
