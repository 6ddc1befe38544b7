//! One module's source: which modules it declares, what it imports, and which paths it writes out.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Token, tokens};

/// Segments of a path, `crate`, `self` and `super` among them.
pub type Path = Vec<String>;

/// What one module says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub modules: Vec<(String, Declared)>,
    /// A name that `use` brings into scope, and the path it stands for.
    pub names: BTreeMap<String, Path>,
    /// `use path::*`
    pub globs: Vec<Path>,
    /// Every path that is written, those of `use` too.
    pub paths: Vec<Path>,
    /// Names of items; those of inner scopes too, which does no harm.
    pub items: BTreeSet<String>,
}

/// A module that another declares.
#[derive(Debug, PartialEq, Eq)]
pub enum Declared {
    /// `mod x;`, with the value of its `#[path]`.
    File(Option<String>),
    /// `mod x { … }`
    Inline(Source),
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

/// Reads a file. What is compiled for tests only is left out.
pub fn read(text: &str) -> Source {
    module(&without_tests(&tokens(text)))
}

fn module(tokens: &[Token]) -> Source {
    let mut source = Source::default();
    let (mut at, mut file) = (0, None);
    while let Some(token) = tokens.get(at) {
        let rest = &tokens[at..];
        let is_start = at == 0 || tokens[at - 1] != Token::Separator;
        at += 1;
        match (token, rest) {
            (Token::Word(_), [mod_, Token::Word(name), end, ..]) if mod_.is_word("mod") && *end == Token::Sign(';') => {
                source.modules.push((name.clone(), Declared::File(file.take())));
            }
            (Token::Word(_), [mod_, Token::Word(name), open @ Token::Sign('{'), ..]) if mod_.is_word("mod") => {
                let body = group(&rest[2..]);
                debug_assert_eq!(body.first(), Some(open));
                source.modules.push((name.clone(), Declared::Inline(module(&body[1..]))));
                at += 1 + body.len();
            }
            (Token::Word(word), [_, next, ..]) if word == "use" && *next != Token::Sign('<') => {
                let tree = statement(rest);
                source.import(&mut Path::new(), &tree[1..]);
                at += tree.len() - 1;
            }
            (Token::Sign('['), [_, path, Token::Sign('='), Token::Text(value), ..]) if path.is_word("path") => {
                file = Some(value.clone());
            }
            (Token::Word(word), [_, Token::Word(name), ..]) if ITEMS.contains(&word.as_str()) => {
                source.items.insert(name.clone());
            }
            (Token::Word(word), [_, Token::Sign('!'), Token::Word(name), ..]) if word == "macro_rules" => {
                source.items.insert(name.clone());
            }
            (Token::Word(_), _) if is_start => {
                let path = path(rest);
                at += (path.len() - 1) * 2;
                source.paths.extend((path.len() > 1).then_some(path));
            }
            _ => {}
        }
    }
    source
}

impl Source {
    /// Takes in a tree of `use`, from behind the keyword, below a path.
    fn import(&mut self, above: &mut Path, tree: &[Token]) {
        let depth = above.len();
        let mut at = 0;
        while let Some(token) = tree.get(at) {
            at += 1;
            match token {
                Token::Word(word) if word == "as" => {
                    let Some(Token::Word(name)) = tree.get(at) else { break };
                    self.name(above, name);
                    above.truncate(depth);
                    at += 1;
                }
                Token::Word(word) => above.push(word.clone()),
                Token::Sign('*') => {
                    self.globs.push(above.clone());
                    self.paths.push(above.clone());
                    above.truncate(depth);
                }
                Token::Sign('{') => {
                    let inner = group(&tree[at - 1..]);
                    self.import(above, &inner[1..inner.len().max(2) - 1]);
                    at += inner.len() - 1;
                    above.truncate(depth);
                }
                Token::Sign(_) => self.end_of_import(above, depth),
                Token::Separator | Token::Text(_) => {}
            }
        }
        self.end_of_import(above, depth);
    }

    fn end_of_import(&mut self, path: &mut Path, depth: usize) {
        if path.len() > depth {
            let last = path.iter().rfind(|segment| *segment != "self").cloned();
            self.name(path, &last.unwrap_or_default());
            path.truncate(depth);
        }
    }

    fn name(&mut self, path: &[String], name: &str) {
        let mut path = path.to_vec();
        // `use a::{self}` imports `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        self.names.insert(name.to_owned(), path.clone());
        self.paths.push(path);
    }
}

/// The path at the start.
fn path(tokens: &[Token]) -> Path {
    let mut path = Path::new();
    for pair in tokens.chunks(2) {
        let Some(Token::Word(word)) = pair.first() else { break };
        path.push(word.clone());
        if pair.get(1) != Some(&Token::Separator) {
            break;
        }
    }
    path
}

/// From an opening bracket to the one that closes it.
fn group(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[..=at];
        }
    }
    tokens
}

/// Up to the `;` that is in no brackets.
fn statement(tokens: &[Token]) -> &[Token] {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign(';') => return &tokens[..at],
            Token::Sign('(' | '[' | '{') => at += group(&tokens[at..]).len(),
            _ => at += 1,
        }
    }
    tokens
}

/// Leaves out each item under `#[cfg(test)]` and its like.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let is_attribute = *token == Token::Sign('#');
        match tokens.get(at + 1) {
            Some(Token::Sign('[')) if is_attribute && is_for_tests(group(&tokens[at + 1..])) => {
                at += 1 + group(&tokens[at + 1..]).len();
                at += item(&tokens[at..]);
            }
            Some(Token::Sign('!')) if is_attribute && is_for_tests(group(&tokens[at + 2..])) => return Vec::new(),
            _ => {
                kept.push(token.clone());
                at += 1;
            }
        }
    }
    kept
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.is_word(word));
    attribute.get(1).is_some_and(|first| first.is_word("cfg")) && has("test") && !has("not") && !has("any")
}

/// How many tokens an item has, with the attributes that are left.
fn item(tokens: &[Token]) -> usize {
    let mut at = 0;
    while let [Token::Sign('#'), Token::Sign('['), ..] = tokens[at..] {
        at += 1 + group(&tokens[at + 1..]).len();
    }
    let ends_with_semicolon = tokens[at..]
        .iter()
        .take_while(|t| !matches!(t, Token::Sign('{' | ';' | '=')))
        .any(|t| ["use", "static", "type", "let"].iter().any(|word| t.is_word(word)));
    if ends_with_semicolon {
        return at + statement(&tokens[at..]).len() + 1;
    }
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign('{') => return at + group(&tokens[at..]).len(),
            Token::Sign('(' | '[') => at += group(&tokens[at..]).len(),
            Token::Sign(';' | ',') => return at + 1,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text).paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_tree_of_use_is_each_of_its_paths() {
        let text = "use crate::{a, b::{self, C as D}, e::*};\npub(crate) use super::f;";
        assert_eq!(paths(text), ["crate::a", "crate::b", "crate::b::C", "crate::e", "super::f"]);
        let source = read(text);
        let names: Vec<_> = source.names.keys().map(String::as_str).collect();
        assert_eq!(names, ["D", "a", "b", "f"]);
        assert_eq!(source.globs, [vec!["crate".to_owned(), "e".to_owned()]]);
    }

    #[test]
    fn a_path_in_an_expression_or_a_type_counts_and_a_comment_does_not() {
        let text = "/// [`crate::no`]\nfn f(x: &crate::a::B) -> super::C { c::d(self.e, \"crate::no\") }";
        assert_eq!(paths(text), ["crate::a::B", "super::C", "c::d"]);
        assert!(paths("fn f() -> impl Fn() + use<'a> { ::std::mem::drop }").is_empty());
    }

    #[test]
    fn what_is_for_tests_only_is_left_out_and_nothing_behind_it() {
        let behind = "fn g() { crate::yes::h() }";
        for test in [
            "#[cfg(test)]\nmod tests { use crate::no; fn f() { crate::no() } }",
            "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;",
            "#[cfg(test)]\nuse crate::{no};",
            "#[cfg(all(test, unix))]\nimpl X { fn f() { crate::no::g() } }",
            "#[cfg(test)]\nconst X: [u8; 3] = crate::no::X;",
            "#[cfg(test)]\nconst fn f(x: [u8; 3]) -> u8 { crate::no::X }",
        ] {
            let source = format!("{test}\n{behind}");
            assert_eq!(paths(&source), ["crate::yes::h"], "{test}");
            assert!(read(&source).modules.is_empty(), "{test}");
        }
        assert!(paths("#![cfg(test)]\nuse crate::no;").is_empty());
        assert_eq!(paths("#[cfg(not(test))]\nuse crate::yes;"), ["crate::yes"]);
    }

    #[test]
    fn modules_are_files_or_inline_and_an_inline_one_keeps_its_own_paths() {
        let source = read("mod a;\n#[path = \"c.rs\"]\npub mod b;\nmod d { use super::e; }\nuse crate::f;");
        let [(a, Declared::File(None)), (b, Declared::File(Some(c))), (d, Declared::Inline(inline))] =
            source.modules.as_slice()
        else {
            panic!("{source:?}")
        };
        assert_eq!([a, b, c, d], ["a", "b", "c.rs", "d"]);
        assert_eq!(inline.names.get("e"), Some(&vec!["super".to_owned(), "e".to_owned()]));
        assert_eq!(source.names.len(), 1);
    }
}
