//! The reverse proxies of `examples/self-hosting/`, as they are shipped, before the worker: what a client that leaves
//! in the middle pays there. Addresses are changed, and plain http stands where the certificate would be.

mod common;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use common::bank::{account_of, balance, funded, settled_balance, sound};
use common::deposits::{Bearer, DEPOSIT, UNIT, desk_before, left};
use common::server::{Heard, Server};
use common::stream::{EVENTS, begin, chunk, end, read_until};
use common::{API, Offer, after_the_409s, buy, get_with, plenty, seen};
use satstile_tests::raw::Connection;
use satstile_tests::{Process, START_LIMIT, Stack, free_port, loopback};
use serde_json::json;
use tempfile::TempDir;

/// What each story fills in, in sats.
const FILLED: u64 = 1_000;
/// The most that one use costs in these stories, in msat.
const CEILING: u64 = 40_000;

/// A proxy before a worker.
struct Proxy {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

/// A shipped file with these changes. Each of them must still find what it changes.
fn changed(file: &str, changes: &[(&str, String)]) -> String {
    let path = format!("{}/../examples/self-hosting/{file}", env!("CARGO_MANIFEST_DIR"));
    changes.iter().fold(fs::read_to_string(path).unwrap(), |text, (from, to)| {
        assert!(text.contains(from), "{file} has no {from:?} any more");
        text.replace(from, to)
    })
}

impl Proxy {
    fn nginx(stack: &Stack) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let server = changed(
            "nginx.conf",
            &[
                ("127.0.0.1:8787", stack.workerd.address().to_string()),
                ("listen 443 ssl;", format!("listen 127.0.0.1:{port};")),
                ("listen [::]:443 ssl;", String::new()),
                // The other one only leads here.
                ("listen 80;", format!("listen 127.0.0.1:{};", free_port())),
                ("listen [::]:80;", String::new()),
                ("ssl_certificate ", "# ".to_owned()),
                ("ssl_certificate_key ", "# ".to_owned()),
                ("example.com", "localhost".to_owned()),
            ],
        );
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {};\n", folder.path().join(kind).display()))
            .collect();
        let pid = folder.path().join("pid");
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}{server}}}\n",
            pid.display()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, whole).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(file).args(["-e", "stderr"]);
        Self::start("nginx", &mut command, folder, port)
    }

    fn caddy(stack: &Stack) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let site = changed(
            "Caddyfile",
            &[
                ("127.0.0.1:8787", stack.workerd.address().to_string()),
                ("example.com {", format!("http://localhost:{port} {{\n\tbind 127.0.0.1")),
            ],
        );
        let file = folder.path().join("Caddyfile");
        fs::write(&file, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}")).unwrap();
        let mut command = Command::new("/usr/bin/caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        command.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        Self::start("caddy", &mut command, folder, port)
    }

    fn start(name: &str, command: &mut Command, folder: TempDir, port: u16) -> Self {
        let mut process = Process::spawn(name, command);
        process.wait_for_listener(loopback(port), START_LIMIT);
        Self { address: loopback(port), _process: process, _folder: folder }
    }

    /// A use that is sent through it, so that its client can leave when it likes.
    fn call(&self, method: &str, path: &str, authorization: &str) -> Connection {
        let mut client = Connection::open(self.address).unwrap();
        let body = if method == "POST" { "Content-Length: 2\r\n\r\n{}" } else { "\r\n" };
        let host = format!("localhost:{}", self.address.port());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n{body}");
        client.send(head.as_bytes()).unwrap();
        client
    }
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    Never,
    /// Before the first byte of the stream.
    AtOnce,
    /// With all in hand that was sent.
    Quietly,
    /// With something unread, so that its own connection is reset.
    Abruptly,
}

/// A stream that says 700 and, much later, 30000. The target says what comes before either.
fn told(heard: &Heard, stream: &mut TcpStream) -> io::Result<()> {
    begin(stream, &[EVENTS])?;
    if heard.target.contains("late") {
        pause(600);
    }
    chunk(stream, "data: a\n\n: satstile-cost-msat=700\n\n")?;
    chunk(stream, "data: enough\n\n")?;
    pause(100);
    chunk(stream, "data: more\n\n")?;
    pause(500);
    if heard.target.contains("void") {
        chunk(stream, "data: into the void\n\n")?;
        pause(300);
    }
    chunk(stream, "data: b\n\n: satstile-cost-msat=30000\n\n")?;
    pause(300);
    end(stream)
}

/// In front of that origin, with metered uses of `api`.
fn metered(origin: &Server) -> Stack {
    let policy = json!({"origin": origin.url(), "services": {"api": {"ceiling_msat": CEILING}}});
    Stack::start(plenty(policy))
}

/// B13, T80: a proxy closes its connection to the worker as soon as its client has left, and the worker learns of it when
/// it sends something there. So the first piece after that counts as sent, and nothing that comes later.
fn a_client_that_leaves(start: impl Fn(&Stack) -> Proxy) {
    let origin = Server::start(told);
    let stack = metered(&origin);
    let proxy = start(&stack);
    for (method, path, leaves, costs) in [
        ("GET", "/api/stream", Leaves::Never, 30_000..=30_000),
        ("GET", "/api/void", Leaves::Quietly, 700..=700),
        ("GET", "/api/void", Leaves::Abruptly, 700..=700),
        ("POST", "/api/void", Leaves::Quietly, 700..=700),
        ("POST", "/api/void", Leaves::Abruptly, 700..=700),
        ("GET", "/api/late", Leaves::AtOnce, 0..=700),
        ("POST", "/api/late", Leaves::AtOnce, 0..=700),
        // The piece that says 30000 is the first one after the client has left: less would be better, and more is wrong.
        ("GET", "/api/stream", Leaves::Quietly, 700..=30_000),
        ("GET", "/api/stream", Leaves::Abruptly, 700..=30_000),
    ] {
        let token = funded(&stack, FILLED);
        let mut client = proxy.call(method, path, &format!("Bearer {token}"));
        match leaves {
            Leaves::Never => {
                let answer = client.response(true).unwrap();
                assert_eq!((answer.status, answer.complete), (200, true));
            }
            Leaves::AtOnce => {
                pause(250);
                assert_eq!(balance(&stack, &token).1, CEILING, "the use is under way");
            }
            Leaves::Quietly => {
                assert_eq!(client.head(true).unwrap().status, 200);
                read_until(&mut client, &mut String::new(), "more");
            }
            Leaves::Abruptly => {
                assert_eq!(client.head(true).unwrap().status, 200);
                read_until(&mut client, &mut String::new(), "enough");
                pause(250);
            }
        }
        drop(client);
        let charged = FILLED * 1_000 - settled_balance(&stack, &token);
        assert!(costs.contains(&charged), "{method} {path} {leaves:?}: {charged}, not {costs:?}");
        sound(&stack, &account_of(&token));
    }
}

/// B13, T80: a session whose client leaves its stream pays for what went out until then, and is free again.
fn a_session_that_leaves(start: impl Fn(&Stack) -> Proxy) {
    let origin = Server::start(|_, stream| {
        begin(stream, &[EVENTS])?;
        for number in 0..1_000 {
            chunk(stream, &format!("data: {number}\n\n"))?;
            pause(50);
        }
        end(stream)
    });
    let stack = desk_before(&origin);
    let proxy = start(&stack);
    let bearer = Bearer::paying(&stack, API, "back");
    let mut client = proxy.call("GET", API, &bearer.open());
    assert_eq!(client.head(true).unwrap().status, 200);
    read_until(&mut client, &mut String::new(), "data: 2\n");
    drop(client);
    let spent = (DEPOSIT - left(&stack, bearer.id())) / UNIT;
    assert!((3..=8).contains(&spent), "three were read, and some more may have been on their way: {spent}");
    let closed = get_with(&stack, API, &bearer.close());
    assert_eq!((closed.status, &closed.json()["refundStatus"]), (200, &json!("succeeded")));
}

/// B13, T80: a payment whose client leaves in the middle has had its delivery, and is not locked for ever.
fn a_delivery_that_is_left(start: impl Fn(&Stack) -> Proxy) {
    let stack = Stack::start(plenty(json!({})));
    let proxy = start(&stack);
    let ticket = buy(&stack, "/stream/1");
    let mut client = proxy.call("GET", "/stream/1?n=600", &ticket.payment());
    assert_eq!(client.head(true).unwrap().status, 200);
    client.part().unwrap().unwrap();
    drop(client);
    Offer::read(after_the_409s(&stack, "/stream/1?n=1", &ticket.payment()));
    assert_eq!(seen(&stack), ["/stream/1?n=600"]);
}

/// B13: what makes a proxy notice who leaves does not make it hold back what is no stream of events, either.
fn nothing_is_held_back(start: impl Fn(&Stack) -> Proxy) {
    let origin = Server::start(|_, stream| {
        begin(stream, &[("Content-Type", "text/plain")])?;
        chunk(stream, "first")?;
        pause(1_500);
        chunk(stream, "last")?;
        end(stream)
    });
    let stack = metered(&origin);
    let token = funded(&stack, FILLED);
    let proxy = start(&stack);
    let mut client = proxy.call("GET", "/api/plain", &format!("Bearer {token}"));
    client.head(true).unwrap();
    let mut text = String::new();
    read_until(&mut client, &mut text, "first");
    let came = Instant::now();
    read_until(&mut client, &mut text, "last");
    assert!(came.elapsed() > Duration::from_secs(1), "the first piece waited for the last one");
    assert_eq!(text, "firstlast");
}

#[test]
#[ignore = "needs Debian's nginx-light: cargo xtask test proxies --install"]
fn behind_nginx_a_client_that_leaves_pays_for_one_piece_more_at_most_b13() {
    a_client_that_leaves(Proxy::nginx);
}

#[test]
#[ignore = "needs Debian's caddy: cargo xtask test proxies --install"]
fn behind_caddy_a_client_that_leaves_pays_for_one_piece_more_at_most_b13() {
    a_client_that_leaves(Proxy::caddy);
}

#[test]
#[ignore = "needs Debian's nginx-light: cargo xtask test proxies --install"]
fn nginx_holds_nothing_back_b13() {
    nothing_is_held_back(Proxy::nginx);
}

#[test]
#[ignore = "needs Debian's caddy: cargo xtask test proxies --install"]
fn caddy_holds_nothing_back_b13() {
    nothing_is_held_back(Proxy::caddy);
}

#[test]
#[ignore = "needs Debian's nginx-light: cargo xtask test proxies --install"]
fn behind_nginx_sessions_and_payments_end_with_their_client_b13() {
    a_session_that_leaves(Proxy::nginx);
    a_delivery_that_is_left(Proxy::nginx);
}

#[test]
#[ignore = "needs Debian's caddy: cargo xtask test proxies --install"]
fn behind_caddy_sessions_and_payments_end_with_their_client_b13() {
    a_session_that_leaves(Proxy::caddy);
    a_delivery_that_is_left(Proxy::caddy);
}
