//! The clients, what each does with what it paid for, and how its driver is started.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A client as others use it.
pub struct Client {
    /// On the command line and in file names; also the service that only this client buys.
    pub name: &'static str,
    /// In the table.
    pub label: &'static str,
    /// As the pins call it.
    pub package: &'static str,
    pub runtime: Runtime,
    /// File name of the driver, and what it is told besides the URL.
    pub driver: (&'static str, Option<&'static str>),
    /// What it sends once it has paid.
    pub schemes: &'static [&'static str],
    /// Two calls for the same thing, as its documentation implies; where it does otherwise, the remark says why.
    pub calls: [Call; 2],
    pub remark: &'static str,
}

/// What a driver runs in, set up by `cargo xtask interop`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// All npm clients share one directory.
    Npm,
    /// Each Python client has an environment of this name for itself: their dependencies clash.
    Python(&'static str),
    Go,
}

/// How a call goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It gets a 402, pays, and gets what it wanted.
    Pays,
    /// It gets what it wanted for what it paid before.
    Reuses,
}

impl Call {
    /// What it comes to.
    pub const fn status(self) -> u16 {
        match self {
            Self::Pays | Self::Reuses => 200,
        }
    }

    /// Whether an invoice is paid.
    pub const fn pays(self) -> bool {
        matches!(self, Self::Pays)
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::Pays => "pays, 200",
            Self::Reuses => "reuses token, 200",
        }
    }
}

const L402: &[&str] = &["L402"];
const PAYMENT: &[&str] = &["Payment"];

pub const CLIENTS: &[Client] = &[
    Client {
        name: "alby-l402",
        label: "`@getalby/lightning-tools` `fetchWithL402`",
        package: "@getalby/lightning-tools",
        runtime: Runtime::Npm,
        driver: ("lightning-tools.mjs", Some("fetchWithL402")),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "the caller hands `response.payment.credentials` back",
    },
    Client {
        name: "alby-402",
        label: "`@getalby/lightning-tools` `fetch402`",
        package: "@getalby/lightning-tools",
        runtime: Runtime::Npm,
        driver: ("lightning-tools.mjs", Some("fetch402")),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "takes the challenge that comes first",
    },
    Client {
        name: "alby-mpp",
        label: "`@getalby/lightning-tools` `fetchWithMpp`",
        package: "@getalby/lightning-tools",
        runtime: Runtime::Npm,
        driver: ("lightning-tools.mjs", Some("fetchWithMpp")),
        schemes: PAYMENT,
        calls: [Call::Pays, Call::Pays],
        remark: "with `Accept-Payment: lightning/charge`; such a credential delivers once",
    },
    Client {
        name: "l402-npm",
        label: "`l402` (npm)",
        package: "l402",
        runtime: Runtime::Npm,
        driver: ("l402.mjs", None),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "give it a time limit",
    },
    Client {
        name: "mppx",
        label: "`mppx`",
        package: "mppx",
        runtime: Runtime::Npm,
        driver: ("mppx.mjs", None),
        schemes: PAYMENT,
        calls: [Call::Pays, Call::Pays],
        remark: "Lightning method of our own, 15 lines; finds `Payment` behind `L402`; such a credential delivers once",
    },
    Client {
        name: "l402-requests",
        label: "`l402-requests` (Python)",
        package: "l402-requests",
        runtime: Runtime::Python("l402_requests"),
        driver: ("l402_requests_client.py", None),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "keeps the token of an endpoint",
    },
    Client {
        name: "l402sdk",
        label: "`l402sdk` (Python)",
        package: "l402sdk",
        runtime: Runtime::Python("l402sdk"),
        driver: ("l402sdk_client.py", None),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "pays by its own LND REST backend",
    },
    Client {
        name: "bolthub",
        label: "`bolthub` (Python)",
        package: "bolthub",
        runtime: Runtime::Python("bolthub"),
        driver: ("bolthub_client.py", None),
        schemes: L402,
        calls: [Call::Pays, Call::Pays],
        remark: "pays by its own `PhoenixdWallet`; keeps only sessions of its own gateway",
    },
    Client {
        name: "pyl402",
        label: "`pyl402` (Python)",
        package: "pyl402",
        runtime: Runtime::Python("pyl402"),
        driver: ("pyl402_client.py", None),
        schemes: L402,
        calls: [Call::Pays, Call::Reuses],
        remark: "take the token out of its store after each call",
    },
    Client {
        name: "routeweiler",
        label: "`routeweiler` (Python)",
        package: "routeweiler",
        runtime: Runtime::Python("routeweiler"),
        driver: ("routeweiler_client.py", None),
        schemes: L402,
        calls: [Call::Pays, Call::Pays],
        remark: "keeps no token",
    },
    Client {
        name: "aperture",
        label: "aperture's package `l402` (Go)",
        package: "github.com/lightninglabs/aperture",
        runtime: Runtime::Go,
        driver: ("aperture-token", Some("aperture")),
        schemes: &["LSAT", "L402"],
        calls: [Call::Pays, Call::Reuses],
        remark: "checks version, payment hash, preimage and caveats of our token; not its signature, which takes the \
                 root key",
    },
];

impl Runtime {
    /// As `cargo xtask interop` names what it sets up.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Python(environment) => environment,
            Self::Go => "go",
        }
    }
}

impl Client {
    /// The version that is pinned, from the pins themselves.
    pub fn version(&self, interop: &Path) -> Option<String> {
        let (file, before, after) = match self.runtime {
            Runtime::Npm => ("package.json".to_owned(), format!("\"{}\": \"", self.package), '"'),
            Runtime::Python(environment) => {
                (format!("python/{environment}.txt"), format!("\n{}==", self.package), '\n')
            }
            Runtime::Go => ("go/go.mod".to_owned(), format!("{} v", self.package), '\n'),
        };
        let text = fs::read_to_string(interop.join(file)).ok()?;
        let (_, rest) = text.split_once(&before)?;
        rest.split(after).next().map(|version| version.trim().to_owned())
    }

    /// The driver on its way to `url`. `built` is where the runtimes are, `interop` where the drivers are.
    pub fn command(&self, built: &Path, interop: &Path, node: &Path, url: &str) -> Command {
        let (file, told) = self.driver;
        let mut command = match self.runtime {
            Runtime::Npm => {
                let mut node = Command::new(node);
                node.arg(built.join("npm").join(file));
                node
            }
            Runtime::Python(environment) => {
                let mut python = Command::new(built.join("python").join(environment).join("bin/python"));
                python.arg(interop.join("python").join(file));
                python
            }
            Runtime::Go => Command::new(built.join("go").join(file)),
        };
        command.arg(url).args(told);
        command
    }
}
