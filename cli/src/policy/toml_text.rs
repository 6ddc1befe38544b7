//! Writing a little TOML, so that it reads as if somebody had typed it.

/// A text in quotes. TOML's basic strings escape as JSON's do.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// `["a", "b"]`.
pub fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// A list of routes, one a line when there are several.
pub fn routes(patterns: &[String]) -> String {
    let route = |pattern: &String| format!("{{ path = {}, methods = [\"any\"] }}", quoted(pattern));
    match patterns {
        [one] => format!("[{}]", route(one)),
        many => format!("[\n{}]", many.iter().map(|p| format!("  {},\n", route(p))).collect::<String>()),
    }
}

/// 21000 as `21_000`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["plain", "a \"b\" \\ c", "line\nbreak\ttab", "\u{7f}\u{1}", "ä⚡"] {
            let table: toml::Table = format!("x = {}", quoted(text)).parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
        let table: toml::Table = format!("x = {}", routes(&["/a".to_owned(), "/b/*".to_owned()])).parse().unwrap();
        assert_eq!(table["x"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            (number(1), number(999), number(21_000), number(1_234_567)),
            ("1".into(), "999".into(), "21_000".into(), "1_234_567".into())
        );
    }
}
