//! Which pattern a path belongs to: exact paths and whole-segment prefixes, the longest wins (C11, T29).

mod shadow;

use core::fmt;

use sha2::{Digest, Sha256};

use crate::fault::Malformed;
use crate::path::{Allow, Target};
use crate::policy::PolicyFault;

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Free,
    /// A grant of the service at this index of [`crate::Policy::services`].
    Service(usize),
}

/// A set of request methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u8);

const NAMES: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

impl Methods {
    /// No method.
    pub const NONE: Self = Self(0);
    /// GET HEAD POST PUT PATCH DELETE.
    pub const ANY: Self = Self(0b11_1111);

    /// Reads upper-case names. GET brings HEAD with it, since a GET token opens both; `any` is all six.
    #[must_use]
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        names.into_iter().try_fold(Self::NONE, |set, name| match name {
            "any" => Some(Self::ANY),
            _ => Some(set.union(Self::listed(name)?)),
        })
    }

    /// Reads what `Display` writes: names with commas between, and no `any`.
    #[must_use]
    pub fn listed(names: &str) -> Option<Self> {
        names.split(',').try_fold(Self::NONE, |set, name| match name {
            "GET" => Some(set.union(Self(0b11))),
            _ => Some(set.union(Self::one(name)?)),
        })
    }

    /// The set of this one method, case as on the wire.
    #[must_use]
    pub fn one(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(|i| Self(1 << i))
    }

    /// Everything that is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether some method is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every method of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// `GET,HEAD`, in a fixed order: the value of `satstile_methods`.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().enumerate().filter(|(i, _)| self.0 & (1 << i) != 0);
        for (n, (_, name)) in names.enumerate() {
            f.write_str(if n > 0 { "," } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// A pattern, its methods, and what it asks for.
#[derive(Clone, Debug)]
pub struct Route {
    /// As the operator wrote it, `/articles/*`.
    pub pattern: String,
    /// Which methods it takes; others get 405.
    pub methods: Methods,
    /// What it asks for.
    pub access: Access,
    /// Names the route in caveats: 16 hex digits of the pattern's SHA-256, since a path may hold
    /// characters that a caveat must not (T6).
    pub id: String,
    /// Which spellings with two readings it takes (T26).
    pub allow: Allow,
    key: String,
    decoded: Vec<u8>,
    is_prefix: bool,
    /// The path is sold with and without a slash at its end: many origins serve the same under both (T29).
    is_either: bool,
}

impl Route {
    /// Checks a pattern: a canonical path, or one that ends in `/*`.
    ///
    /// # Errors
    /// A [`PolicyFault`] at `key` for a pattern or method that cannot stand.
    pub fn parse(key: &str, pattern: &str, methods: &[&str], access: Access) -> Result<Self, PolicyFault> {
        let (path, is_prefix) = match pattern.strip_suffix('*') {
            Some(path) if path.ends_with('/') => (path, true),
            Some(_) => return Err(PolicyFault::at(key, format!("`{pattern}`: a prefix ends in `/*`"))),
            None => (pattern, false),
        };
        if path.contains(['*', '?']) {
            return Err(PolicyFault::at(key, format!("`{pattern}`: only one `*`, at the end, and no query")));
        }
        let target = Target::parse(path).map_err(|why| PolicyFault::at(key, format!("`{pattern}`: {why}")))?;
        if path.starts_with("/.well-known/satstile/") {
            return Err(PolicyFault::at(key, "`/.well-known/satstile/` is the kit's own"));
        }
        let methods = match methods {
            [] => Methods::parse(["GET"]),
            names => Methods::parse(names.iter().copied()),
        };
        Ok(Self {
            pattern: pattern.to_owned(),
            methods: methods
                .ok_or_else(|| PolicyFault::at(key, "methods: any of GET HEAD POST PUT PATCH DELETE, or `any`"))?,
            access,
            id: hex::encode(Sha256::digest(pattern).get(..8).unwrap_or_default()),
            key: key.to_owned(),
            allow: Allow::default(),
            decoded: target.decoded_path().into_owned(),
            is_prefix,
            is_either: false,
        })
    }

    fn matches(&self, path: &[u8]) -> bool {
        // A prefix ends in a slash and a decoded path holds no slash that was not one before, so
        // comparing bytes compares whole segments.
        match (self.is_prefix, self.is_either) {
            (true, _) => path.starts_with(&self.decoded),
            (_, false) => path == self.decoded,
            (_, true) => unslashed(path) == unslashed(&self.decoded),
        }
    }

    /// Whether two patterns match the same paths.
    fn is_twin(&self, other: &Self) -> bool {
        self.is_prefix == other.is_prefix
            && (self.decoded == other.decoded
                || ((self.is_either || other.is_either) && !self.is_prefix && self.matches_unslashed(other)))
    }

    fn matches_unslashed(&self, other: &Self) -> bool {
        unslashed(&self.decoded) == unslashed(&other.decoded)
    }
}

/// A path without the slash at its end.
fn unslashed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// All routes, most specific first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable(Vec<Route>);

impl RouteTable {
    /// Sorts the routes: longer before shorter, exact before prefix.
    ///
    /// # Errors
    /// A [`PolicyFault`] for two patterns that match the same paths (T29).
    pub fn new(routes: Vec<Route>) -> Result<Self, PolicyFault> {
        Self::of(routes, true)
    }

    /// The same; of an origin that is not exact, which may fold capital letters and closing slashes, a paid path counts
    /// with and without its closing slash.
    ///
    /// # Errors
    /// As [`RouteTable::new`], and for a free pattern that would open a paid path there (T29).
    pub fn of(mut routes: Vec<Route>, origin_is_exact: bool) -> Result<Self, PolicyFault> {
        if !origin_is_exact {
            for route in &mut routes {
                route.is_either = !route.is_prefix && route.access != Access::Free;
            }
        }
        for (i, route) in routes.iter().enumerate() {
            let twin = routes.get(..i).unwrap_or_default().iter().find(|r| r.is_twin(route));
            if let Some(twin) = twin {
                return Err(PolicyFault::at(&route.key, format!("`{}` is already at {}", route.pattern, twin.key)));
            }
        }
        // Each behind those that are as specific: a sort of the library's is heavier than all of the above.
        let order = |route: &Route| (core::cmp::Reverse(route.decoded.len()), route.is_prefix);
        let mut sorted: Vec<Route> = Vec::with_capacity(routes.len());
        for route in routes {
            sorted.insert(sorted.partition_point(|before| order(before) <= order(&route)), route);
        }
        let table = Self(sorted);
        if !origin_is_exact {
            shadow::check(&table)?;
        }
        Ok(table)
    }

    /// Reads a target as its route permits. A spelling with two readings is taken where a route allows it and every reading
    /// is of that route: then none of them opens another one's doors (T26).
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn target<'a>(&self, raw: &'a str) -> Result<Target<'a>, Malformed> {
        let strict = match Target::parse(raw) {
            Err(strict @ Malformed::AmbiguousTarget(_)) => strict,
            read => return read,
        };
        if self.0.iter().all(|route| route.allow == Allow::default()) {
            return Err(strict);
        }
        let target = Target::parse_with(raw, Allow::ALL)?;
        let Some(route) = self.find(&target).filter(|route| route.allow.covers(target.used())) else {
            return Err(strict);
        };
        let is_same = |path: &Vec<u8>| self.find_path(path).is_some_and(|other| core::ptr::eq(other, route));
        match target.other_readings().iter().all(is_same) {
            true => Ok(target),
            false => Err(Malformed::AmbiguousTarget("its slashes could lead to another route")),
        }
    }

    /// The one route of a path. Its methods are the caller's next question: a path is never looked
    /// up again under a shorter pattern because of its method.
    #[must_use]
    pub fn find(&self, target: &Target<'_>) -> Option<&Route> {
        self.find_path(&target.decoded_path())
    }

    fn find_path(&self, path: &[u8]) -> Option<&Route> {
        self.0.iter().find(|route| route.matches(path))
    }

    /// All of them, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> RouteTable {
        RouteTable::new(
            patterns.iter().enumerate().map(|(i, p)| Route::parse("r", p, &[], Access::Service(i)).unwrap()).collect(),
        )
        .unwrap()
    }

    #[track_caller]
    fn check(patterns: &[&str], path: &str, found: Option<&str>) {
        let table = table(patterns);
        assert_eq!(table.find(&Target::parse(path).unwrap()).map(|r| r.pattern.as_str()), found);
    }

    #[test]
    fn the_longest_whole_segment_prefix_wins_t29() {
        let patterns = ["/*", "/a/*", "/a/b/*", "/a/b/c"];
        check(&patterns, "/", Some("/*"));
        check(&patterns, "/ab", Some("/*"));
        check(&patterns, "/a", Some("/*"));
        check(&patterns, "/a/", Some("/a/*"));
        check(&patterns, "/a/b", Some("/a/*"));
        check(&patterns, "/a/b/c", Some("/a/b/c"));
        check(&patterns, "/a/b/c/", Some("/a/b/*"));
        check(&patterns, "/a/b/cd", Some("/a/b/*"));
    }

    #[test]
    fn a_prefix_is_not_its_own_parent_and_case_counts() {
        check(&["/x/*"], "/x", None);
        check(&["/x/*"], "/x/", Some("/x/*"));
        check(&["/x/*"], "/X/", None);
        check(&["/articles"], "/articles/", None);
    }

    #[test]
    fn any_encoding_of_a_paid_path_is_that_path() {
        check(&["/*", "/caf%C3%A9/*"], "/caf%c3%a9/1", Some("/caf%C3%A9/*"));
        check(&["/*", "/a@b/*"], "/a%40b/1", Some("/a@b/*"));
        check(&["/*", "/a%40b/*"], "/a@b/1", Some("/a%40b/*"));
    }

    #[test]
    fn patterns_that_hide_something_are_refused() {
        for pattern in ["a", "/a*", "/*/a", "/a/../b", "/a?b", "/%61", "/a//b", "/.well-known/satstile/x", "*"] {
            assert!(Route::parse("r", pattern, &[], Access::Free).is_err(), "{pattern}");
        }
    }

    #[test]
    fn equal_patterns_are_refused_in_any_spelling() {
        let route = |p| Route::parse("r", p, &[], Access::Free).unwrap();
        assert!(RouteTable::new(vec![route("/a%40b"), route("/a@b")]).is_err());
        assert!(RouteTable::new(vec![route("/a"), route("/a/*"), route("/a/")]).is_ok());
    }

    #[test]
    fn get_brings_head_and_nothing_else() {
        assert_eq!(Methods::parse(["GET"]).unwrap().to_string(), "GET,HEAD");
        assert_eq!(Methods::parse(["POST"]).unwrap().to_string(), "POST");
        assert_eq!(Methods::parse(["any"]).unwrap(), Methods::ANY);
        for name in ["get", "TRACE", "OPTIONS", "ANY", ""] {
            assert_eq!(Methods::parse([name]), None, "{name}");
        }
        assert!(!Methods::parse(["GET"]).unwrap().contains(Methods::one("POST").unwrap()));
    }
}
