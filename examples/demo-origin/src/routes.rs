//! What is served where. The prices are in `wrangler.toml`; nothing here knows of them.

use crate::articles::{self, Article};
use crate::http1::{Answer, Reply, Request};
use crate::{faults, seen};

const EVENTS: u32 = 20;
const EVENTS_MAX: u32 = 600;

/// The pages, rendered once.
pub struct Site {
    landing: String,
    articles: Vec<Article>,
}

impl Site {
    pub fn new() -> Self {
        let articles = articles::all();
        Self { landing: articles::landing(&articles), articles }
    }

    pub fn answer(&self, request: &Request) -> Answer {
        let path = request.path();
        if let Some(fault) = path.strip_prefix("/api/fault/") {
            return faults::answer(fault, request);
        }
        if ["/api/echo", "/dear/echo", "/free/echo"].iter().any(|echo| is_at_or_below(path, echo)) {
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
            return html(&self.landing);
        }
        if let Some(found) = path.strip_prefix("/articles/").and_then(article) {
            return match prefers(request.header("accept").unwrap_or_default()) {
                Form::Html => html(&found.html),
                Form::Markdown => Reply::new(200, "text/markdown; charset=utf-8", found.markdown),
                Form::Text => Reply::text(200, found.markdown),
            }
            .with("Vary", "Accept");
        }
        if let Some(found) = path.strip_prefix("/free/").and_then(article) {
            return html(&found.preview);
        }
        Reply::text(404, "There is nothing here. The list is at /\n")
    }
}

fn html(page: &str) -> Reply {
    Reply::new(200, "text/html; charset=utf-8", page)
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

    #[test]
    fn below_is_below_and_not_beside() {
        assert!(is_at_or_below("/api/echo", "/api/echo"));
        assert!(is_at_or_below("/api/echo/a/../b", "/api/echo"));
        assert!(!is_at_or_below("/api/echoes", "/api/echo"));
    }
}
