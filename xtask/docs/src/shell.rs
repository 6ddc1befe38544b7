//! As much of a shell as is written in pages: words, quotes, comments, and where one command ends.

/// The commands of a `console` block: lines after `$`, put together where they end in a backslash.
pub fn commands(block: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in block.lines().enumerate() {
        let text = match (goes_on, line.strip_prefix("$ "), out.last_mut()) {
            (true, _, Some((_, before))) => {
                before.push(' ');
                before.push_str(line.trim_end_matches('\\'));
                goes_on = line.ends_with('\\');
                continue;
            }
            (_, Some(text), _) => text,
            _ => continue,
        };
        goes_on = text.ends_with('\\');
        out.push((number, text.trim_end_matches('\\').to_owned()));
    }
    out
}

/// The words of each simple command in a line, without assignments before it and redirections behind it.
pub fn words(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ';' | '|' | '&' | '(' | ')' | '<' | '>') => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    all.push(words);
    all.into_iter().map(without_assignments).filter(|words| !words.is_empty()).collect()
}

fn without_assignments(words: Vec<String>) -> Vec<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    words.into_iter().skip_while(|word| word.split_once('=').is_some_and(|(name, _)| is_name(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_its_commands_and_not_their_answers() {
        let block = "$ cargo xtask dev  # see\nsaid\n$ satstile-node --a \\\n    --b\n$ x\n";
        let found = commands(block);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(words(&found[1].1), [["satstile-node", "--a", "--b"]]);
    }

    #[test]
    fn a_line_is_its_commands_and_their_words() {
        let line = "(umask 077; A=\"$(cat 'x y')\" npx satstile secrets > .prod.vars) | sed 's/#a b/c/' # not this";
        let expected = ["umask_077", "npx_satstile_secrets", ".prod.vars", "sed_s/#a b/c/"];
        assert_eq!(words(line).iter().map(|words| words.join("_")).collect::<Vec<_>>(), expected);
    }
}
