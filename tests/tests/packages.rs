//! Strangers with the npm packages and nothing else of this repository: one deploys the Worker without Rust, one bundles
//! the widget into a page. `cargo xtask test dist` builds the packages and runs this.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::browser::tell;
use common::plenty;
use satstile_tests::binaries::{private_directory, root};
use satstile_tests::{Node, Origin, Process, Stack, StackOptions, free_port, http, loopback};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRETS: [&str; 5] = ["MASTER_KEYS", "RELAY_SECRETS", "CHALLENGE_SECRET", "RECEIPT_KEY", "AUDIT_KEY"];

/// The packed package, as `cargo xtask dist` left it.
fn tarball(package: &str) -> PathBuf {
    let name = format!("{package}-{}.tgz", env!("CARGO_PKG_VERSION"));
    let path = root().join("pkg/npm").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask dist`", path.display());
    path
}

/// An empty folder with one package installed; from the file, without a network, and no script of it is run.
fn folder_with(package: &str) -> TempDir {
    let folder = private_directory("satstile-package-");
    fs::write(folder.path().join("package.json"), r#"{"private":true,"type":"module"}"#).expect("the folder is ours");
    let mut npm = Command::new("npm");
    npm.args(["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    succeeds(npm.arg("--cache").arg(folder.path().join(".cache")).arg(tarball(package)).current_dir(&folder));
    folder
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} failed ({status}):\n{out}{err}");
    out.into_owned()
}

/// `satstile …` of the installed package.
#[track_caller]
fn satstile(folder: &Path, args: &[&str]) -> String {
    succeeds(Command::new(folder.join("node_modules/.bin/satstile")).args(args).current_dir(folder))
}

/// The repository's wrangler in somebody else's folder; it talks to nobody.
fn wrangler(folder: &Path) -> Command {
    let modules = root().join("node_modules");
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let pinned = modules.join(format!("node-linux-{arch}/bin/node"));
    let mut command = Command::new(if pinned.is_file() { pinned } else { "node".into() });
    command.arg(modules.join("wrangler/bin/wrangler.js")).current_dir(folder);
    for (name, value) in [
        ("CI", "1"),
        ("WRANGLER_SEND_METRICS", "false"),
        ("WRANGLER_SEND_ERROR_REPORTS", "false"),
        ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
        ("WRANGLER_HIDE_BANNER", "true"),
        ("NO_COLOR", "1"),
    ] {
        command.env(name, value);
    }
    command.env("WRANGLER_LOG_PATH", folder.join(".wrangler/logs"));
    command
}

/// `wrangler dev`, once it answers.
fn serve(folder: &Path, port: u16) -> Process {
    let mut command = wrangler(folder);
    command.args(["dev", "--ip", "127.0.0.1", "--port", &port.to_string(), "--inspector-port", "0"]);
    command.args(["--show-interactive-dev-session=false", "--log-level", "info"]);
    let mut process = Process::spawn("wrangler", &mut command);
    process.wait_for("to be ready", Duration::from_secs(60), |line| line.contains("Ready on http").then_some(()));
    process
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("cannot read {name}: {e}"))
}

/// The value of a name in the form of `.dev.vars`.
#[track_caller]
fn value<'a>(vars: &'a str, name: &str) -> &'a str {
    let line = vars.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name}")).trim_matches('"')
}

/// Puts one value of a wrangler.toml in the place of another, as a person would.
#[track_caller]
fn edit(folder: &Path, before: &str, after: &str) {
    let text = read(folder, "wrangler.toml");
    assert_eq!(text.matches(before).count(), 1, "wrangler.toml has not one {before}");
    fs::write(folder.join("wrangler.toml"), text.replace(before, after)).expect("the folder is ours");
}

/// Two commands and two addresses, and it is paid: no Rust, no rules for modules, no file of this repository.
/// D13: and as it came, for money without value, it is not deployed.
#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn somebody_without_rust_sells_an_article() {
    let folder = folder_with("satstile");
    let folder = folder.path();
    satstile(folder, &["init"]);
    let vars = read(folder, ".dev.vars");
    let relay_secrets = value(&vars, "RELAY_SECRETS");

    let (origin, port) = (Origin::start(), free_port());
    let edge = format!("http://{}", loopback(port));
    let node = Node::start(&edge, relay_secrets);
    edit(folder, r#""http://127.0.0.1:8788""#, &format!("{:?}", node.url()));
    edit(folder, r#""http://127.0.0.1:8789""#, &format!("{:?}", origin.url()));
    let mut worker = serve(folder, port);

    let refused = http::get(&format!("{edge}/articles/1"), &[]);
    assert_eq!(refused.status, 402, "{}", refused.text());
    assert!(origin.seen().is_empty(), "the origin heard of an unpaid request");
    let bill = refused.json();
    let text = |name: &str| bill[name].as_str().unwrap_or_else(|| panic!("no {name} in {bill}")).to_owned();
    let preimage = node.pay(&text("invoice"));
    let credential = format!("L402 {}:{preimage}", text("macaroon"));
    let paid = http::get(&format!("{edge}/articles/1"), &[("authorization", &credential)]);
    assert_eq!(paid.status, 200, "{}", paid.text());
    assert_eq!(origin.seen().len(), 1);

    // The widget is data in the package, and comes out as it went in.
    let script = http::get(&format!("{edge}/.well-known/satstile/widget.js"), &[]);
    assert_eq!(script.status, 200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.body, fs::read(folder.join("node_modules/satstile/files/widget.js.bin")).unwrap_or_default());
    worker.stop();

    // D13: nobody deploys the template unaware: what is set up for this machine is named, and not deployed.
    let deploy = ["deploy", "--dry-run", "--outdir", "dry-run"];
    let refused = wrangler(folder).args(deploy).output().expect("wrangler runs");
    let said = format!("{}{}", String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
    assert!(!refused.status.success() && said.contains("network = \"regtest\""), "{said}");
    let deployed = succeeds(wrangler(folder).args(deploy).env("SATSTILE_DEPLOY_LOCAL", "1"));
    for binding in ["env.PAYMENTS (Payment)", "env.MINT_BUDGET (MintBudget)", "env.TOTALS (Totals)"] {
        assert!(deployed.contains(binding), "{binding} is not bound:\n{deployed}");
    }
}

/// Nothing is ever free, or sold under a key that everybody knows, because somebody forgot to make secrets.
#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn the_sample_secrets_open_nothing() {
    let folder = folder_with("satstile");
    let folder = folder.path();
    satstile(folder, &["init"]);
    fs::copy(folder.join(".dev.vars.example"), folder.join(".dev.vars")).expect("both are there");

    let (origin, port) = (Origin::start(), free_port());
    edit(folder, r#""http://127.0.0.1:8788""#, &format!("\"http://{}\"", loopback(free_port())));
    edit(folder, r#""http://127.0.0.1:8789""#, &format!("{:?}", origin.url()));
    let worker = serve(folder, port);
    assert_eq!(http::get(&format!("http://{}/articles/1", loopback(port)), &[]).status, 503);
    assert_eq!(http::get(&format!("http://{}/", loopback(port)), &[]).status, 200, "what is free stays free");
    // It says which; of the two that make the keys for tokens, the first.
    let deadline = Instant::now() + Duration::from_secs(10);
    let log = || worker.log().join("\n");
    let silent = || SECRETS.into_iter().filter(|name| *name != "CHALLENGE_SECRET").find(|name| !log().contains(name));
    while let Some(name) = silent() {
        assert!(Instant::now() < deadline, "{name} is not complained about:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn init_overwrites_nothing_and_makes_new_secrets_each_time() {
    let folder = folder_with("satstile");
    let folder = folder.path();
    fs::write(folder.join("wrangler.toml"), "name = \"mine\"\n").expect("the folder is ours");
    satstile(folder, &["init"]);
    let first = read(folder, ".dev.vars");
    satstile(folder, &["init"]);
    satstile(folder, &["init", "other"]);

    assert_eq!(read(folder, "wrangler.toml"), "name = \"mine\"\n");
    assert_eq!(read(folder, ".dev.vars"), first);
    assert_eq!(read(folder, "package.json").matches("private").count(), 1, "npm's own package.json is kept");
    assert!(read(folder, ".gitignore").lines().any(|line| line == ".dev.vars"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.join(".dev.vars")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (other, printed) = (read(folder, "other/.dev.vars"), satstile(folder, &["secrets"]));
    for name in SECRETS {
        let values = [value(&first, name), value(&other, name), value(&printed, name)];
        assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2], "{name} is there twice");
    }
    // Of the package's own version, with the wrangler that was tested.
    let manifest: Value = serde_json::from_str(&read(folder, "other/package.json")).expect("it is JSON");
    assert_eq!(manifest["dependencies"]["satstile"], format!("^{}", env!("CARGO_PKG_VERSION")));
}

/// C10: wrangler loads of `.dev.vars` only what `[secrets] required` names. So a secret that not everybody needs waits in
/// both files behind a `#`, once in each, and the comment beside it names the other place.
#[test]
fn a_secret_that_few_need_waits_as_a_comment_in_both_places_c10() {
    let folder = private_directory("satstile-init-");
    let program = root().join("worker/npm/satstile.mjs");
    succeeds(Command::new("node").arg(program).arg("init").current_dir(folder.path()));
    let (vars, toml) = (read(folder.path(), ".dev.vars"), read(folder.path(), "wrangler.toml"));
    let set = |text: &str, name: &str| text.lines().any(|line| line.starts_with(&format!("{name}=")));
    let required = |text: &str| toml::from_str::<Value>(text).expect("it is TOML")["secrets"]["required"].clone();
    for name in ["PAYOUT_SECRETS", "ORIGIN_SECRET"] {
        let commented = format!("# {name}=\"");
        assert_eq!(vars.matches(&commented).count(), 1, "{name}:\n{vars}");
        let above = vars.split(&commented).next().and_then(|text| text.lines().last()).unwrap_or_default();
        assert!(above.contains("wrangler.toml") && above.contains("[secrets]"), "{name}: {above}");
        assert!(!set(&vars, name) && !required(&toml).to_string().contains(name), "{name} is not for everybody");
        // The two marks taken away, wrangler has name and value.
        assert!(set(&vars.replace(&commented, &commented[2..]), name));
        let named = toml.replace(&format!("# \"{name}\","), &format!("\"{name}\","));
        assert!(required(&named).as_array().is_some_and(|names| names.contains(&json!(name))), "{name}:\n{named}");
    }
    assert_eq!(required(&toml), json!(SECRETS));
}

/// What `wrangler.toml` binds, the template binds: the Worker is the same.
#[test]
fn the_template_binds_what_the_repository_binds() {
    let parsed =
        |path: &str| -> Value { toml::from_str(&read(&root(), path)).unwrap_or_else(|e| panic!("{path}: {e}")) };
    let (ours, theirs) = (parsed("wrangler.toml"), parsed("worker/npm/template/wrangler.toml"));
    for key in ["compatibility_date", "compatibility_flags", "durable_objects", "migrations"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    assert_eq!(theirs["secrets"]["required"], json!(SECRETS));
}

/// A page of another site, with a bundler that was told nothing, under a policy that allows no more than it must
/// (T110, T117). The story is in `tests/browser/packages.mjs`.
#[test]
#[ignore = "needs the packages and Debian's chromium: cargo xtask test dist --install"]
fn a_page_that_bundles_the_widget_is_paid() {
    let folder = folder_with("satstile-widget");
    let stack = Stack::start(StackOptions { pages: true, ..plenty(json!({})) });
    tell("packages", &stack, &json!({ "folder": folder.path() }));
}

/// On a server there is no window, and nothing is touched that is not there.
#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn the_widget_can_be_imported_without_a_window() {
    let folder = folder_with("satstile-widget");
    let script = "import('satstile-widget').then((widget) => console.log(Object.keys(widget).join(), typeof window))";
    let said = succeeds(Command::new("node").args(["-e", script]).current_dir(&folder));
    assert_eq!(said.trim(), "SatstilePaywall undefined");
}

/// D13: the limit as it is written in TSX. The types take both spellings; what JSX writes as an attribute has no dash and
/// no capital, and the element reads that as well.
#[test]
fn a_limit_can_be_written_in_tsx_d13() {
    let types = read(&root(), "web-client/npm/index.d.ts");
    let attributes = types.split("export interface SatstilePaywallAttributes {").nth(1).expect("the types for JSX");
    let attributes = attributes.split('}').next().unwrap_or_default();
    for spelled in ["\"max-sats\"?:", "maxSats?:"] {
        assert_eq!(attributes.matches(&format!("\n  {spelled} number | string;")).count(), 1, "{spelled}");
    }
    let element = read(&root(), "web-client/js/element.js");
    let observed = element.lines().find(|line| line.contains("observedAttributes = [")).expect("what it listens to");
    assert!(observed.contains("\"max-sats\"") && observed.contains("\"maxsats\""), "{observed}");
    assert!(
        element.contains("getAttribute(\"max-sats\") ?? this.getAttribute(\"maxsats\")"),
        "one is heard and not read"
    );
}

/// What a page in TSX may say of the widget, and below what it may not.
const TSX: &str = r#"import "react";
import "satstile-widget";
export const page = [
  <satstile-paywall src="/articles/1" maxSats={20} />,
  <satstile-paywall src="/articles/1" max-sats="20" theme="dark" />,
  // @ts-expect-error: a limit is a number, or a string of digits
  <satstile-paywall src="/articles/1" maxSats={true} />,
  // @ts-expect-error: no such attribute
  <satstile-paywall src="/articles/1" maxSat={20} />,
];
"#;

/// D13: a page in TSX, as TypeScript and React's types read it. Neither is a dependency of this repository: checked where
/// somebody has them.
#[test]
fn a_page_in_tsx_is_checked_against_the_types_d13() {
    let modules = root().join("node_modules");
    let tsc = modules.join("typescript/bin/tsc");
    if !tsc.is_file() || !modules.join("@types/react").is_dir() {
        return println!("typescript and @types/react are not in node_modules: no page in TSX is checked");
    }
    let folder = private_directory("satstile-tsx-");
    let widget = folder.path().join("node_modules/satstile-widget");
    fs::create_dir_all(&widget).expect("the folder is ours");
    fs::copy(root().join("web-client/npm/index.d.ts"), widget.join("index.d.ts")).expect("the types are there");
    fs::write(widget.join("package.json"), r#"{"name":"satstile-widget","version":"0.0.0","types":"index.d.ts"}"#)
        .expect("the folder is ours");
    for name in ["@types", "csstype"] {
        std::os::unix::fs::symlink(modules.join(name), folder.path().join("node_modules").join(name))
            .expect("the folder is ours");
    }
    fs::write(folder.path().join("page.tsx"), TSX).expect("the folder is ours");
    let mut checked = Command::new("node");
    checked.arg(tsc).args(["--noEmit", "--strict", "--jsx", "react-jsx", "--lib", "es2022,dom", "--module", "esnext"]);
    succeeds(checked.args(["--moduleResolution", "bundler", "page.tsx"]).current_dir(folder.path()));
}

/// Not a dependency of this repository: checked where somebody has it.
#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn the_types_are_types() {
    let tsc = root().join("node_modules/typescript/bin/tsc");
    if !tsc.is_file() {
        return println!("typescript is not in node_modules: the .d.ts files are not checked");
    }
    for package in ["satstile", "satstile-widget"] {
        let folder = folder_with(package);
        let types = folder.path().join("node_modules").join(package).join("index.d.ts");
        let mut tsc = Command::new(&tsc);
        tsc.args(["--noEmit", "--strict", "--lib", "es2022,dom", "--module", "nodenext"]).arg(types);
        succeeds(tsc.current_dir(&folder));
    }
}

/// Who built it, and where, is nobody's business.
#[test]
#[ignore = "needs the packages: cargo xtask test dist"]
fn the_packages_name_no_place_of_the_machine_that_built_them() {
    let home = std::env::var("HOME").unwrap_or_default();
    let mut places = vec![root().to_string_lossy().into_owned()];
    places.extend((home.len() > 1).then(|| format!("{home}/")));
    for package in ["satstile", "satstile-widget"] {
        let unpacked = private_directory("satstile-unpacked-");
        succeeds(Command::new("tar").arg("-xzf").arg(tarball(package)).arg("-C").arg(unpacked.path()));
        let mut files = Vec::new();
        walk(unpacked.path(), &mut files);
        assert!(files.len() > 10, "{package} has {} files", files.len());
        for file in files {
            let bytes = fs::read(&file).expect("it was just unpacked");
            for place in &places {
                let found = bytes.windows(place.len()).position(|window| window == place.as_bytes());
                let around = found.map(|at| String::from_utf8_lossy(&bytes[at..(at + 120).min(bytes.len())]));
                assert_eq!(around, None, "{} of {package}", file.display());
            }
        }
    }
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("it is there").flatten() {
        match entry.path() {
            path if path.is_dir() => walk(&path, files),
            path => files.push(path),
        }
    }
}
