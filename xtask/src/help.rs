//! What `cargo xtask COMMAND --help` prints. `devnet` says it itself; the page of all commands is in `main.rs`.

use crate::test;

/// Whether the words after a command ask what it does.
pub fn is_asked(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--help" || arg == "-h")
}

/// The page of one command; `None` when there is no such command.
pub fn of(command: &str) -> Option<String> {
    let text = match command {
        "dev" => {
            "\
usage: cargo xtask dev

Sets up what is missing, then runs the demo on this machine until Ctrl-C, and prints what to type:

  8787  the worker         8789  the origin that it protects
  8788  the node webhook   8790  a page on somebody else's site
  9740  the dev wallet

BACKENDS        connection strings, one a line: invoices of your own node instead of the dev node's, and no dev wallet.
                `cargo xtask devnet up` makes a node and its connection string.
SATSTILE_STATE  the folder for what is remembered [default: .satstile]

Secrets are made once, in .dev.vars. What is sold is in wrangler.toml."
        }
        "test" => {
            return Some(format!(
                "\
usage: cargo xtask test [LANE…] [--install] [--lightning] [--rounds N] [--seed N]

Sets up what is missing, then runs checks and tests, lane by lane; a lane that fails does not stop the others.

{}
Without a LANE all run but those \"on request\", which need Chromium, nginx and Caddy, minutes, or Go and half an
hour the first time.

  --install    also install what a lane lacks (apt as root, cargo install)
  --lightning  the lane lightning
  --rounds N   of the lane ledger [default: 20]
  --seed N     of the lane ledger, to repeat its plan",
                test::table()
            ));
        }
        "interop" => {
            "\
usage: cargo xtask interop [NAME…]

Clients that others wrote, unmodified and at pinned versions, pay at the built worker; or only those named. Languages
that the machine lacks (Go, Python with venv) are skipped by name. docs/interop.md has the names and the last result."
        }
        "ci" => {
            "\
usage: cargo xtask ci [--install]

What a merge waits for, within 75 minutes on two cores: the lanes of `cargo xtask test`, then browser, ledger, dist
with proxies, interop, deny and lightning. A lane for which no time is left is named, and fails the run.

  --install    also install what a lane lacks (apt as root, cargo install)"
        }
        "setup" => {
            "\
usage: cargo xtask setup

Only sets up: the wasm target of Rust, and the tools from npm at the versions of package-lock.json."
        }
        "worker" => {
            "\
usage: cargo xtask worker [--dev]

Builds pkg/widget and pkg/worker, which wrangler.toml and examples/self-hosting run.

  --dev    quick to build, large and slow to run"
        }
        "dist" => {
            "\
usage: cargo xtask dist

Builds the npm packages into pkg/npm, packed as they are published, and prints where they are."
        }
        "circles" => {
            "\
usage: cargo xtask circles

Prints the circles of files that import one another, crate by crate. A circle of more than two files fails, unless
xtask/circles.toml lists it; an entry whose circle is smaller or gone fails, too, so that the list only gets shorter.
Tests are left out, and so is what a module shares with the modules in it."
        }
        "size" => {
            "\
usage: cargo xtask size

Prints the gzip sizes of worker and widget, as built last, beside their budgets, the CPU time that a new worker needs for its
first answer, and the sizes of the packages; what is over fails. `cargo xtask worker` builds worker and widget, `cargo xtask dist` the packages."
        }
        "bench" => {
            "\
usage: cargo xtask bench [OPTION…]

Builds for release and measures requests a second, latency and CPU; beside aperture where Go is installed (building lnd and
aperture takes up to 30 minutes, once). docs/book/src/bench.md has the last figures.

  --no-peers        leave lnd and aperture out; invoices are the dev node's then
  --only NAME       only the lines with this in their names
  --rounds N        the median counts [default: 3]
  --seconds N       for each line in each round [default: 5]
  --connections N   kept open [default: 16]"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_page_has_one_of_its_own_and_devnet_has_it_elsewhere() {
        let listed = crate::USAGE.lines().filter_map(|line| line.strip_prefix("  ")?.split([' ', '|']).next());
        let commands: Vec<&str> = listed.filter(|word| !word.is_empty() && !word.starts_with('-')).collect();
        assert!(commands.len() > 8, "{commands:?}");
        for command in commands.into_iter().filter(|command| *command != "devnet") {
            let page = of(command).unwrap_or_else(|| panic!("{command} has no page"));
            assert!(page.starts_with(&format!("usage: cargo xtask {command}")), "{page}");
        }
        assert!(of("deploy").is_none());
    }

    #[test]
    fn the_page_of_the_tests_names_every_lane_and_which_wait_to_be_named() {
        let page = of("test").unwrap();
        for lane in test::lanes().split(", ") {
            assert!(page.lines().any(|line| line.trim_start().starts_with(lane)), "{lane}");
        }
        let on_request = page.lines().filter(|line| line.ends_with("(on request)")).count();
        assert_eq!(on_request, 5, "{page}");
    }

    #[test]
    fn help_is_asked_for_by_either_name_and_not_by_a_lane() {
        let asked = |args: &[&str]| is_asked(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert!(asked(&["--help"]) && asked(&["fmt", "-h"]));
        assert!(!asked(&[]) && !asked(&["fmt", "--install"]));
    }

    /// The first `cargo xtask` compiles it for a minute; cargo says so only if it may speak.
    #[test]
    fn the_alias_lets_cargo_say_what_it_does_c11() {
        let config = include_str!("../../.cargo/config.toml");
        let alias = config.lines().find_map(|line| line.strip_prefix("xtask = ")).unwrap();
        assert!(alias.contains("run --package xtask") && !alias.contains("-q"), "{alias}");
    }
}
