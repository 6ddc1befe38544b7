//! What the fuzz targets in `tests/` share: inputs that are near something valid.
//!
//! Every target says two things: no input makes a parser panic, and what was read is written back the same. They run on
//! stable Rust as tests, a second each, or as long as told:
//!
//! ```sh
//! cargo test -p satstile-fuzz
//! BOLERO_RANDOM_TEST_TIME_MS=60000 cargo test -p satstile-fuzz --release -- --test-threads 1
//! BOLERO_RANDOM_SEED=… cargo test -p satstile-fuzz --test targets -- header::   # one failure again; its report names the seed
//! ```
//!
//! The same targets run under libFuzzer with `cargo bolero test -p satstile-fuzz <target>`, where nightly is at hand.

use bolero::TypeGenerator;

/// Random bytes seldom get past the first check of a parser; a sample with a few edits does.
#[derive(Debug, TypeGenerator)]
pub struct Input {
    sample: u8,
    #[generator(bolero::produce::<Vec<Edit>>().with().len(0_usize..6))]
    edits: Vec<Edit>,
    raw: Vec<u8>,
    /// Chance for the target to use.
    pub chance: u64,
}

/// One change; places are taken modulo the length.
#[derive(Clone, Debug, TypeGenerator)]
enum Edit {
    Replace(u16, u8),
    Flip(u16, u8),
    Insert(u16, u8),
    /// A character that means something to one of the grammars.
    Mark(u16, u8),
    Delete(u16, u8),
    /// A part, once more after itself.
    Repeat(u16, u8),
    /// The first part of this and the second part of another sample.
    Splice(u16, u8),
    /// The random bytes, in the middle.
    Noise(u16),
}

const MARKS: &[u8] = b",;:=\"\\/ %.+-_{}[]|\t\r\n\x00\x7f\xc3\xbf0";

impl Input {
    /// One of the samples after its edits; now and then nothing but random bytes.
    #[must_use]
    pub fn near(&self, samples: &[&[u8]]) -> Vec<u8> {
        let pick = |index: u8| samples.get(usize::from(index) % samples.len().max(1)).copied().unwrap_or_default();
        if self.chance.is_multiple_of(16) {
            return self.raw.clone();
        }
        let mut bytes = pick(self.sample).to_vec();
        for edit in &self.edits {
            let at = |place: u16| usize::from(place) % (bytes.len() + 1);
            match *edit {
                Edit::Replace(place, byte) => {
                    let at = at(place);
                    bytes.get_mut(at).into_iter().for_each(|b| *b = byte);
                }
                Edit::Flip(place, bit) => {
                    let at = at(place);
                    bytes.get_mut(at).into_iter().for_each(|b| *b ^= 1 << (bit % 8));
                }
                Edit::Insert(place, byte) => bytes.insert(at(place), byte),
                Edit::Mark(place, mark) => bytes.insert(at(place), MARKS[usize::from(mark) % MARKS.len()]),
                Edit::Delete(place, length) => {
                    let at = at(place);
                    bytes.drain(at..(at + usize::from(length)).min(bytes.len()));
                }
                Edit::Repeat(place, length) => {
                    let at = at(place);
                    let part = bytes[at..(at + usize::from(length)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
                Edit::Splice(place, other) => {
                    let other = pick(other);
                    bytes.truncate(at(place));
                    bytes.extend_from_slice(&other[(usize::from(place) % (other.len() + 1))..]);
                }
                Edit::Noise(place) => {
                    let at = at(place);
                    bytes.splice(at..at, self.raw.iter().copied().take(64));
                }
            }
        }
        bytes
    }

    /// The same as text; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn text_near(&self, samples: &[&str]) -> String {
        let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
        String::from_utf8_lossy(&self.near(&samples)).into_owned()
    }
}

/// `wire.md` §2, vector 3: an L402 token of 2 caveats, in base64.
pub const TOKEN: &str = concat!(
    "AgEEbHNhdAJCAAAC1EmjH7smfI81Lplop54+X8lcG76qUC/WRU695aS+3CIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiAAIO",
    "c2VydmljZXM9YXBpOjAAAhphcGlfdmFsaWRfdW50aWw9MTkwMDAwMDAwMAAABiDDTSooCa4bVOOLzFUCU/G11LPUYWwawfUqzFJmMkvNQA=="
);

/// The preimage that pays for [`TOKEN`] and for [`INVOICE`].
pub const PREIMAGE: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// A signed regtest invoice: 21 sats, made in 2030, 600 seconds.
pub const INVOICE: &str = concat!(
    "lnbcrt210n1pcnlvcqdqsg9hzqctjw35kxmr9pp5qt2yngclhvn8ere496vk3fu78e0ujhqmh649qt7kg48tmedyhmwqsp5xvenxvenxvenxven",
    "xvenxvenxvenxvenxvenxvenxvenxvenxves9qrsgqxqzjccqpjd63cp42ezmq6whnaergrh6zt40grmwd6dyq97ktptfp6v652vmnnrm6khyw",
    "7qw339gapxnekjnmprmtsgmugm4x9zs2v9s7k576y2ggpglgsq9"
);
