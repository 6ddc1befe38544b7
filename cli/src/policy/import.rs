//! `satstile policy import`: the services of an `aperture.yaml` as a policy, and a list of what could not come along.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use l402::Policy;
use l402::bolt11::Network;
use l402::host::is_loopback;
use l402::path::canonical_host;
use l402::route::{Access, Route};
use serde_json::json;

use super::aperture::{self, Auth, LEFT, Service};
use super::{pattern, toml_text};
use crate::fault::{Exit, Fault};
use crate::say::{Say, Tone, printable};

/// The longest life a policy takes: ten years.
const VALID_S_MAX: u64 = 315_360_000;

/// Makes a policy out of an aperture.yaml
///
/// The policy goes to stdout, in the form of a policy.toml; what could not be carried over, and why, to stderr. Nothing
/// that was sold becomes free: a path that cannot be said as a pattern is left out, and is 404 until you name it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile policy import aperture.yaml > policy.toml
  satstile policy import aperture.yaml --wrangler >> wrangler.toml
  satstile policy import aperture.yaml | satstile policy check -")]
pub struct Args {
    /// aperture's configuration; - for stdin
    file: PathBuf,
    /// Puts it under [vars.POLICY], for a wrangler.toml
    #[arg(long)]
    wrangler: bool,
}

/// Runs the command.
pub fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let file = aperture::parse(&super::read(&args.file)?)?;
    let mut draft = Draft::of(&file);
    let text = draft.write("");
    // What is handed out has passed the check of the edge.
    let table: toml::Table =
        text.parse().map_err(|error| Fault::not_good(format!("cannot write it as TOML: {error}")))?;
    let value = serde_json::to_value(&table).unwrap_or_default();
    let stands = Policy::from_value(&value);
    if let Err(fault) = &stands {
        draft.notes.push(format!("{}: {}. Mend this by hand.", fault.key, fault.reason));
    }
    if say.json {
        say.document(&json!({"policy": value, "notes": draft.notes, "ok": stands.is_ok()}));
    } else {
        say.out(if args.wrangler { draft.write("vars.POLICY") } else { text }.trim_end());
        for note in &draft.notes {
            say.aside(&format!("{} {}", say.paint_err(Tone::Odd, "note:"), printable(note)));
        }
    }
    Ok(if stands.is_ok() { Exit::Ok } else { Exit::NotGood })
}

/// A policy in the making.
struct Draft {
    network: Network,
    origin: String,
    hosts: Vec<String>,
    free: Vec<String>,
    sold: Vec<Sold>,
    /// How the paths begin that were sold and are in no pattern: nothing of that kind may become free.
    lost: Vec<String>,
    notes: Vec<String>,
}

struct Sold {
    id: String,
    price_msat: u64,
    valid_s: u64,
    free_requests: Option<u64>,
    patterns: Vec<String>,
}

impl Draft {
    fn of(file: &aperture::File) -> Self {
        let mut notes = Vec::new();
        let network = network(file.network.as_deref(), &mut notes);
        let origin = usual_origin(&file.services);
        let mut draft = Self {
            network,
            origin: String::new(),
            hosts: Vec::new(),
            free: Vec::new(),
            sold: Vec::new(),
            lost: Vec::new(),
            notes,
        };
        draft.origin = draft.reachable(&origin);
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for service in &file.services {
            draft.take(service, &origin, &mut taken);
        }
        if file.serves_files {
            draft.notes.push(
                "servestatic: The edge serves no files. Let the origin serve them, and list their paths under `free`."
                    .to_owned(),
            );
        }
        draft.keep_apart(&file.services);
        draft.finish_hosts();
        draft
    }

    /// Paths of a policy hold on every host. Where services were told apart by theirs, what one gave away another may
    /// have sold.
    fn keep_apart(&mut self, services: &[Service]) {
        let mut hosts: Vec<&str> = services.iter().map(|service| service.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.len() > 1 && !self.free.is_empty() {
            self.free.clear();
            self.notes.push(
                "free: The services have different hosts, but a policy has one list of paths for all hosts. So the import \
                 makes no path free. A note above that calls a path unreachable may be wrong for another host. List the \
                 paths that no service sells under `free`."
                    .to_owned(),
            );
        }
    }

    /// An origin that the edge may have on this network.
    fn reachable(&mut self, origin: &str) -> String {
        let (scheme, host) = origin.split_once("://").unwrap_or(("", origin));
        let fine = canonical_host(host).is_some_and(|host| match (scheme, self.network) {
            ("http", Network::Regtest) => is_loopback(&host),
            ("https", Network::Mainnet) => !is_loopback(&host),
            ("https", _) => true,
            _ => false,
        });
        if fine {
            return origin.to_owned();
        }
        let why = "The edge reaches an origin only by https and a public name; a tunnel gives you one";
        self.notes.push(format!("origin {origin}: {why}. Replace origin.example.com with that name."));
        "https://origin.example.com".to_owned()
    }

    fn take(&mut self, service: &Service, origin: &str, taken: &mut BTreeMap<String, String>) {
        let name = &service.name;
        if service.origin != origin {
            let what = format!(
                "{name}: This service goes to {}, but a policy has one origin. Give the service a deployment of its own.",
                service.origin
            );
            return self.notes.push(what);
        }
        for (key, instead) in LEFT.iter().filter(|(key, _)| service.left.contains(key)) {
            self.notes.push(format!("{name}.{key}: {instead}"));
        }
        match pattern::of_host(&service.host) {
            Ok(hosts) => self.hosts.extend(hosts),
            Err(why) => {
                self.notes.push(format!("{name}.hostregexp `{}`: {why}. List its hosts under `hosts`.", service.host))
            }
        }
        let is_free = service.auth == Auth::Off;
        let before = self.lost.len();
        let own = self.read(&format!("{name}.pathregexp"), &service.path, is_free);
        // What a service frees itself, it frees before it sells.
        let own_lost = self.lost.split_off(before);
        for regex in &service.free {
            let key = format!("{name}.authwhitelistpaths");
            let mut patterns = self.read(&key, regex, true);
            patterns.retain(|pattern| {
                let within = own.iter().any(|own| covers(own, pattern));
                if !within {
                    self.notes
                        .push(format!("{key}: `{pattern}` is outside the paths of {name}. The import leaves it out."));
                }
                within
            });
            let free = self.stand(&key, patterns, true, taken);
            self.free.extend(free);
        }
        self.lost.extend(own_lost);
        let patterns = self.stand(&format!("{name}.pathregexp"), own, is_free, taken);
        if patterns.is_empty() {
            return;
        }
        if is_free {
            return self.free.extend(patterns);
        }
        let id = self.id(name);
        let price = service.price.filter(|price| *price > 0).unwrap_or(1); // aperture's default
        if service.timeout == 0 || service.timeout > VALID_S_MAX {
            self.notes.push(format!(
                "{name}.timeout: In aperture these tokens never expire. Here they last ten years; `valid_s` sets another time."
            ));
        }
        let free_requests = match service.auth {
            Auth::Freebie(count) => Some(count.max(1)),
            _ => None,
        };
        if free_requests.is_some() {
            self.notes.push(format!(
                "{name}.auth: In aperture a client gets its free requests once. Here it gets them every day."
            ));
        }
        self.sold.push(Sold {
            id,
            price_msat: price.saturating_mul(1_000),
            valid_s: Some(service.timeout).filter(|s| (1..=VALID_S_MAX).contains(s)).unwrap_or(VALID_S_MAX),
            free_requests,
            patterns,
        });
    }

    /// The patterns of an expression, each of which could stand in a policy.
    fn read(&mut self, key: &str, regex: &str, is_free: bool) -> Vec<String> {
        let carried = match pattern::of_path(regex) {
            Ok(carried) => carried,
            Err(why) => {
                self.notes.push(format!("{key} `{regex}`: {why}. List its paths under `routes`."));
                self.lost.extend((!is_free).then(String::new));
                return Vec::new();
            }
        };
        if let Some(note) = carried.note {
            self.notes.push(format!("{key} `{regex}`: {note}."));
        }
        self.lost.extend(carried.lost.filter(|_| !is_free));
        let mut patterns = carried.patterns;
        patterns.retain(|pattern| match Route::parse(key, pattern, &[], Access::Free) {
            Ok(_) => true,
            Err(fault) => {
                self.notes.push(format!("{key}: {}. The import leaves `{pattern}` out.", fault.reason));
                false
            }
        });
        patterns
    }

    /// Those patterns that keep their meaning. The first match counted in aperture, here the longest does: what an
    /// earlier service had already is left out, and so is what would give away something that was sold.
    fn stand(
        &mut self,
        key: &str,
        patterns: Vec<String>,
        is_free: bool,
        taken: &mut BTreeMap<String, String>,
    ) -> Vec<String> {
        let mut stand = Vec::new();
        for pattern in patterns {
            let earlier = taken.iter().find(|(broad, _)| covers(broad, &pattern));
            if let Some((broad, earlier)) = earlier {
                self.notes
                    .push(format!("{key}: `{broad}` of {earlier} already takes every request for `{pattern}`. The import leaves `{pattern}` out."));
            } else if is_free && self.lost.iter().any(|lost| touches(&pattern, lost)) {
                self.notes.push(format!(
                    "{key}: `{pattern}` covers paths that an earlier service sells and that the import could not carry \
                     over. So the import does not make `{pattern}` free. Settle those paths first, then list `{pattern}` \
                     under `free`."
                ));
            } else {
                taken.insert(pattern.clone(), key.to_owned());
                stand.push(pattern);
            }
        }
        stand
    }

    /// A name that can stand in caveats.
    fn id(&mut self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let mut id: String = name.chars().map(plain).take(32).collect();
        if !id.starts_with(|c: char| c.is_ascii_lowercase()) || id.starts_with("satstile") {
            id = format!("s-{id}").chars().take(32).collect();
        }
        let base: String = id.chars().take(28).collect();
        let mut count = 1;
        while self.sold.iter().any(|sold| sold.id == id) {
            count += 1;
            id = format!("{base}-{count}");
        }
        if id != name {
            self.notes.push(format!(
                "{name}: The import calls this service {id}. A name has lower-case letters, digits and dashes only."
            ));
        }
        id
    }

    fn finish_hosts(&mut self) {
        let mut hosts: Vec<String> = Vec::new();
        for host in std::mem::take(&mut self.hosts) {
            match canonical_host(&host) {
                Some(host) if self.network == Network::Mainnet && is_loopback(&host) => {}
                Some(host) if hosts.contains(&host) => {}
                Some(host) => hosts.push(host),
                None => self.notes.push(format!("hostregexp: `{host}` is no host name. The import leaves it out.")),
            }
        }
        if hosts.len() > 1 {
            self.notes.push("hostregexp: The edge sells every path on every host of this list.".to_owned());
        }
        if self.network == Network::Regtest {
            hosts.retain(|host| !is_loopback(host)); // served anyway
        } else if hosts.is_empty() {
            self.notes.push("hosts: Replace example.com with your host, in `hosts` and in `public_url`.".to_owned());
            hosts.push("example.com".to_owned());
        }
        self.hosts = hosts;
    }

    fn write(&self, under: &str) -> String {
        let table = |name: &str| match (under, name) {
            ("", name) => name.to_owned(),
            (under, "") => under.to_owned(),
            (under, name) => format!("{under}.{name}"),
        };
        let mut text = String::new();
        // Writing to a text cannot fail.
        if !under.is_empty() {
            let _ = writeln!(text, "[{}]", table(""));
        }
        let _ = writeln!(text, "version = 1\ndeployment = \"imported\"\nnetwork = \"{}\"", self.network);
        if let Some(host) = self.hosts.first() {
            let _ = writeln!(text, "hosts = {}", toml_text::list(&self.hosts));
            if self.network != Network::Regtest {
                let _ = writeln!(text, "public_url = {}", toml_text::quoted(&format!("https://{host}")));
            }
        }
        let _ = writeln!(text, "origin = {}", toml_text::quoted(&self.origin));
        if !self.free.is_empty() {
            let _ = writeln!(text, "free = {}", toml_text::routes(&self.free));
        }
        for sold in &self.sold {
            let _ = writeln!(text, "\n[{}]", table(&format!("services.{}", sold.id)));
            let (price, valid_s) = (toml_text::number(sold.price_msat), toml_text::number(sold.valid_s));
            let _ = writeln!(text, "price_msat = {price}\nvalid_s = {valid_s}");
            if let Some(count) = sold.free_requests {
                let _ = writeln!(text, "free_allowance = {{ count = {count}, window_s = 86_400 }}");
            }
            let _ = writeln!(text, "routes = {}", toml_text::routes(&sold.patterns));
        }
        text
    }
}

/// Whether a pattern takes everything that another one takes.
fn covers(broad: &str, pattern: &str) -> bool {
    broad == pattern || broad.strip_suffix('*').is_some_and(|prefix| pattern.starts_with(prefix))
}

/// Whether a pattern takes a path that begins like this.
fn touches(pattern: &str, begins: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => prefix.starts_with(begins) || begins.starts_with(prefix),
        None => pattern.starts_with(begins),
    }
}

/// The origin that most services have; the first of equals.
fn usual_origin(services: &[Service]) -> String {
    let count = |origin: &str| services.iter().filter(|service| service.origin == origin).count();
    let most = services.iter().map(|service| count(&service.origin)).max().unwrap_or(0);
    services.iter().find(|s| count(&s.origin) == most).map_or_else(|| "://".to_owned(), |s| s.origin.clone())
}

fn network(name: Option<&str>, notes: &mut Vec<String>) -> Network {
    match name.map(|name| (name, Network::from_name(name))) {
        Some((_, Some(network))) => network,
        Some(("simnet", None)) => {
            notes.push("network: A policy has no simnet. The import writes regtest.".to_owned());
            Network::Regtest
        }
        other => {
            let what = other.map_or_else(
                || "The file names no network".to_owned(),
                |(name, _)| format!("A policy has no network `{name}`"),
            );
            notes.push(format!("network: {what}. The import writes mainnet."));
            Network::Mainnet
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(services: &str) -> Draft {
        let text = format!("authenticator: {{network: regtest}}\nservices:\n{services}");
        Draft::of(&aperture::parse(&text).unwrap())
    }

    #[track_caller]
    fn policy(draft: &Draft) -> Policy {
        let table: toml::Table = draft.write("").parse().unwrap();
        Policy::from_value(&serde_json::to_value(&table).unwrap()).unwrap()
    }

    /// A service on the one origin.
    fn service(name: &str, path: &str, more: &str) -> String {
        format!(
            "  - {{name: {name}, hostregexp: '.*', pathregexp: '{path}', address: '127.0.0.1:8789', protocol: http, {more}}}\n"
        )
    }

    #[test]
    fn a_free_and_a_sold_service_come_over_whole() {
        let services =
            service("free", "^/free(/|$)", "auth: \"off\"") + &service("api", "^/api/.*$", "price: 10, timeout: 600");
        let draft = draft(&services);
        assert!(draft.notes.is_empty(), "{:?}", draft.notes);
        let policy = policy(&draft);
        let shown: Vec<_> = policy.routes.iter().map(|r| (r.pattern.as_str(), r.access == Access::Free)).collect();
        assert_eq!(shown, [("/free/*", true), ("/free", true), ("/api/*", false)]);
        let api = &policy.services[0];
        assert_eq!((api.id.as_str(), api.price.0, api.valid_s), ("api", 10_000, 600));
    }

    #[test]
    fn what_an_earlier_service_sold_is_not_given_away_by_a_longer_pattern() {
        let services =
            service("api", "^/api/.*$", "price: 10, timeout: 1") + &service("docs", "^/api/docs/.*$", "auth: \"off\"");
        let draft = draft(&services);
        assert!(draft.free.is_empty());
        assert!(
            draft.notes[0].contains("`/api/*` of api.pathregexp already takes every request for `/api/docs/*`"),
            "{:?}",
            draft.notes
        );
    }

    #[test]
    fn what_could_not_be_carried_over_is_not_given_away_by_a_broad_free_pattern() {
        for sold in [r"^/users/\d+$", "^/api", "/api/.*"] {
            let services = service("api", sold, "price: 10, timeout: 1") + &service("rest", "^/.*$", "auth: \"off\"");
            assert!(draft(&services).free.is_empty(), "{sold}");
        }
        // A free path that has nothing to do with it stays free.
        let services =
            service("api", "^/api", "price: 10, timeout: 1") + &service("docs", "^/docs/.*$", "auth: \"off\"");
        assert_eq!(draft(&services).free, ["/docs/*"]);
    }

    #[test]
    fn a_whitelist_frees_nothing_beyond_its_service() {
        let more = "price: 10, timeout: 1, authwhitelistpaths: ['^/api/health$', '^/other$']";
        let draft = draft(&service("api", "^/api", more));
        assert_eq!(draft.free, ["/api/health"]);
        assert!(
            draft.notes.iter().any(|note| note.contains("`/other` is outside the paths of api")),
            "{:?}",
            draft.notes
        );
    }

    #[test]
    fn names_origins_and_ends_are_mended_and_said() {
        let elsewhere = "  - {name: b, address: '10.0.0.1:1', protocol: http, pathregexp: '^/b$'}\n";
        let services =
            service("My API", "^/a/.*$", "auth: freebie 3") + &service("c", "^/c$", "timeout: 5") + elsewhere;
        let draft = draft(&services);
        let policy = policy(&draft);
        let my = policy.service_named("my-api").unwrap();
        assert_eq!((my.price.0, my.valid_s, my.free_allowance.map(|f| f.count)), (1_000, VALID_S_MAX, Some(3)));
        for said in [
            "The import calls this service my-api.",
            "In aperture these tokens never expire.",
            "Here it gets them every day.",
            "Give the service a deployment of its own.",
        ] {
            assert!(draft.notes.iter().any(|note| note.contains(said)), "{said}: {:?}", draft.notes);
        }
    }

    #[test]
    fn a_policy_for_mainnet_stands_with_what_is_to_be_filled_in() {
        let text = "authenticator: {network: mainnet}\nservices:\n".to_owned() + &service("a", "^/.*$", "timeout: 5");
        let draft = Draft::of(&aperture::parse(&text).unwrap());
        assert_eq!(policy(&draft).origin, "https://origin.example.com");
        assert_eq!(draft.notes.len(), 2, "{:?}", draft.notes);
        assert!(draft.write("vars.POLICY").contains("[vars.POLICY.services.a]"));
    }

    /// D13: each note names its key, then says in whole sentences what is different and what to do.
    #[test]
    fn a_note_is_made_of_whole_sentences_d13() {
        let text = "servestatic: true\nservices:\n".to_owned()
            + &service(
                "A b",
                "/api",
                "auth: freebie 3, capabilities: x, constraints: {a: b}, headers: {a: b}, rewrite: {a: b}",
            )
            + &service("c", "^/[a-z]+$", "timeout: 5, authwhitelistpaths: ['^/other$'], dynamicprice: {enabled: true}")
            + &service("d", "^/api/x.y$", "ratelimits: [a], authscheme: l402, tlscertpath: a")
            + &service("e", "^/.*$", "auth: \"off\", authskipinvoicecreationpaths: [a]")
            + "  - {name: f, hostregexp: '[a]', address: '10.0.0.1:1', protocol: http, pathregexp: '^/b$'}\n";
        let draft = Draft::of(&aperture::parse(&text).unwrap());
        assert!(draft.notes.len() > 15, "{:?}", draft.notes);
        for note in &draft.notes {
            let (key, says) = note.split_once(": ").unwrap();
            assert!(
                !key.contains(' ') || key.contains('`') || key.starts_with("A b") || key.starts_with("origin "),
                "{note}"
            );
            assert!(says.starts_with(|c: char| c.is_uppercase() || c == '`') && says.ends_with('.'), "{note}");
            assert!(!says.contains("..") && !says.starts_with("It "), "{note}");
        }
    }
}
