//! Settings that a page shows can be parsed by whoever copies them.

use crate::Finding;
use crate::page::{Fence, Page};

/// What is wrong with the blocks of a page that say they are TOML or JSON.
pub fn check(page: &Page) -> Vec<Finding> {
    page.fences.iter().filter_map(|fence| Some(page.finding(fence.line, fault(fence)?))).collect()
}

fn fault(fence: &Fence) -> Option<String> {
    let error = match fence.language.as_str() {
        "toml" => fence.text.parse::<toml::Table>().err()?.message().to_owned(),
        "json" => serde_json::from_str::<serde_json::Value>(&fence.text).err()?.to_string(),
        _ => return None,
    };
    Some(format!("{}: {error}", fence.language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn faults(text: &str) -> usize {
        check(&Page::parse("x.md", text)).len()
    }

    #[test]
    fn what_says_it_is_toml_or_json_is() {
        assert_eq!(faults("```toml\na = 1\n[b]\nc = \"…\"\n```\n\n```json\n{\"a\": []}\n```\n"), 0);
        assert_eq!(faults("```toml\na = 1\na = 2\n```\n\n```json\n{\"a\": …}\n```\n"), 2);
        assert_eq!(faults("```console\n$ a = 1 = 2\n```\n"), 0);
    }
}
