//! Does a free pattern open a paid path at an origin that is less exact than we are (T29)?
//!
//! Many origins take `/Report` and `/report/` for `/report`. Where `/*` is free and `/report` is sold, `/Report` would be
//! free here and the report there. So the paid paths are written in other ways, one letter or slash at a time, and each of
//! them is looked up. Beyond ASCII every letter might have another form (`É`, or an accent as a letter of its own), and the
//! tables for that are not worth their weight: there, any change counts.

use super::{Access, Route, RouteTable, unslashed};
use crate::policy::PolicyFault;

pub(super) fn check(table: &RouteTable) -> Result<(), PolicyFault> {
    let is_free = |route: &&Route| route.access == Access::Free;
    for free in table.iter().filter(is_free) {
        for paid in table.iter().filter(|route| !is_free(route) && route.methods.meets(free.methods)) {
            if let Some(path) = opened(table, free, paid) {
                let path = String::from_utf8_lossy(&path).into_owned();
                return Err(PolicyFault::at(
                    &free.key,
                    format!(
                        "`{}` makes `{path}` free, and an origin that does not tell capital letters or closing slashes \
                         apart serves the paid `{}` there; name what is free more narrowly, or say `origin_exact = true` if \
                         the origin tells them apart",
                        free.pattern, paid.pattern
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// A path that is free by `free`, and might be of `paid` at the origin.
fn opened(table: &RouteTable, free: &Route, paid: &Route) -> Option<Vec<u8>> {
    let is_opened = |path: &Vec<u8>| {
        // Below a paid prefix stands more than the prefix.
        let below = [path, &b"x"[..]].concat();
        let path = if paid.is_prefix && path.ends_with(b"/") { &below } else { path };
        table.find_path(path).is_some_and(|found| core::ptr::eq(found, free))
    };
    if !free.is_prefix {
        // What the operator names free in so many words is free, also below a paid prefix; but not a paid path, or a part of
        // one, in other letters.
        let (bare, sold) = (unslashed(&free.decoded), unslashed(&paid.decoded));
        let is_sold = match paid.is_prefix {
            true => begins_alike(&free.decoded, &paid.decoded) && !free.decoded.starts_with(&paid.decoded),
            false => alike(bare, sold),
        };
        return is_sold.then(|| free.decoded.clone());
    }
    // With and without the closing slash; each in the free pattern's own letters, then in those of the paid one, as they
    // are and each in turn in its other case.
    let bare = unslashed(&paid.decoded);
    for sold in [bare.to_vec(), [bare, b"/"].concat()] {
        if !begins_alike(&sold, &free.decoded) {
            continue;
        }
        let written = [&free.decoded, sold.get(free.decoded.len()..)?].concat();
        let others = written.iter().enumerate().skip(free.decoded.len()).filter_map(|(place, byte)| {
            let mut other = written.clone();
            *other.get_mut(place)? = changed(*byte)?;
            Some(other)
        });
        if let Some(path) = others.chain([written.clone()]).find(is_opened) {
            return Some(path);
        }
    }
    None
}

/// The other case of a letter.
const fn changed(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Some(byte ^ 0x20),
        // Nothing that is sold or free has this byte.
        0x80.. => Some(0),
        _ => None,
    }
}

/// Whether an origin that folds letters takes them for the same.
fn alike(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b) || (!a.is_ascii() && !b.is_ascii()))
}

fn begins_alike(path: &[u8], beginning: &[u8]) -> bool {
    path.get(..beginning.len()).is_some_and(|head| alike(head, beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Target;

    fn table(free: &[&str], paid: &[&str], origin_is_exact: bool) -> Result<RouteTable, String> {
        let free = free.iter().map(|pattern| Route::parse("free", pattern, &[], Access::Free).unwrap());
        let paid = paid.iter().map(|pattern| Route::parse("paid", pattern, &[], Access::Service(0)).unwrap());
        RouteTable::of(free.chain(paid).collect(), origin_is_exact).map_err(|fault| fault.to_string())
    }

    #[track_caller]
    fn check(free: &[&str], paid: &[&str], is_taken: bool) {
        let made = table(free, paid, false);
        assert_eq!(made.is_ok(), is_taken, "{free:?} {paid:?} {made:?}");
        assert!(made.is_ok() || made.unwrap_err().contains("origin_exact = true"));
    }

    /// Row A12 (T29): what could be the paid path at an origin that folds letters or slashes.
    #[test]
    fn a_free_pattern_that_could_cover_a_paid_path_is_refused_a12() {
        for (free, paid) in [
            ("/*", "/report"),
            ("/*", "/report/"),
            ("/*", "/articles/*"),
            ("/*", "/2024/*"),
            ("/*", "/2024/1"),
            ("/blog/*", "/blog/paid"),
            ("/blog/*", "/blog/2024/paid/*"),
            ("/Blog/*", "/blog/paid"),
            ("/Blog/*", "/blog/*"),
            ("/Report", "/report"),
            ("/REPORT/", "/report"),
            ("/Articles/teaser", "/articles/*"),
            ("/report/*", "/report"),
            ("/*", "/caf%C3%A9"),
            ("/caf%C3%89", "/caf%C3%A9"),
            ("/*", "/%E6%96%87/*"),
        ] {
            let is_slash_alone = matches!(paid, "/2024/1");
            check(&[free], &[paid], is_slash_alone);
            assert!(table(&[free], &[paid], true).is_ok(), "{free} {paid}");
        }
    }

    #[test]
    fn what_is_free_beside_or_in_the_middle_of_what_is_sold_is_taken_a12() {
        check(&["/", "/free/*"], &["/articles/*", "/api/*", "/dear"], true);
        check(&["/articles/teaser"], &["/articles/*"], true);
        check(&["/articles/free/*"], &["/articles/*"], true);
        check(&["/articles"], &["/articles/*"], true);
        check(&["/*"], &["/2024/1", "/2024/2"], true);
        check(&["/reports/*", "/reporter"], &["/report"], true);
        // The other spellings are sold as well.
        check(&["/a/*"], &["/b/*", "/b"], true);
        check(&[], &["/*", "/Report", "/report/x"], true);
    }

    #[test]
    fn methods_that_do_not_meet_open_nothing_a12() {
        let free = Route::parse("free", "/*", &["GET"], Access::Free).unwrap();
        let paid = Route::parse("paid", "/report", &["POST"], Access::Service(0)).unwrap();
        assert!(RouteTable::of(vec![free.clone(), paid], false).is_ok());
        let paid = Route::parse("paid", "/report", &["any"], Access::Service(0)).unwrap();
        assert!(RouteTable::of(vec![free, paid], false).is_err());
    }

    /// A paid path is sold with and without its closing slash, unless the origin tells them apart.
    #[test]
    fn a_paid_path_and_the_same_with_a_slash_are_one_a12() {
        let found =
            |table: &RouteTable, path: &str| table.find(&Target::parse(path).unwrap()).map(|r| r.pattern.clone());
        let folding = table(&["/"], &["/report", "/list/"], false).unwrap();
        for (path, pattern) in
            [("/report", "/report"), ("/report/", "/report"), ("/list", "/list/"), ("/list/", "/list/")]
        {
            assert_eq!(found(&folding, path).as_deref(), Some(pattern), "{path}");
        }
        assert_eq!((found(&folding, "/report/x"), found(&folding, "/reports")), (None, None));
        let exact = table(&[], &["/report"], true).unwrap();
        assert_eq!((found(&exact, "/report/"), found(&exact, "/report").is_some()), (None, true));
        assert!(
            table(&["/report/"], &["/report"], false).is_err() && table(&[], &["/report", "/report/"], false).is_err()
        );
        assert!(table(&["/report/"], &["/report"], true).is_ok());
    }
}
