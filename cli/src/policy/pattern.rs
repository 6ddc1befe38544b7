//! From aperture's regular expressions to patterns: those that mean one path, or everything below one.
//!
//! What cannot be said as a pattern is not guessed at: it is handed back with the reason. A pattern never takes more
//! than its expression did, so nothing that was sold becomes free.

/// Most patterns that one expression may become.
const PATTERNS_MAX: usize = 32;

/// What became of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The patterns.
    pub patterns: Vec<String>,
    /// What is different now.
    pub note: Option<String>,
    /// How the paths begin that it took and the patterns do not; `None` when there are none.
    pub lost: Option<String>,
}

/// How an expression ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// `$`.
    Exact,
    /// `(/|$)`, `(/.*)?$`.
    Segment,
    /// `.*`, or nothing at all.
    Open,
}

/// Reads an expression for the path of a URL; an empty one takes every path.
///
/// # Errors
/// Why it cannot be a pattern.
pub fn of_path(regex: &str) -> Result<Carried, String> {
    let Literal { texts, end, mut notes, mut lost } = read(regex)?;
    let mut patterns = Vec::new();
    for text in texts {
        match (text.as_str(), end) {
            ("", End::Open) => patterns.push("/*".to_owned()),
            (path, _) if !path.starts_with('/') => return Err("The expression does not begin with a slash".to_owned()),
            (path, End::Exact) => patterns.push(path.to_owned()),
            (path, End::Open) if path.ends_with('/') => patterns.push(format!("{path}*")),
            (path, End::Segment) => patterns.extend([path.to_owned(), format!("{path}/*")]),
            (path, End::Open) => {
                patterns.extend([path.to_owned(), format!("{path}/*")]);
                notes.push(format!("The expression also takes {path}x; the patterns do not, so such a path is 404"));
                lost = Some(lost.map_or_else(|| path.to_owned(), |before| common(&before, path)));
            }
        }
    }
    patterns.dedup();
    Ok(Carried { patterns, note: (!notes.is_empty()).then(|| notes.join(". ")), lost })
}

/// Reads an expression for a host. An empty list is any host.
///
/// # Errors
/// Why it is not a list of hosts.
pub fn of_host(regex: &str) -> Result<Vec<String>, String> {
    let Literal { texts, end, .. } = read(regex)?;
    match (texts.as_slice(), end) {
        ([any], End::Open) if any.is_empty() => Ok(Vec::new()),
        (_, End::Segment) => Err("A host name has no slash".to_owned()),
        (hosts, _) => {
            let strip = |host: &String| host.trim_end_matches(':').to_owned();
            Ok(hosts.iter().map(strip).collect())
        }
    }
}

/// An expression that is a list of texts.
struct Literal {
    texts: Vec<String>,
    end: End,
    notes: Vec<String>,
    lost: Option<String>,
}

/// Literal beginnings, how they end, and what was not quite literal.
fn read(regex: &str) -> Result<Literal, String> {
    let mut notes = Vec::new();
    let mut lost = None;
    let rest = match regex.strip_prefix('^') {
        Some(rest) => rest,
        None => {
            if !regex.is_empty() && !regex.starts_with(".*") && !regex.starts_with("/.*") {
                notes.push("Without `^`, the expression matches anywhere in a path; the pattern matches from the beginning only".to_owned());
                lost = Some(String::new());
            }
            regex
        }
    };
    let mut texts = vec![String::new()];
    let mut chars = rest;
    loop {
        if matches!(chars, "$") {
            return Ok(Literal { texts, end: End::Exact, notes, lost });
        }
        if matches!(chars, "" | ".*" | ".*$" | "(.*)" | "(.*)$" | ".+" | ".+$") {
            return Ok(Literal { texts, end: End::Open, notes, lost });
        }
        if matches!(chars, "(/|$)" | "(?:/|$)" | "(/|$).*" | "(/.*)?$" | "(?:/.*)?$" | "(/.*|$)" | "($|/.*)" | "($|/)")
        {
            return Ok(Literal { texts, end: End::Segment, notes, lost });
        }
        let (ends, more) = piece(chars)?;
        let repeated = more.starts_with(['*', '+', '?', '{']);
        if repeated {
            return Err(format!("A pattern cannot repeat a piece, as `{}` does", first(more)));
        }
        if chars.starts_with('.') {
            if !notes.iter().any(|note| note.starts_with("A `.`")) {
                notes.push("A `.` stands for any character in the expression, and for a dot in the pattern".to_owned());
            }
            let begins = texts.iter().fold(lost.clone(), |lost, text| {
                Some(lost.map_or_else(|| text.clone(), |before| common(&before, text)))
            });
            lost = begins;
        }
        texts = texts.iter().flat_map(|text| ends.iter().map(move |end| format!("{text}{end}"))).collect();
        if texts.len() > PATTERNS_MAX {
            return Err(format!("The expression stands for more than {PATTERNS_MAX} paths"));
        }
        chars = more;
    }
}

/// What two texts begin with alike.
fn common(a: &str, b: &str) -> String {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// One literal, or a group of them; and what comes after.
fn piece(chars: &str) -> Result<(Vec<String>, &str), String> {
    let head = first(chars);
    let rest = chars.get(head.len()..).unwrap_or_default();
    match head {
        "\\" => {
            let escaped = first(rest);
            if escaped.is_empty() || escaped.chars().all(char::is_alphanumeric) {
                return Err(format!("`\\{escaped}` stands for a class of characters, which no pattern can say"));
            }
            Ok((vec![escaped.to_owned()], rest.get(escaped.len()..).unwrap_or_default()))
        }
        "(" => {
            let inner = rest.strip_prefix("?:").unwrap_or(rest);
            let (group, after) = inner.split_once(')').ok_or("A group has no end")?;
            let alternatives: Result<Vec<String>, String> = group.split('|').map(literal).collect();
            Ok((alternatives?, after))
        }
        "[" => Err("`[…]` stands for a class of characters, which no pattern can say".to_owned()),
        "|" => Err("`|` stands outside a group".to_owned()),
        ")" | "*" | "+" | "?" | "{" | "^" | "$" => Err(format!("`{head}` stands in the middle")),
        _ => Ok((vec![head.to_owned()], rest)),
    }
}

/// A text without anything special but escapes.
fn literal(text: &str) -> Result<String, String> {
    let mut read = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        if rest.starts_with('(') {
            return Err("A group stands within a group".to_owned());
        }
        let (one, more) = piece(rest)?;
        read.extend(one);
        rest = more;
    }
    Ok(read)
}

/// The first character, as a text.
fn first(text: &str) -> &str {
    let end = text.chars().next().map_or(0, char::len_utf8);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(regex: &str, patterns: &[&str]) {
        assert_eq!(of_path(regex).unwrap().patterns, patterns, "{regex}");
    }

    #[test]
    fn what_means_a_path_or_all_below_one_becomes_a_pattern() {
        check("", &["/*"]);
        check(".*", &["/*"]);
        check("^/.*$", &["/*"]);
        check("^/about$", &["/about"]);
        check("^/api/.*$", &["/api/*"]);
        check("^/free(/|$)", &["/free", "/free/*"]);
        check("^/api", &["/api", "/api/*"]);
        check("^/api.*$", &["/api", "/api/*"]);
        check(r"^/v1/data\.json$", &["/v1/data.json"]);
        check(r"^/(articles|api\-v2)/.*$", &["/articles/*", "/api-v2/*"]);
        check("^/looprpc.SwapServer/.*$", &["/looprpc.SwapServer/*"]);
    }

    #[test]
    fn what_is_narrower_now_is_said() {
        let note = |regex: &str| of_path(regex).unwrap().note;
        assert_eq!(note("^/api/.*$"), None);
        assert_eq!(note(r"^/a\.b$"), None);
        assert!(note("^/api").unwrap().contains("/apix"));
        assert!(note("/api/.*").unwrap().contains("Without `^`"));
        assert!(note("^/a.b$").unwrap().contains("for a dot in the pattern"));
    }

    #[test]
    fn how_the_lost_paths_begin_is_known() {
        let lost = |regex: &str| of_path(regex).unwrap().lost;
        assert_eq!(lost("^/api/.*$"), None);
        assert_eq!(lost("^/api").as_deref(), Some("/api"));
        assert_eq!(lost("^/(ab|ac)").as_deref(), Some("/a"));
        assert_eq!(lost("^/rpc.Server/.*$").as_deref(), Some("/rpc"));
        assert_eq!(lost("/api/.*").as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_pattern_is_not_guessed_at() {
        for regex in [
            r"^/users/\d+$",
            "^/[a-z]+$",
            "^/a.*/b$",
            "^/(a|(b|c))$",
            "^/a|^/b",
            "^/ab?$",
            "^/a+$",
            "^(/a",
            "^api$",
            "^/(a|b)(c|d)(e|f)(g|h)(i|j)(k|l)$",
        ] {
            assert!(of_path(regex).is_err(), "{regex}: {:?}", of_path(regex));
        }
    }

    #[test]
    fn a_host_is_a_name_or_any() {
        assert_eq!(of_host("^service1.com$").unwrap(), ["service1.com"]);
        assert_eq!(of_host("service2.com:8083").unwrap(), ["service2.com:8083"]);
        assert_eq!(of_host(r"^(a|b)\.example\.com$").unwrap(), ["a.example.com", "b.example.com"]);
        assert_eq!(of_host("^localhost:.*$").unwrap(), ["localhost"]);
        assert!(of_host(".*").unwrap().is_empty() && of_host("").unwrap().is_empty());
        assert!(of_host(r"^.*\.example\.com$").is_err());
    }
}
