//! The demo origin, and what it saw.

use std::net::SocketAddr;
use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::process::Process;
use crate::{START_LIMIT, binaries, http};

/// A running demo origin.
pub struct Origin {
    process: Process,
    address: SocketAddr,
    control: SocketAddr,
    blog: Option<SocketAddr>,
}

/// What its pages need beside the paywall, when somebody with a real browser looks at them.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The dev wallet, whose `/webln.js` they load.
    pub wallet_url: String,
    /// Where a friend's blog is to listen.
    pub blog: SocketAddr,
    /// The paywall's public address, for the blog.
    pub edge: String,
}

/// One request as it arrived at the origin, or as an echo route tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `GET`
    pub method: String,
    /// The request target, one `char` for each byte on the wire.
    pub target: String,
    /// In order, names as they were written, duplicates kept.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

impl Seen {
    /// Reads the JSON of `/__seen` and of the echo routes.
    #[track_caller]
    pub fn from_json(json: &Value) -> Self {
        let text = |v: &Value| match v.as_str() {
            Some(s) => s.to_owned(),
            None => panic!("not what an origin tells about a request: {json}"),
        };
        let headers = json["headers"].as_array().into_iter().flatten();
        Self {
            method: text(&json["method"]),
            target: text(&json["target"]),
            headers: headers.map(|h| (text(&h[0]), text(&h[1]))).collect(),
            body: STANDARD.decode(text(&json["body_base64"])).expect("body_base64 is not base64"),
        }
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

impl Origin {
    /// Starts it on ports of its own choice.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// The same, with what its pages need.
    pub fn start_with(pages: Option<&Pages>) -> Self {
        let mut command = Command::new(binaries::workspace_binary("satstile-demo-origin", "SATSTILE_ORIGIN_BIN"));
        command.args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        if let Some(Pages { wallet_url, blog, edge }) = pages {
            command.args(["--wallet-url", wallet_url, "--edge", edge, "--blog", &blog.to_string()]);
        }
        let mut process = Process::spawn("satstile-demo-origin", &mut command);
        let (address, control) = process.wait_for("to listen", START_LIMIT, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let at = |key: &str| event[key].as_str()?.parse().ok();
            (event["event"] == "listening").then_some((at("origin")?, at("control")?))
        });
        Self { process, address, control, blog: pages.map(|pages| pages.blog) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL, as the policy's `origin` wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Base URL of the friend's blog.
    #[track_caller]
    pub fn blog_url(&self) -> String {
        format!("http://{}", self.blog.expect("this origin was started without a blog"))
    }

    /// The process, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The last 1,000 requests, newest last. Asking is not seen.
    #[track_caller]
    pub fn seen(&self) -> Vec<Seen> {
        let reply = http::get(&format!("http://{}/__seen", self.control), &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json().as_array().into_iter().flatten().map(Seen::from_json).collect()
    }

    /// Forgets them.
    #[track_caller]
    pub fn clear(&self) {
        let reply = http::send("DELETE", &format!("http://{}/__seen", self.control), &[], b"");
        assert_eq!(reply.status, 204, "{}", reply.text());
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
