//! Rust source as a list of tokens: enough to read `mod`, `use` and paths, without what a parser of the language would
//! add to the build of xtask. Comments, lifetimes and numbers are left out.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An identifier or a keyword; a raw identifier without its `r#`.
    Word(String),
    /// A string literal's content, escapes as they are written.
    Text(String),
    /// `::`
    Separator,
    /// Any other character.
    Sign(char),
}

impl Token {
    /// Whether it is this keyword or identifier.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w == word)
    }
}

/// The tokens of a file.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { chars: source.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(first) = reader.peek(0) {
        match first {
            '/' if reader.peek(1) == Some('/') => reader.skip_until('\n'),
            '/' if reader.peek(1) == Some('*') => reader.skip_block_comment(),
            '"' => tokens.push(Token::Text(reader.string())),
            '\'' => reader.skip_char_or_lifetime(),
            ':' if reader.peek(1) == Some(':') => {
                reader.at += 2;
                tokens.push(Token::Separator);
            }
            c if c.is_ascii_digit() => drop(reader.word()),
            c if is_word(c) => tokens.extend(reader.word_or_literal()),
            c => {
                reader.at += 1;
                tokens.extend((!c.is_whitespace()).then_some(Token::Sign(c)));
            }
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip_until(&mut self, end: char) {
        while self.peek(0).is_some_and(|c| c != end) {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self) -> String {
        self.at += 1;
        let start = self.at;
        while let Some(c) = self.peek(0).filter(|c| *c != '"') {
            self.at += if c == '\\' { 2 } else { 1 };
        }
        self.end_of_literal(start, 1)
    }

    /// From the hashes, if any, to behind those that close it.
    fn raw_string(&mut self) -> String {
        let hashes = (0..).take_while(|n| self.peek(*n) == Some('#')).count();
        self.at += hashes + 1;
        let start = self.at;
        let closes =
            |reader: &Self| reader.peek(0) == Some('"') && (1..=hashes).all(|ahead| reader.peek(ahead) == Some('#'));
        while self.peek(0).is_some() && !closes(self) {
            self.at += 1;
        }
        self.end_of_literal(start, hashes + 1)
    }

    fn end_of_literal(&mut self, start: usize, closing: usize) -> String {
        let end = self.at.min(self.chars.len());
        self.at = end + closing;
        self.chars[start.min(end)..end].iter().collect()
    }

    /// `'a'` and `'\''` are characters, `'a` is a lifetime.
    fn skip_char_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            self.at += 3;
            self.skip_until('\'');
            self.at += 1;
        } else if self.peek(2) == Some('\'') {
            self.at += 3;
        } else {
            self.at += 1;
            self.word();
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// A word, or the literal of which it is the prefix; nothing for `b'x'`.
    fn word_or_literal(&mut self) -> Option<Token> {
        let word = self.word();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match (self.peek(0), self.peek(1)) {
            (Some('"'), _) if raw => Some(Token::Text(self.raw_string())),
            (Some('"'), _) if matches!(word.as_str(), "b" | "c") => Some(Token::Text(self.string())),
            (Some('\''), _) if word == "b" => {
                self.skip_char_or_lifetime();
                None
            }
            (Some('#'), Some('#' | '"')) if raw => Some(Token::Text(self.raw_string())),
            (Some('#'), Some(c)) if word == "r" && is_word(c) => {
                self.at += 1;
                Some(Token::Word(self.word()))
            }
            _ => Some(Token::Word(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let word = |token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        };
        tokens(source).into_iter().filter_map(word).collect()
    }

    #[test]
    fn comments_and_literals_hold_no_words() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r##"a "b \" c" d r#"e " f"# g b"h" i br"j" k"##), ["a", "d", "g", "i", "k"]);
        assert_eq!(words("a 'b' c '\\'' d b'e' f '\\u{1F600}' g 12_u8 h 0x1f"), ["a", "c", "d", "f", "g", "h"]);
    }

    #[test]
    fn a_lifetime_does_not_open_a_character() {
        assert_eq!(words("fn f<'a>(x: &'a str) -> &'static str"), ["fn", "f", "x", "str", "str"]);
    }

    #[test]
    fn a_raw_identifier_is_its_word_and_a_path_has_separators() {
        let path = [Token::Word("crate".into()), Token::Separator, Token::Word("type".into()), Token::Sign(':')];
        assert_eq!(tokens("crate::r#type:"), path);
        assert_eq!(tokens("\"a\\\"b\""), [Token::Text("a\\\"b".into())]);
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["\"a", "r#\"a\"", "/* a", "'\\", "'", "b'", "\"\\"] {
            tokens(source);
        }
    }
}
