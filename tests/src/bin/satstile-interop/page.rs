//! `docs/interop.md`: the table of a run, without times or dates, so that it changes only when a client does.

use std::fmt::Write;

/// One client.
pub struct Row {
    pub client: &'static str,
    pub version: String,
    pub scheme: String,
    pub first: &'static str,
    pub second: &'static str,
    pub sats: i64,
    pub remark: &'static str,
}

const HEAD: &str = "\
# Clients

Written by `cargo xtask interop`; do not edit. Each client is the published package, unmodified. It asks twice for the
same thing at the built worker in a real workerd, and pays from the dev wallet; an invoice is 21 sats. What the calls
came to was read on the wire, and the sats in the worker's `audit`: what a client says of itself does not count. A
call that is refused fails the run: no client is known to pay in vain.

";

const TAIL: &str = "
The drivers in `tests/interop/` are short and made to be read: each shows how a client is used, and what to mind.
`cargo xtask interop NAME…` runs some of them; versions are pinned there, too (`package.json`, `python/*.txt`,
`go/go.mod`). To try another version, change its pin and run the lane.
";

/// The whole file.
pub fn page(rows: &[Row]) -> String {
    format!("{HEAD}{}{TAIL}", table(rows))
}

pub fn table(rows: &[Row]) -> String {
    let mut out = String::from("| client | version | scheme | first call | second call | sats | remarks |\n");
    out.push_str("| --- | --- | --- | --- | --- | ---: | --- |\n");
    for Row { client, version, scheme, first, second, sats, remark } in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {client} | {version} | {scheme} | {first} | {second} | {sats} | {remark} |");
    }
    out
}
