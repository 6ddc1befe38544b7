//! Whether the rest of a label behind `xn--` is punycode (RFC 3492, 6.2). It is decoded and thrown away: a resolver is
//! asked for the label as it stands, and one that stands for nothing is somebody's trick.

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;
/// The first character beyond ASCII that is not a control character.
const FIRST: u32 = 0xa0;

/// In lower case. At least one character beyond ASCII must come out of it, or it would have needed no encoding.
pub(super) fn is_valid(text: &str) -> bool {
    decode(text).is_some()
}

fn decode(text: &str) -> Option<()> {
    let (basic, extended) = text.rsplit_once('-').unwrap_or(("", text));
    if extended.is_empty() {
        return None;
    }
    let mut length = u32::try_from(basic.len()).ok()?;
    let (mut n, mut i, mut bias) = (INITIAL_N, 0_u32, INITIAL_BIAS);
    let mut digits = extended.bytes().peekable();
    while digits.peek().is_some() {
        let before = i;
        let (mut weight, mut k) = (1_u32, BASE);
        loop {
            let digit = digit(digits.next()?)?;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k = k.checked_add(BASE)?;
        }
        length += 1;
        bias = adapt(i - before, length, before == 0);
        n = n.checked_add(i / length)?;
        char::from_u32(n).filter(|_| n >= FIRST)?;
        i = i % length + 1;
    }
    Some(())
}

fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 26),
        _ => None,
    }
}

fn adapt(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / length;
    let mut k = 0;
    while delta > ((BASE - T_MIN) * T_MAX) / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_rfc_3492_are_punycode() {
        // Section 7.1: (A) to (S), those that are names; and two of today.
        for text in [
            "egbpdaj6bu4bxfgehfvwxn",
            "ihqwcrb4cv8a8dqg056pqjye",
            "ihqwctvzc91f659drss3x8bo0yb",
            "4dbcagdahymbxekheh6e0a7fei0b",
            "i1baa7eci9glrd9b2ae1bj0hfcgg6iyaf8o0a1dig0cd",
            "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa",
            "b1abfaaepdrnnbgefbadotcwatmq2g4l",
            "3b-ww4c5e180e575a65lsy2b",
            "-with-super-monkeys-pc58ag80a8qai00g7n9n",
            "hello-another-way--fc4qua05auwb3674vfr0b",
            "2-u9tlzr9756bt3uc0v",
            "d9juau41awczczp",
            "mnchen-3ya",
            "bcher-kva",
        ] {
            assert!(is_valid(text), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_not() {
        // Nothing to decode; ASCII only; cut off; a surrogate's number; past Unicode; a control character.
        for text in
            ["", "-", "abc-", "mnchen-", "mnchen-3y", "mnchen-99999", "999999999", "zzzzzzzzzzzz", "a", "\u{e4}"]
        {
            assert!(!is_valid(text), "{text}");
        }
    }
}
