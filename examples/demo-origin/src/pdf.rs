//! Sets a short text as a PDF, by hand: the fonts every reader has, no compression, nothing that was not needed for
//! two pages of text. Four kinds of block: `# title`, `## heading`, a paragraph, and lines indented by four spaces.

const WIDTH: f32 = 595.0; // A4, in points
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 76.0;
const FOOT: f32 = 44.0;

/// How one kind of block looks.
struct Style {
    font: Font,
    size: f32,
    /// From one line to the next.
    leading: f32,
    /// Before the block.
    space: f32,
    indent: f32,
    /// A block does not begin at the foot of a page with less room than this.
    room: f32,
}

#[derive(Clone, Copy)]
enum Font {
    Text = 1,
    Bold = 2,
    Code = 3,
}

const TITLE: Style = Style { font: Font::Bold, size: 21.0, leading: 26.0, space: 0.0, indent: 0.0, room: 0.0 };
const HEADING: Style = Style { font: Font::Bold, size: 13.0, leading: 17.0, space: 13.0, indent: 0.0, room: 80.0 };
const TEXT: Style = Style { font: Font::Text, size: 11.0, leading: 15.5, space: 7.0, indent: 0.0, room: 40.0 };
const CODE: Style = Style { font: Font::Code, size: 9.0, leading: 13.0, space: 7.0, indent: 12.0, room: 30.0 };
const FOOTER: Style = Style { font: Font::Text, size: 9.0, leading: 0.0, space: 0.0, indent: 0.0, room: 0.0 };

/// The whole file.
pub fn typeset(source: &str) -> Vec<u8> {
    let title = source.lines().next().unwrap_or_default().trim_start_matches("# ");
    let mut pages = Pages { done: Vec::new(), y: HEIGHT - MARGIN };
    for block in source.split("\n\n") {
        if let Some(text) = block.strip_prefix("# ") {
            pages.block(&TITLE, &wrap(text, &TITLE));
        } else if let Some(text) = block.strip_prefix("## ") {
            pages.block(&HEADING, &wrap(text, &HEADING));
        } else if block.starts_with("    ") {
            let lines: Vec<String> = block.lines().map(|line| line.trim_start_matches("    ").to_owned()).collect();
            pages.block(&CODE, &lines);
        } else {
            pages.block(&TEXT, &wrap(block, &TEXT));
        }
    }
    let count = pages.done.len();
    for (page, number) in pages.done.iter_mut().zip(1..) {
        line(page, &FOOTER, MARGIN, FOOT, &format!("{title}, {number} of {count}"));
    }
    file(title, &pages.done)
}

/// Content streams, the last one being written.
struct Pages {
    done: Vec<Vec<u8>>,
    y: f32,
}

impl Pages {
    fn block(&mut self, style: &Style, lines: &[String]) {
        self.y -= style.space;
        if self.y - style.room < MARGIN {
            self.done.push(Vec::new());
            self.y = HEIGHT - MARGIN;
        }
        for text in lines {
            if self.done.is_empty() || self.y - style.leading < MARGIN {
                self.done.push(Vec::new());
                self.y = HEIGHT - MARGIN;
            }
            self.y -= style.leading;
            if let Some(page) = self.done.last_mut() {
                line(page, style, MARGIN + style.indent, self.y, text);
            }
        }
    }
}

/// One line of text, as operators of a content stream (ISO 32000-1 §9.4).
fn line(page: &mut Vec<u8>, style: &Style, x: f32, y: f32, text: &str) {
    let (font, size) = (style.font as u8, style.size);
    page.extend_from_slice(format!("BT /F{font} {size} Tf 1 0 0 1 {x} {y} Tm (").as_bytes());
    page.extend_from_slice(&string(text));
    page.extend_from_slice(b") Tj ET\n");
}

/// The inside of a literal string, in WinAnsiEncoding.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '(' | ')' | '\\' => bytes.extend([b'\\', character as u8]),
            ' '..='~' => bytes.push(character as u8),
            _ => bytes.push(b'?'),
        }
    }
    bytes
}

/// Greedy, as wide as the page allows.
fn wrap(text: &str, style: &Style) -> Vec<String> {
    let room = WIDTH - 2.0 * MARGIN - style.indent;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or("", String::as_str);
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if last.is_empty() || width(&longer, style) <= room {
            lines.pop();
            lines.push(longer);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// In points. Bold is a little wider than what is counted here; only short headings are set in it.
fn width(text: &str, style: &Style) -> f32 {
    let thousandths: u32 = text.bytes().map(|b| u32::from(*TIMES.get(usize::from(b) - 32).unwrap_or(&500))).sum();
    f32::from(u16::try_from(thousandths).unwrap_or(u16::MAX)) * style.size / 1_000.0
}

/// Widths of Times-Roman from the space to the tilde, in thousandths of its size (Adobe's AFM of the standard 14).
#[rustfmt::skip]
const TIMES: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278,
    500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 278, 278, 564, 564, 564, 444,
    921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889, 722, 722,
    556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500,
    333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500,
    500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
];

/// Objects, cross-reference table and trailer (ISO 32000-1 §7.5). The pages are objects 7, 9, …, each before its stream.
fn file(title: &str, pages: &[Vec<u8>]) -> Vec<u8> {
    let kids: String = (0..pages.len()).map(|n| format!("{} 0 R ", 7 + 2 * n)).collect();
    let font = |name| format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>").into();
    let mut objects: Vec<Vec<u8>> = vec![
        "<< /Type /Catalog /Pages 2 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>".into(),
        format!("<< /Type /Pages /Kids [ {kids}] /Count {} >>", pages.len()).into(),
        font("Times-Roman"),
        font("Times-Bold"),
        font("Courier"),
        [b"<< /Title (", &string(title)[..], b") /Producer (satstile-demo-origin) >>"].concat(),
    ];
    for (page, n) in pages.iter().zip(0..) {
        let content = 8 + 2 * n;
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {content} 0 R \
                 /Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> >>"
            )
            .into(),
        );
        let head = format!("<< /Length {} >>\nstream\n", page.len());
        objects.push([head.as_bytes(), page, b"endstream"].concat());
    }

    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(); // four high bytes: "treat me as binary"
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(out.len());
        out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let (table, size) = (out.len(), objects.len() + 1);
    out.extend_from_slice(format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes());
    for offset in offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{table}\n%%EOF\n");
    out.extend_from_slice(trailer.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it says what it says. Everything is ASCII but the mark in the second line.
    fn find(file: &[u8], text: &str) -> Option<usize> {
        file.windows(text.len()).position(|window| window == text.as_bytes())
    }

    #[test]
    fn every_object_is_where_the_table_says() {
        let file = typeset("# A (small) file\n\nWith \\ and words.\n\n    code  here");
        let text: String = file.iter().map(|b| char::from(*b)).collect();
        let table: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        let mut lines = file[table..].split(|b| *b == b'\n').map(|line| String::from_utf8(line.to_vec()).unwrap());
        assert_eq!(lines.next().unwrap(), "xref");
        let count: usize = lines.next().unwrap().strip_prefix("0 ").unwrap().parse().unwrap();
        assert_eq!(lines.next().unwrap(), "0000000000 65535 f ");
        for number in 1..count {
            let line = lines.next().unwrap();
            assert_eq!(line.len(), 19, "an entry has 20 bytes with its end of line");
            let offset: usize = line[..10].parse().unwrap();
            assert!(file[offset..].starts_with(format!("{number} 0 obj\n").as_bytes()), "{line}");
        }
        assert_eq!(lines.next().unwrap(), "trailer");
        assert!(find(&file, "(A \\(small\\) file) Tj").is_some() && find(&file, "(With \\\\ and words.) Tj").is_some());
        assert!(find(&file, "(code  here) Tj").is_some(), "spaces in code stay");
    }

    #[test]
    fn a_stream_is_as_long_as_it_says() {
        let file = typeset(&format!("# T\n\n{}", "word ".repeat(900)));
        let text: String = file.iter().map(|b| char::from(*b)).collect();
        assert!(text.contains("/Count 2"));
        let mut streams = 0;
        for part in text.split("/Length ").skip(1) {
            let length: usize = part.split(' ').next().unwrap().parse().unwrap();
            let body = part.split_once("stream\n").unwrap().1;
            assert_eq!(&body[length..length + 9], "endstream");
            streams += 1;
        }
        assert_eq!(streams, 2);
    }

    #[test]
    fn no_line_runs_over_the_margin_and_no_word_is_lost() {
        let text = "Mammals want warm water, and (illicitly) little else. ".repeat(20);
        let lines = wrap(&text, &TEXT);
        assert!(lines.iter().all(|line| width(line, &TEXT) <= WIDTH - 2.0 * MARGIN));
        assert!(lines[..lines.len() - 1].iter().all(|line| width(line, &TEXT) > 350.0), "nor ends early");
        assert_eq!(lines.join(" "), text.trim());
    }
}
