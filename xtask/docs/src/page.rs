//! A Markdown page, taken apart into what can be checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::{Finding, html};

/// Folders that hold no pages of ours: built, fetched, or what the demo's origin serves to its visitors.
const ELSEWHERE: [&str; 5] = ["target", "node_modules", "pkg", "book/book", "examples/demo-origin"];

/// A fenced block.
pub struct Fence {
    /// Its first line.
    pub line: usize,
    /// The word behind the fence.
    pub language: String,
    /// What is in it.
    pub text: String,
}

/// What is in a page.
pub struct Page {
    /// From the workspace root.
    pub path: PathBuf,
    /// What can stand behind `#`.
    pub anchors: Vec<String>,
    /// Line and target of each link and picture.
    pub links: Vec<(usize, String)>,
    /// Its fenced blocks.
    pub fences: Vec<Fence>,
    /// Line and text of code within sentences.
    pub code: Vec<(usize, String)>,
}

impl Page {
    /// Every page of the repository, in the order of their names.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let mut paths = Vec::new();
        walk(root, root, &mut paths)?;
        paths.sort();
        let read = |path: PathBuf| {
            let text =
                fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Self::parse(path, &text))
        };
        paths.into_iter().map(read).collect()
    }

    /// Takes `text` apart.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Self {
        let mut page = Self { path: path.into(), anchors: vec![], links: vec![], fences: vec![], code: vec![] };
        let (mut heading, mut fence, mut slugs) = (None::<String>, None::<Fence>, BTreeMap::new());
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            let line = html::line(text, range.start);
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().unwrap_or_default());
                    let before = slugs.entry(slug.clone()).or_insert(0);
                    page.anchors.push(if *before == 0 { slug } else { format!("{slug}-{before}") });
                    *before += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line, dest_url.into_string()));
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let language = info.split([' ', ',']).next().unwrap_or_default().to_owned();
                    fence = Some(Fence { line: line + 1, language, text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => page.fences.extend(fence.take()),
                Event::Text(part) => match (&mut fence, &mut heading) {
                    (Some(fence), _) => fence.text.push_str(&part),
                    (None, Some(heading)) => heading.push_str(&part),
                    (None, None) => {}
                },
                Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                    page.code.push((line, part.into_string()));
                }
                Event::Html(part) | Event::InlineHtml(part) => page.anchors.extend(html::ids(&part).map(str::to_owned)),
                _ => {}
            }
        }
        page
    }

    /// Something this page says that is not so.
    pub fn finding(&self, line: usize, what: String) -> Finding {
        Finding { page: self.path.display().to_string(), line, what }
    }
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden && !ELSEWHERE.iter().any(|elsewhere| path.ends_with(elsewhere)) {
            walk(root, &path, paths)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "md") {
            paths.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
        }
    }
    Ok(())
}

/// The anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_apart_into_what_can_be_checked() {
        let text = "# `satstile`, a *door*\n\n## Twice\n\n## Twice\n\n[keys](keys.md#a) `cargo xtask dev`\n\n\
                    ```toml ignored\na = 1\n```\n\n<a id=\"old\"></a>\n\n![x](x.png)\n";
        let page = Page::parse("docs/x.md", text);
        assert_eq!(page.anchors, ["satstile-a-door", "twice", "twice-1", "old"]);
        assert_eq!(page.links, [(7, "keys.md#a".to_owned()), (15, "x.png".to_owned())]);
        assert_eq!(
            page.code.iter().map(|(_, code)| code.as_str()).collect::<Vec<_>>(),
            ["satstile", "cargo xtask dev"]
        );
        let fence = &page.fences[0];
        assert_eq!((fence.line, fence.language.as_str(), fence.text.as_str()), (10, "toml", "a = 1\n"));
        assert_eq!(page.fences.len(), 1);
    }
}
