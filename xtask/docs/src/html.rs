//! As much of HTML as the question takes where a page can be entered and where it leads.

/// The value of every `id` (and of `name`, as old anchors have it).
pub fn ids(text: &str) -> impl Iterator<Item = &str> {
    attributes(text).filter(|(_, name, _)| matches!(*name, "id" | "name")).map(|(_, _, value)| value)
}

/// Line and value of every `href` and `src`.
pub fn links(text: &str) -> impl Iterator<Item = (usize, String)> {
    let found = attributes(text).filter(|(_, name, _)| matches!(*name, "href" | "src"));
    found.map(|(at, _, value)| (line(text, at), value.replace("&amp;", "&")))
}

/// The line, from 1, of a byte.
pub fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Place, name and value of every attribute in double quotes, inside of tags and outside of scripts.
fn attributes(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('<')).map(|n| at + n) {
        let tag = text.get(start..).unwrap_or_default();
        let end = tag_end(tag);
        let inside = tag.get(..end).unwrap_or_default();
        collect(inside, start, &mut found);
        at = start + end.max(1);
        for element in ["script", "style"] {
            if inside.strip_prefix('<').is_some_and(|name| name.starts_with(element)) {
                let close = format!("</{element}");
                at = text.get(at..).and_then(|rest| rest.find(&close)).map_or(text.len(), |n| at + n);
            }
        }
    }
    found.into_iter()
}

/// The end of a tag: the first `>` that is not in quotes.
fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in tag.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at + 1,
            _ => {}
        }
    }
    tag.len()
}

fn collect<'a>(tag: &'a str, start: usize, found: &mut Vec<(usize, &'a str, &'a str)>) {
    let mut at = 0;
    while let Some(equals) = tag.get(at..).and_then(|rest| rest.find("=\"")).map(|n| at + n) {
        let name = tag.get(at..equals).and_then(|before| before.split_whitespace().last()).unwrap_or_default();
        let value = tag.get(equals + 2..).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        found.push((start + equals, name, value));
        at = equals + 2 + value.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<h1 id=\"top\" class=\"a>b\">x</h1>\n<script>var a = '<a href=\"no\">';</script>\n\
                        <a class=\"c\" href=\"keys.html?a=1&amp;b=2#top\">k</a> href=\"text\" <img src=\"p.png\">";

    #[test]
    fn attributes_of_tags_are_found_and_words_like_them_are_not() {
        assert_eq!(ids(PAGE).collect::<Vec<_>>(), ["top"]);
        let expected = [(3, "keys.html?a=1&b=2#top".to_owned()), (3, "p.png".to_owned())];
        assert_eq!(links(PAGE).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_page_that_breaks_off_ends() {
        for text in ["<", "<a href=\"", "<script", "<a href=\"x", "a=\"b"] {
            let _ = ids(text).count();
        }
        assert_eq!(links("<a href=\"x").collect::<Vec<_>>(), [(1, "x".to_owned())]);
    }
}
