//! What is served where. The prices are in `wrangler.toml`; nothing here knows of them but the words on some links.

use std::net::SocketAddr;

use crate::articles::{self, Article};
use crate::files::{self, File};
use crate::frame::{Frame, Origin};
use crate::http1::{Answer, Reply, Request};
use crate::{demo, faults, seen};

const EVENTS: u32 = 20;
const EVENTS_MAX: u32 = 600;

/// The pages, rendered once.
pub struct Site {
    landing: String,
    demo: String,
    articles: Vec<Article>,
    files: Vec<File>,
    policy: String,
}

impl Site {
    /// With a wallet for pages, and with a blog to link to, if there are any.
    pub fn new(wallet: Option<Origin>, blog: Option<SocketAddr>) -> Self {
        let frame = Frame { stylesheet: "/free/site.css", edge: None, wallet };
        let articles = articles::all(&frame);
        Self {
            landing: articles::landing(&frame, &articles, blog),
            demo: demo::page(&frame),
            articles,
            files: files::all(),
            policy: frame.policy(),
        }
    }

    pub fn answer(&self, request: &Request) -> Answer {
        let path = request.path();
        if let Some(fault) = path.strip_prefix("/api/fault/") {
            return faults::answer(fault, request);
        }
        if ["/api/echo", "/api/v1/openai", "/dear/echo", "/free/echo"].iter().any(|echo| is_at_or_below(path, echo)) {
            return Answer::Reply(Reply::new(200, "application/json", seen::tell(request).to_string()));
        }
        if path.starts_with("/stream/") {
            let asked = request.parameter("n").and_then(|n| n.parse().ok());
            return Answer::Events(asked.unwrap_or(EVENTS).clamp(1, EVENTS_MAX));
        }
        Answer::Reply(self.page(request, path))
    }

    fn page(&self, request: &Request, path: &str) -> Reply {
        if !["GET", "HEAD"].contains(&request.method.as_str()) {
            return Reply::text(405, "only GET and HEAD here\n").with("Allow", "GET, HEAD");
        }
        let article = |number: &str| self.articles.iter().find(|a| a.number == number);
        if path == "/" {
            return self.html(&self.landing);
        }
        if path == "/free/demo" {
            return self.html(&self.demo);
        }
        if let Some(asset) = asset(path) {
            return asset.with("Cache-Control", "no-cache");
        }
        if let Some(file) = self.files.iter().find(|file| file.path == path) {
            return file.answer(request);
        }
        if let Some(found) = path.strip_prefix("/articles/").and_then(article) {
            return match prefers(request.header("accept").unwrap_or_default()) {
                Form::Html => self.html(&found.html),
                Form::Markdown => Reply::new(200, "text/markdown; charset=utf-8", found.markdown),
                Form::Text => Reply::text(200, found.markdown),
            }
            .with("Vary", "Accept");
        }
        if let Some(found) = path.strip_prefix("/free/").and_then(article) {
            return self.html(&found.preview);
        }
        Reply::text(404, "There is nothing here. The list is at /\n")
    }

    fn html(&self, page: &str) -> Reply {
        Reply::new(200, "text/html; charset=utf-8", page).with("Content-Security-Policy", &self.policy)
    }
}

/// What the pages need, outside of the paywall.
fn asset(path: &str) -> Option<Reply> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    Some(match path {
        "/free/site.css" => Reply::new(200, "text/css; charset=utf-8", include_str!("../site/site.css")),
        "/free/icon.svg" => Reply::new(200, "image/svg+xml", include_str!("../site/icon.svg")),
        "/free/modal.js" => Reply::new(200, SCRIPT, demo::MODAL_JS),
        "/free/api.js" => Reply::new(200, SCRIPT, demo::API_JS),
        _ => return None,
    })
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[derive(Debug, PartialEq)]
enum Form {
    Html,
    Markdown,
    Text,
}

/// HTML for who asks for it by name, as browsers do; Markdown for everybody else, who reads it in a terminal
/// or feeds it to a program.
fn prefers(accept: &str) -> Form {
    let weight = |media: &str| {
        let wanted = accept.split(',').map(|part| part.split(';').map(str::trim));
        let mut found = wanted.filter_map(|mut part| {
            let named = part.next().is_some_and(|m| m.eq_ignore_ascii_case(media));
            let q = part.find_map(|p| p.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            named.then(|| q.unwrap_or(0.0))
        });
        found.next().unwrap_or(0.0)
    };
    let (html, markdown, text) = (weight("text/html"), weight("text/markdown"), weight("text/plain"));
    if html > 0.0 && html >= markdown && html >= text {
        Form::Html
    } else if text > markdown {
        Form::Text
    } else {
        Form::Markdown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_get_markdown() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert_eq!(prefers(browser), Form::Html);
        assert_eq!(prefers("*/*"), Form::Markdown);
        assert_eq!(prefers(""), Form::Markdown);
        assert_eq!(prefers("text/plain"), Form::Text);
        assert_eq!(prefers("text/html;q=0.5, text/markdown"), Form::Markdown);
    }

    fn get(site: &Site, target: &str) -> Reply {
        let (method, version) = ("GET".to_owned(), "HTTP/1.1".to_owned());
        let headers = vec![("Accept".to_owned(), "text/html".to_owned())];
        match site.answer(&Request { method, target: target.to_owned(), version, headers, body: Vec::new() }) {
            Answer::Reply(reply) => reply,
            _ => panic!("{target} is a page"),
        }
    }

    #[test]
    fn every_page_keeps_its_own_policy_and_every_part_of_it_is_there() {
        let site = Site::new(None, None);
        for target in ["/", "/free/1", "/free/2", "/free/3", "/free/demo", "/articles/1"] {
            let page = get(&site, target);
            assert_eq!(page.status, 200, "{target}");
            assert!(page.headers.contains(&("Content-Security-Policy", site.policy.clone())), "{target}");
            let page = String::from_utf8(page.body).unwrap();
            assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="), "{target}");
            assert!(page.split("<script").skip(1).all(|script| script.contains("></script>")), "{target}");
            // Links, styles and scripts of this site lead somewhere; the component is the edge's.
            for part in page.split(" href=\"").skip(1).chain(page.split(" src=\"").skip(1)) {
                let part = part.split('"').next().unwrap();
                if !part.starts_with("/.well-known/satstile/") && !part.starts_with("/stream/") {
                    assert_eq!(get(&site, part).status, 200, "{part} on {target}");
                }
            }
        }
        assert_eq!(get(&site, "/free/4").status, 404);
        assert_eq!(get(&site, "/free/api.js/").status, 404);
    }

    #[test]
    fn the_wallet_is_on_pages_with_a_paywall_and_only_when_there_is_one() {
        let text = |site: &Site, target| String::from_utf8(get(site, target).body).unwrap();
        let (without, with) = (Site::new(None, None), Site::new("http://localhost:9740".parse().ok(), None));
        for target in ["/free/1", "/free/demo"] {
            assert!(text(&with, target).contains(r#"<script defer src="http://localhost:9740/webln.js"></script>"#));
            assert!(!text(&without, target).contains("webln") && !text(&without, target).contains("://"));
        }
        assert!(!text(&with, "/articles/1").contains("webln") && !without.policy.contains("9740"));
        let blog = Site::new(None, "127.0.0.1:8790".parse().ok());
        assert!(text(&blog, "/").contains(r#"<a href="http://127.0.0.1:8790/">"#));
        assert!(!text(&without, "/").contains("blog"));
    }

    #[test]
    fn below_is_below_and_not_beside() {
        assert!(is_at_or_below("/api/echo", "/api/echo"));
        assert!(is_at_or_below("/api/echo/a/../b", "/api/echo"));
        assert!(!is_at_or_below("/api/echoes", "/api/echo"));
    }
}
