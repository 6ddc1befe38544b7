//! A QR code as an SVG path, small enough for a wasm. The page that the edge draws and the component in the browser show
//! the very same picture, so that nothing moves when one takes over from the other.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

use core::fmt::Write;

use alloc::string::String;
use alloc::vec;

use qrcodegen_no_heap::{QrCode, QrCodeEcc, QrSegment, Version};

/// White modules on each side (ISO/IEC 18004 §5.3.8): cameras need them, in dark mode too.
pub const QUIET: i32 = 4;
/// Above this version a code with more error correction is too fine for a phone's camera.
const MEDIUM_VERSION_MAX: Version = Version::new(12);

/// A picture: black modules on white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width and height of the view box, quiet zone included.
    pub size: i32,
    /// The `d` of one `<path>`, to be filled black.
    pub path: String,
}

/// `lightning:` and the invoice. The scheme is lower case, which apps insist on, the invoice upper case, which takes a
/// third fewer modules (BOLT 11 readers take both).
///
/// `None` for a text that no QR code can hold or that is no invoice.
#[must_use]
pub fn invoice(bolt11: &str) -> Option<Picture> {
    let upper = bolt11.to_ascii_uppercase();
    if !upper.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut bits = vec![0; upper.len()];
    draw(&[QrSegment::make_bytes(b"lightning:"), QrSegment::make_alphanumeric(&upper, &mut bits)])
}

/// Any other text, a link for example.
#[must_use]
pub fn text(text: &str) -> Option<Picture> {
    draw(&[QrSegment::make_bytes(text.as_bytes())])
}

fn draw(segments: &[QrSegment<'_>]) -> Option<Picture> {
    encode(segments, QrCodeEcc::Medium, MEDIUM_VERSION_MAX).or_else(|| encode(segments, QrCodeEcc::Low, Version::MAX))
}

fn encode(segments: &[QrSegment<'_>], level: QrCodeEcc, largest: Version) -> Option<Picture> {
    let (mut out, mut scratch) = (vec![0; largest.buffer_len()], vec![0; largest.buffer_len()]);
    let encoded = QrCode::encode_segments_to_codewords(segments, &mut out, level, Version::MIN, largest, false);
    let (length, level, version) = encoded.ok()?;
    Some(picture(&QrCode::encode_codewords(&mut out, length, &mut scratch, level, version, None)))
}

fn picture(code: &QrCode<'_>) -> Picture {
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let start = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > start {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{} {}h{2}v1h-{2}z", start + QUIET, y + QUIET, x - start);
            }
            x += 1;
        }
    }
    Picture { size: size + 2 * QUIET, path }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BOLT 11, "Please send $3 for a cup of coffee".
    const INVOICE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";

    /// What an independent reader makes of the path.
    fn read(picture: &Picture) -> String {
        let size = usize::try_from(picture.size).unwrap();
        let mut dark = vec![false; size * size];
        for run in picture.path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let width: usize = rest.split('v').next().unwrap().parse().unwrap();
            dark[y * size + x..][..width].fill(true);
        }
        let scale = 4;
        let module = |x: usize, y: usize| if dark[y / scale * size + x / scale] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(size * scale, size * scale, module);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_camera_reads_scheme_and_invoice_as_apps_want_them() {
        let picture = invoice(INVOICE).unwrap();
        assert_eq!(read(&picture), format!("lightning:{}", INVOICE.to_uppercase()));
        assert_eq!(text("https://example.com/a?b#c").map(|p| read(&p)).unwrap(), "https://example.com/a?b#c");
    }

    #[test]
    fn upper_case_makes_a_coarser_code() {
        assert!(invoice(INVOICE).unwrap().size < text(&format!("lightning:{INVOICE}")).unwrap().size);
    }

    #[test]
    fn the_quiet_zone_is_white() {
        let picture = invoice(INVOICE).unwrap();
        for run in picture.path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let width: i32 = rest.split('v').next().unwrap().parse().unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            assert!(x >= QUIET && y >= QUIET && x + width <= picture.size - QUIET && y < picture.size - QUIET);
        }
    }

    #[test]
    fn what_is_no_invoice_is_not_drawn() {
        assert_eq!(invoice("lnbc1\" onload=\"x"), None);
        assert_eq!(text(&"x".repeat(3_000)), None);
    }
}
