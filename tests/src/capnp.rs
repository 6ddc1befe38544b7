//! The configuration that workerd reads, written from what the deployment and the story want.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::wrangler::Wrangler;

/// On a platform's socket, the field in which a request brings its `request.cf`, as JSON.
pub const CF_HEADER: &str = "story-cf";

/// Where workerd listens, and whether what is in front of it describes the requests, as Cloudflare does.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    pub port: u16,
    pub platform: bool,
}

/// Renders `config.capnp`. `modules` are paths relative to the file, the entry first; `text` bindings come
/// on top of the deployment's `[vars]`.
pub fn render(
    wrangler: &Wrangler,
    modules: &[String],
    text: &[(&str, &str)],
    socket: Socket,
    storage: &Path,
) -> String {
    let Socket { port, platform } = socket;
    let http = if platform { format!("(cfBlobHeader = {})", quote(CF_HEADER)) } else { "()".to_owned() };
    let list = |items: Vec<String>| items.join(",\n    ");
    let modules = modules.iter().map(|m| format!("(name = {0}, {1} = embed {0})", quote(m), kind(m)));
    let vars = wrangler.vars.iter().map(|(name, value)| match value {
        Value::String(s) => format!("(name = {}, text = {})", quote(name), quote(s)),
        other => format!("(name = {}, json = {})", quote(name), quote(&other.to_string())),
    });
    let text = text.iter().map(|(name, value)| format!("(name = {}, text = {})", quote(name), quote(value)));
    let objects = wrangler
        .durable_objects
        .iter()
        .map(|(binding, class)| format!("(name = {}, durableObjectNamespace = {})", quote(binding), quote(class)));
    let namespaces = wrangler.durable_objects.iter().map(|(_, class)| {
        let sql = wrangler.sqlite_classes.contains(class);
        format!("(className = {0}, uniqueKey = {0}, enableSql = {sql})", quote(class))
    });
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local", "private", "public"])),
    (name = "disk", disk = (path = {storage}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = {http}, service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    {modules}
  ],
  compatibilityDate = {date},
  compatibilityFlags = [{flags}],
  bindings = [
    {bindings}
  ],
  durableObjectNamespaces = [
    {namespaces}
  ],
  durableObjectStorage = (localDisk = "disk"),
  globalOutbound = "internet",
);
"#,
        storage = quote(&storage.to_string_lossy()),
        modules = list(modules.collect()),
        date = quote(&wrangler.compatibility_date),
        flags = wrangler.compatibility_flags.iter().map(|f| quote(f)).collect::<Vec<_>>().join(", "),
        bindings = list(vars.chain(text).chain(objects).collect()),
        namespaces = list(namespaces.collect()),
    )
}

/// As wrangler's rules have it.
fn kind(module: &str) -> &'static str {
    match module.rsplit('.').next() {
        Some("js" | "mjs") => "esModule",
        Some("wasm") => "wasm",
        Some("bin") => "data",
        _ => "text",
    }
}

/// A Cap'n Proto string literal.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}"); // writing to a String cannot fail
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_survives_quotes_newlines_and_other_alphabets() {
        assert_eq!(quote("a\"b\\c\nü"), r#""a\"b\\c\x0a\xc3\xbc""#);
    }
}
