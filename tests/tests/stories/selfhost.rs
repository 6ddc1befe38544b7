//! Self-hosting: `examples/self-hosting/` as it is shipped, in a real workerd. Only addresses are changed, as the
//! command line of workerd can, and the policy is that of the story where it says so.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use satstile_tests::{Node, Origin, Process, START_LIMIT, Secrets, binaries, free_port, loopback, merge, raw};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::server::{self, Server};
use crate::common::{Offer, first_break};

const PAGE: &str = "/articles/1";

/// An operator's machine: the shipped folder with the built worker in it, a node webhook, and an origin.
struct Machine {
    workerd: Process,
    node: Node,
    origin: Origin,
    port: u16,
    _folder: TempDir,
}

/// What differs from what is shipped.
struct Changes {
    /// Laid over `policy.json`.
    policy: Value,
    /// Parts of `workerd.capnp`, and what stands there instead.
    config: &'static [(&'static str, &'static str)],
    secrets: Secrets,
    /// Who answers in the place of the public network, for what strangers' addresses lead to.
    lnurl: Option<SocketAddr>,
    /// Whether the node pays out.
    payouts: bool,
}

impl Changes {
    fn policy(policy: Value) -> Self {
        Self { policy, config: &[], secrets: Secrets::random(), lnurl: None, payouts: false }
    }

    /// The dev node signs regtest invoices only; loopback names are served there besides those of the file.
    fn regtest() -> Self {
        Self::policy(json!({"network": "regtest"}))
    }
}

impl Machine {
    fn start(changes: Changes) -> Self {
        let Changes { policy, config, secrets, lnurl, payouts } = changes;
        let port = free_port();
        let worker_url = format!("http://{}", loopback(port));
        let node = if payouts {
            Node::start_paying("", "", &worker_url, [&secrets.relay_secrets, &secrets.payout_secrets])
        } else {
            Node::start(&worker_url, &secrets.relay_secrets)
        };
        let origin = Origin::start();
        let folder = binaries::private_directory("satstile-selfhost-");
        install(folder.path(), &policy, config);

        let mut command = Command::new(binaries::workerd());
        command.args(["serve", "--verbose", "--control-fd=1", "workerd.capnp"]);
        command.args(["--socket-addr", &format!("http={}", loopback(port))]);
        command.args(["--external-addr", &format!("origin={}", origin.address())]);
        command.args(["--external-addr", &format!("node={}", node.url().trim_start_matches("http://"))]);
        command.args(["--directory-path", &format!("objects={}", folder.path().join("objects").display())]);
        if let Some(address) = lnurl {
            command.args(["--external-addr", &format!("lnurl={address}")]);
        }
        command.current_dir(folder.path()).env_remove("PWD").env_remove("PAYOUT_SECRETS");
        if payouts {
            command.env("PAYOUT_SECRETS", &secrets.payout_secrets);
        }
        for (name, value) in secrets.bindings() {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        let mut workerd = Process::spawn("workerd", &mut command);
        workerd.wait_for("to listen", START_LIMIT, |line| line.contains(r#""event":"listen""#).then_some(()));
        Self { workerd, node, origin, port, _folder: folder }
    }

    /// A request as the proxy before workerd hands it on.
    fn get(&self, path: &str, client: &str, headers: &str) -> raw::Response {
        let head = format!("Host: example.com\r\nX-Forwarded-For: {client}\r\nX-Forwarded-Proto: https\r\n{headers}");
        self.send(&format!("GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n"))
    }

    fn post(&self, path: &str, headers: &str, body: &Value) -> raw::Response {
        let body = body.to_string();
        let head = "Host: example.com\r\nX-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: https\r\n";
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n{headers}", body.len());
        self.send(&format!("POST {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n{body}"))
    }

    fn send(&self, text: &str) -> raw::Response {
        raw::request(loopback(self.port), text.as_bytes())
    }

    fn seen(&self) -> Vec<String> {
        self.origin.seen().into_iter().map(|seen| seen.target).collect()
    }

    fn is_whole(&self) {
        let broken = first_break(&self.workerd.log());
        assert!(broken.is_none(), "the worker broke: {}", broken.unwrap_or_default());
    }
}

/// As the book says: the shipped folder, the built worker in `worker/`, and a policy.
fn install(folder: &Path, policy_patch: &Value, config: &[(&str, &str)]) {
    let shipped = binaries::root().join("examples/self-hosting");
    for name in ["workerd.capnp", "egress.js", "policy.json"] {
        fs::copy(shipped.join(name), folder.join(name)).unwrap_or_else(|e| panic!("cannot copy {name}: {e}"));
    }
    symlink(binaries::worker_directory(), folder.join("worker")).expect("cannot link the worker");
    fs::create_dir(folder.join("objects")).expect("cannot make the folder of the objects");

    let file = folder.join("policy.json");
    let mut policy: Value = serde_json::from_str(&fs::read_to_string(&file).expect("it is there")).expect("JSON");
    merge(&mut policy, policy_patch);
    fs::write(&file, policy.to_string()).expect("cannot write policy.json");

    let file = folder.join("workerd.capnp");
    let mut text = fs::read_to_string(&file).expect("it is there");
    for (part, instead) in config {
        assert_eq!(text.matches(part).count(), 1, "workerd.capnp does not say `{part}` once");
        text = text.replace(part, instead);
    }
    fs::write(&file, text).expect("cannot write workerd.capnp");
}

/// From zero to the first paid request, with the origin and the node webhook behind the doors of the configuration.
#[test]
fn the_shipped_configuration_sells_an_article() {
    let machine = Machine::start(Changes::regtest());
    let offer = Offer::read(machine.get(PAGE, "203.0.113.1", ""));
    assert_eq!(machine.seen(), [""; 0]);

    let ticket = offer.pay(&machine.node);
    let paid = machine.get(PAGE, "203.0.113.1", &format!("Authorization: {}\r\n", ticket.l402()));
    assert_eq!(paid.status, 200, "{}", paid.text());
    assert!(paid.text().starts_with("# A payment that travels"), "{}", paid.text());
    let seen = machine.origin.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].header("host"), seen[0].header("authorization")), (Some("origin.example.com"), None));

    // One digit of the preimage is another.
    let last = if ticket.preimage.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &ticket.l402()[..ticket.l402().len() - 1]);
    assert_ne!(machine.get(PAGE, "203.0.113.1", &format!("Authorization: {wrong}\r\n")).status, 200);
    assert_eq!(machine.seen(), [PAGE]);
    machine.is_whole();
}

/// The policy that is shipped is taken as it is, and what it makes free is free; nothing is sold for regtest money.
#[test]
fn the_shipped_policy_is_ready_and_takes_no_play_money() {
    let machine = Machine::start(Changes::policy(json!({})));
    let health = machine.get("/.well-known/satstile/health", "203.0.113.1", "");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")), "{}", health.text());
    machine.get("/", "203.0.113.1", "");
    assert_eq!(machine.seen(), ["/"]);

    let refused = machine.get(PAGE, "203.0.113.1", "");
    assert!((500..600).contains(&refused.status), "{}", refused.text());
    assert_eq!(refused.header("www-authenticate"), None);
    // Another site's name is nobody's here.
    assert_eq!(machine.send("GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").status, 421);
    assert_eq!(machine.seen(), ["/"]);
    machine.is_whole();
}

/// T127: a secret that is not in the environment is missing, not empty: what is sold is shut.
#[test]
fn without_a_secret_nothing_is_sold_and_nothing_is_given_away() {
    let secrets = Secrets { master_keys: String::new(), ..Secrets::random() };
    let machine = Machine::start(Changes { secrets, ..Changes::regtest() });
    let refused = machine.get(PAGE, "203.0.113.1", "");
    assert_eq!((refused.status, refused.header("www-authenticate")), (503, None), "{}", refused.text());
    assert_eq!(machine.get("/.well-known/satstile/health", "203.0.113.1", "").json()["status"], "not-ready");
    assert!(machine.workerd.log().iter().any(|line| line.contains("MASTER_KEYS")), "{:?}", machine.workerd.log());
    assert_eq!(machine.seen(), [""; 0]);
    machine.is_whole();
}

/// T47, C13: the proxy appends the address that it saw. Each has a budget; what a client writes before it changes nothing.
#[test]
fn budgets_are_by_the_address_that_the_proxy_saw() {
    let budgets = json!({"network": "regtest", "budgets": {"per_client_per_min": 1}});
    let machine = Machine::start(Changes::policy(budgets));
    assert_eq!(machine.get(PAGE, "203.0.113.1", "").status, 402);
    assert_eq!(machine.get(PAGE, "203.0.113.1", "").status, 429);
    assert_eq!(machine.get(PAGE, "198.51.100.7, 203.0.113.1", "").status, 429);
    assert_eq!(machine.get(PAGE, "203.0.113.1, 198.51.100.7", "").status, 402);
    machine.is_whole();
}

/// The way out of the worker with a socket before it: what is asked there is what the worker would ask for.
const WAY_OUT: (&str, &str) = (r#"service = "satstile","#, r#"service = "egress","#);

/// T125: but for its two doors the worker reaches the public network only. The origin stands on this machine, and its
/// door is the only way to it.
#[test]
fn what_is_on_the_machine_is_out_of_reach() {
    let machine = Machine::start(Changes { config: &[WAY_OUT], ..Changes::regtest() });
    let ask = |scheme: &str, host: &str| {
        let head = format!("Host: {host}\r\nX-Forwarded-Proto: {scheme}\r\nConnection: close\r\n\r\n");
        machine.send(&format!("GET /free/1 HTTP/1.1\r\n{head}")).status
    };
    let address = machine.origin.address().to_string();
    for host in [&address, &address.replace("127.0.0.1", "localhost"), "10.0.0.1", "[::1]"] {
        assert!(ask("http", host) >= 500, "{host}");
    }
    // The same name, by plain http, is not the origin of the policy.
    assert!(ask("http", "origin.example.com") >= 500);
    assert_eq!(machine.seen(), [""; 0]);

    assert_eq!(ask("https", "origin.example.com"), 200);
    assert_eq!(machine.seen(), ["/free/1"]);
}

/// With `local` allowed the same request arrives: it is that line which keeps the machine out of reach (T125).
#[test]
fn one_word_more_and_the_machine_would_be_in_reach() {
    let config = &[WAY_OUT, (r#"allow = ["public"]"#, r#"allow = ["local"]"#)];
    let machine = Machine::start(Changes { config, ..Changes::regtest() });
    let request = format!("GET /free/1 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", machine.origin.address());
    assert_eq!(machine.send(&request).status, 200);
    assert_eq!(machine.seen(), ["/free/1"]);
}

/// What strangers' addresses lead to, answered by the story instead of the public network.
const OUTSIDE: (&str, &str) = (
    r#"network = (deny = ["local", "private"], tlsOptions = (trustBrowserCas = true))"#,
    r#"external = (address = "127.0.0.1:1", http = ())"#,
);

/// A1, T97: a stranger's Lightning address whose service names the origin, the node webhook or this very site, as its
/// callback or by a redirect. All of them have doors here, and none is opened; what is outside is asked as ever. One
/// sentence for all of it, so nothing tells the one from the other.
#[test]
fn a_strangers_address_leads_to_no_door_of_this_machine_a1() {
    let closed = [
        "https://origin.example.com/articles/1",
        "https://ORIGIN.example.com:443/articles/1",
        "https://a.origin.example.com/",
        "https://node.example.com/relay",
        "https://example.com/",
        "https://www.example.com/",
        "https://db.corp.test/",
        "https://corp.test/",
        "https://10.0.0.1/",
    ];
    let outside = Server::start(move |heard, stream| {
        let json = |callback: &str| {
            json!({"tag": "payRequest", "callback": callback, "minSendable": 1_000, "maxSendable": 1_000_000_000,
                "metadata": "[[\"text/plain\",\"a\"]]"})
            .to_string()
        };
        let user = heard.target.rsplit('/').next().unwrap_or_default().to_owned();
        let to = |number: &str| closed[number.parse::<usize>().unwrap()];
        match user.split_at(user.len().min(1)) {
            ("c", number) => server::reply(stream, 200, &[], json(to(number)).as_bytes()),
            ("r", number) => server::reply(stream, 302, &[("Location", to(number))], b""),
            ("f", _) => server::reply(stream, 200, &[], json("https://pay.wallet.test/cb").as_bytes()),
            ("m", "oved") => server::reply(stream, 301, &[("Location", "https://www.evil.test/lnurlp/f")], b""),
            _ => server::reply(stream, 404, &[], b"<html>"),
        }
    });
    let address: SocketAddr = outside.url().trim_start_matches("http://").parse().unwrap();
    let policy = json!({"network": "regtest", "prepaid": {"path": "/api/v1"}, "payouts": {},
        "lnurl_deny": ["db.corp.test"]});
    let changes = Changes { config: &[OUTSIDE], lnurl: Some(address), payouts: true, ..Changes::policy(policy) };
    let machine = Machine::start(changes);
    let order = machine.post("/api/v1/topup", "", &json!({"amount_sats": 100})).json();
    let preimage = machine.node.pay(order["invoice"].as_str().expect("an invoice"));
    let claim = json!({"preimage": preimage, "claim_secret": order["claim_secret"]});
    let claimed = crate::common::eventually("the claim", || {
        let claimed = machine.post("/api/v1/topup/claim", "", &claim);
        (claimed.status == 200).then(|| claimed.json())
    });
    let token = claimed["token"].as_str().expect("a token").to_owned();
    let pay = |address: &str, key: &str| {
        let headers = format!("Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n");
        machine.post("/api/v1/withdraw", &headers, &json!({"address": address, "amount_sats": 5}))
    };

    let mut sentences = BTreeSet::new();
    for way in ["c", "r"] {
        for (number, to) in closed.iter().enumerate() {
            let refused = pay(&format!("{way}{number}@evil.test"), &format!("k-{way}{number}"));
            assert_eq!(refused.status, 400, "{way} {to}: {}", refused.text());
            sentences.insert(refused.json()["detail"].to_string());
        }
    }
    for (n, ours) in ["a@origin.example.com", "a@node.example.com", "a@example.com", "x@evil.test"].iter().enumerate() {
        let refused = pay(ours, &format!("k-{n}"));
        assert_eq!(refused.status, 400, "{ours}: {}", refused.text());
        sentences.insert(refused.json()["detail"].to_string());
    }
    assert_eq!(machine.seen(), [""; 0], "the origin");
    let asked: BTreeSet<String> =
        outside.heard().iter().map(|heard| heard.header("host").unwrap().to_owned()).collect();
    assert_eq!(asked, BTreeSet::from(["evil.test".to_owned()]));

    // The nearest yes: other people's hosts are asked, also where the first one sends on.
    for user in ["f1", "moved"] {
        sentences.insert(pay(&format!("{user}@evil.test"), user).json()["detail"].to_string());
    }
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    let asked: Vec<String> = outside.heard().iter().map(|heard| heard.header("host").unwrap().to_owned()).collect();
    assert_eq!(
        asked[asked.len() - 5..],
        ["evil.test", "pay.wallet.test", "evil.test", "www.evil.test", "pay.wallet.test"]
    );
    machine.is_whole();
}

/// A1, T125: the door for strangers' addresses itself, with a socket before it: it has no way to this machine, whatever the
/// worker may once let through.
#[test]
fn the_door_for_strangers_addresses_reaches_nothing_here_a1() {
    const WAY_OUT: (&str, &str) = (r#"service = "satstile","#, r#"service = "lnurl","#);
    let machine = Machine::start(Changes { config: &[WAY_OUT], ..Changes::regtest() });
    let address = machine.origin.address().to_string();
    for host in [&address, &address.replace("127.0.0.1", "localhost"), "10.0.0.1", "[::1]", "origin.example.com"] {
        let answer = machine.send(&format!("GET /free/1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(answer.status >= 500, "{host}: {}", answer.status);
    }
    assert_eq!(machine.seen(), [""; 0]);
}
