//! The widget's files: pages of any site may load them, caches may keep them, and a name with another build's id is
//! no file.

use satstile_tests::raw::Response;
use satstile_tests::{Workerd, WorkerdOptions, http};
use serde_json::json;

const BUILD: &str = "0123456789abcdef";

/// A worker with a widget of two lines.
fn with_widget() -> Workerd {
    let files = format!(
        r#"const bytes = (text) => new TextEncoder().encode(text).buffer;
        export const build = "{BUILD}";
        export default {{
          "widget.js": bytes("export {{}};"), "widget.json": bytes("{{}}"), "widget-{BUILD}/core.wasm": bytes("\0asm"),
          "widget-{BUILD}/de-at.json": bytes("{{}}"), "widget-{BUILD}/page.css": bytes("p{{}}"),
        }};"#
    );
    Workerd::start(WorkerdOptions { files: Some(files), ..WorkerdOptions::default() })
}

#[track_caller]
fn ask(worker: &Workerd, method: &str, name: &str, headers: &[(&str, &str)]) -> Response {
    http::send(method, &format!("http://{}/.well-known/satstile/{name}", worker.address()), headers, b"")
}

/// Item by item: what a script tag on another site, a cache and a careful browser need.
#[test]
fn a_page_of_any_site_may_load_the_widget() {
    let worker = with_widget();
    let pinned = |file: &str| format!("widget-{BUILD}/{file}");
    for (name, kind, body, caching) in [
        ("widget.js".to_owned(), "text/javascript; charset=utf-8", "export {};", "public, max-age=300"),
        ("widget.js?from=page".to_owned(), "text/javascript; charset=utf-8", "export {};", "public, max-age=300"),
        ("widget.json".to_owned(), "application/json", "{}", "public, max-age=300"),
        (pinned("core.wasm"), "application/wasm", "\0asm", "public, max-age=31536000, immutable"),
        (pinned("de-at.json"), "application/json", "{}", "public, max-age=31536000, immutable"),
        (pinned("page.css"), "text/css; charset=utf-8", "p{}", "public, max-age=31536000, immutable"),
    ] {
        let file = ask(&worker, "GET", &name, &[("origin", "https://blog.test")]);
        assert_eq!((file.status, file.text().as_str()), (200, body), "{name}");
        assert_eq!(file.all("content-type"), [kind], "{name}");
        assert_eq!(file.all("cache-control"), [caching], "{name}");
        assert_eq!(file.all("access-control-allow-origin"), ["*"], "{name}");
        assert_eq!(file.all("cross-origin-resource-policy"), ["cross-origin"], "{name}");
        assert_eq!(file.all("timing-allow-origin"), ["*"], "{name}");
        assert_eq!(file.all("x-content-type-options"), ["nosniff"], "{name}");
        let etag = (!caching.contains("immutable")).then(|| format!("\"{BUILD}\""));
        assert_eq!(file.header("etag").map(str::to_owned), etag, "{name}");
        assert_eq!((file.header("set-cookie"), file.header("access-control-allow-credentials")), (None, None));

        let head = ask(&worker, "HEAD", &name, &[]);
        assert_eq!((head.status, head.body.len(), head.header("content-type")), (200, 0, Some(kind)), "{name}");
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "{name}");
    }
}

/// RFC 9110 §13.1.2: the same build is not sent again; another one is.
#[test]
fn a_browser_that_has_this_build_is_told_so() {
    let worker = with_widget();
    let status = |name: &str, held: &str| ask(&worker, "GET", name, &[("if-none-match", held)]).status;
    for held in [format!("\"{BUILD}\""), format!("W/\"{BUILD}\""), format!("\"other\", \"{BUILD}\""), "*".to_owned()] {
        assert_eq!(status("widget.js", &held), 304, "{held}");
    }
    for held in ["\"0123456789abcdee\"", "", BUILD, "\"\""] {
        assert_eq!(status("widget.js", held), 200, "{held}");
    }
    let unchanged = ask(&worker, "GET", "widget.json", &[("if-none-match", "*")]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), Some(format!("\"{BUILD}\"").as_str()));
    assert_eq!(unchanged.all("access-control-allow-origin"), ["*"]);
    assert_eq!(status(&format!("widget-{BUILD}/core.wasm"), "*"), 200);
    assert_eq!(status("widget-0123456789abcdee/core.wasm", "*"), 404);
}

/// What is not there is the 404 of everything else here, also when it looks like one of ours.
#[test]
fn a_name_that_is_no_file_is_not_found() {
    let worker = with_widget();
    let nothing = ask(&worker, "GET", "nothing", &[]);
    for name in [
        "widget.css".to_owned(),
        "widget.wasm".to_owned(),
        "widget".to_owned(),
        "widget.js/".to_owned(),
        "constructor".to_owned(),
        "widget-/core.wasm".to_owned(),
        "widget-0123456789abcdee/core.wasm".to_owned(),
        format!("widget-{}/core.wasm", BUILD.to_uppercase()),
        format!("widget-{BUILD}/Core.wasm"),
        format!("widget-{BUILD}/core.txt"),
        format!("widget-{BUILD}/core"),
        format!("widget-{BUILD}/.js"),
        format!("widget-{BUILD}/a/core.wasm"),
        format!("widget-{BUILD}/other.js"),
    ] {
        let answer = ask(&worker, "GET", &name, &[]);
        assert_eq!((answer.status, answer.text()), (404, nothing.text()), "{name}");
        assert_eq!(answer.all("cache-control"), ["no-store"], "{name}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(&worker, method, "widget.js", &[]).status, 404, "{method}");
    }
    // The rules for every request hold for these.
    let foreign = ask(&worker, "GET", "widget.js", &[("host", "evil.test")]);
    assert_eq!(foreign.status, 421);
    assert_eq!(ask(&worker, "GET", "widget.js", &[("upgrade", "websocket"), ("connection", "upgrade")]).status, 400);
}

/// Without a widget in the build, and with a policy that does not stand, there is nothing to load.
#[test]
fn no_widget_is_served_without_one_or_while_the_configuration_is_faulty() {
    let none = "export const build = \"\"; export default {};".to_owned();
    let bare = Workerd::start(WorkerdOptions { files: Some(none), ..WorkerdOptions::default() });
    for held in ["\"\"", "*", "\"x\""] {
        assert_eq!(ask(&bare, "GET", "widget.js", &[("if-none-match", held)]).status, 404, "{held}");
    }
    let faulty = Workerd::start(WorkerdOptions {
        policy: json!({"services": {"articles": {"price_msat": 0}}}),
        files: Some("export const build = \"x\"; export default { \"widget.js\": new ArrayBuffer(1) };".to_owned()),
        ..WorkerdOptions::default()
    });
    assert_eq!(ask(&faulty, "GET", "widget.js", &[]).status, 503);
}
