//! All that is wrong with a policy. The edge stops at the first fault, which is enough to shut; who has to mend the file
//! wants the others as well. What was named is put right in a copy, and the copy is asked again.

use l402::Policy;
use l402::policy::PolicyFault;
use serde_json::{Map, Value, json};

/// More are not named: who has so many mends some and asks again.
const FAULTS_MAX: usize = 32;

/// The faults of a policy, the edge's own first; none, when it stands.
///
/// Where a fault could be no more than the consequence of one that was named before it, the list ends.
pub fn all(policy: &Value) -> Vec<PolicyFault> {
    let mut copy = policy.clone();
    let mut faults: Vec<PolicyFault> = Vec::new();
    while faults.len() < FAULTS_MAX {
        let Err(fault) = Policy::from_value(&copy) else { break };
        let is_consequence = faults.iter().any(|known| known.key == fault.key || is_within(&known.key, &fault.key));
        if is_consequence {
            break;
        }
        let mended = mend(&mut copy, &fault.key, faults.len());
        faults.push(fault);
        if !mended {
            break;
        }
    }
    for fault in &mut faults {
        if let Some(meant) = meant(fault) {
            fault.reason =
                format!("is not known; did you mean `{meant}`? {}", fault.reason.replacen("is not known; k", "K", 1));
        }
    }
    faults
}

/// The known key that was most likely meant by one that is not known.
fn meant(fault: &PolicyFault) -> Option<String> {
    let known = fault.reason.strip_prefix("is not known; known are ")?;
    let key = fault.key.rsplit('.').next()?.to_ascii_lowercase().replace('-', "_");
    let near = known.split(", ").map(|name| (distance(&key, name), name)).min()?;
    let is_part =
        |name: &str| key.len() > 3 && (name.starts_with(&key) || name.ends_with(&key) || key.starts_with(name));
    if near.0 <= 1 + key.len() / 4 {
        return Some(near.1.to_owned());
    }
    let mut parts = known.split(", ").filter(|name| is_part(name));
    parts.next().filter(|_| parts.next().is_none()).map(str::to_owned)
}

/// How many letters have to be changed, added or taken away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(left != *right)).min(above + 1).min(before + 1);
            diagonal = *above;
            before = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Whether a key is a part of what another key names.
fn is_within(key: &str, whole: &str) -> bool {
    key.strip_prefix(whole).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Puts something that stands in the place of a key, or takes the key away. Says whether it changed anything.
fn mend(policy: &mut Value, key: &str, count: usize) -> bool {
    let before = policy.clone();
    if mend_at(policy, key, "", count).is_none() {
        return false;
    }
    *policy != before
}

/// `key` is what is left of the path below `at`, `parent` the name of `at`.
fn mend_at(at: &mut Value, key: &str, parent: &str, count: usize) -> Option<()> {
    if let Some(rest) = key.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        let item = at.get_mut(index.parse::<usize>().ok()?)?;
        if let Some(rest) = rest.strip_prefix('.') {
            return mend_at(item, rest, parent, count);
        }
        *item = json!({ "path": free_path(count) });
        return Some(());
    }
    let table = at.as_object_mut()?;
    // A name of the operator's may have dots in it: the longest that is there is meant.
    let ends = key.char_indices().filter(|(_, c)| matches!(c, '.' | '[')).map(|(end, _)| end).chain([key.len()]);
    let name = ends.filter_map(|end| key.get(..end)).rfind(|name| table.contains_key(*name));
    let Some(name) = name else {
        // It is missing.
        table.insert(key.to_owned(), stand_in(key, parent, count)?);
        return Some(());
    };
    match key.get(name.len()..)? {
        "" => put(table, name, parent, count),
        rest => mend_at(table.get_mut(name)?, rest.strip_prefix('.').unwrap_or(rest), name, count)?,
    }
    Some(())
}

fn put(table: &mut Map<String, Value>, name: &str, parent: &str, count: usize) {
    let stand_in = match name {
        // Taken away, the price that is wrong would be one that is missing.
        "price_sats" if !table.contains_key("price_msat") => Some(json!(1)),
        _ => stand_in(name, parent, count),
    };
    match stand_in {
        Some(value) => {
            table.insert(name.to_owned(), value);
        }
        None => {
            table.remove(name);
        }
    }
}

/// What is right for a key that has to be there. `None` for those that need not be.
fn stand_in(name: &str, parent: &str, count: usize) -> Option<Value> {
    Some(match (name, parent) {
        ("version", "") => json!(1),
        ("deployment", "") => json!("stand-in"),
        // The network with the fewest rules: what it refuses is wrong on all.
        ("network", "") => json!("regtest"),
        ("origin", "") => json!("https://origin.stand-in.invalid"),
        ("hosts", "") => json!(["stand-in.invalid"]),
        ("public_url", "") => json!("https://stand-in.invalid"),
        ("path", "prepaid") => json!(format!("{}/prepaid", free_path(count))),
        ("path", _) => json!(free_path(count)),
        ("price_msat", _) => json!(1_000),
        ("valid_s", _) => json!(60),
        ("routes", _) => json!([{ "path": free_path(count) }]),
        ("trusted_proxy", "client_ip") => json!("192.0.2.1"),
        ("header", "client_ip") => json!("x-forwarded-for"),
        _ => return None,
    })
}

/// A path that no other route has.
fn free_path(count: usize) -> String {
    format!("/stand-in-{count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_nearly_right_is_named_d12() {
        let said = |key: &str| {
            let known = "price_msat, price_sats, valid_s, uses, routes, description";
            meant(&PolicyFault {
                key: format!("services.api.{key}"),
                reason: format!("is not known; known are {known}"),
            })
        };
        for (typed, right) in [
            ("price_mast", "price_msat"),
            ("price-sats", "price_sats"),
            ("vaild_s", "valid_s"),
            ("use", "uses"),
            ("Routes", "routes"),
            ("valid", "valid_s"),
        ] {
            assert_eq!(said(typed).as_deref(), Some(right), "{typed}");
        }
        for other in ["colour", "x", "price"] {
            assert_eq!(said(other), None, "{other}");
        }
        assert_eq!((distance("uses", "uses"), distance("", "ab"), distance("mast", "msat")), (0, 2, 2));
    }

    fn demo() -> Value {
        json!({
            "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "free": [{"path": "/"}, {"path": "/assets/*"}],
            "services": {
                "api": {"price_msat": 10_000, "valid_s": 600, "routes": [{"path": "/api/*"}, {"path": "/v2/*"}]},
                "dear": {"price_msat": 50_000, "valid_s": 60, "routes": [{"path": "/dear/*"}]},
            },
        })
    }

    fn set(policy: &mut Value, at: &str, value: Value) {
        let (table, name) = at.rsplit_once('/').unwrap();
        let table = policy.pointer_mut(table).unwrap();
        match (table, name.parse::<usize>()) {
            (Value::Array(list), Ok(index)) => list[index] = value,
            (table, _) => table[name] = value,
        }
    }

    #[track_caller]
    fn check(changes: &[(&str, Value)], keys: &[&str]) {
        let mut policy = demo();
        for (at, value) in changes {
            set(&mut policy, at, value.clone());
        }
        let found: Vec<String> = all(&policy).into_iter().map(|fault| fault.key).collect();
        assert_eq!(found, keys, "{changes:?}");
    }

    #[test]
    fn a_policy_that_stands_has_no_fault() {
        check(&[], &[]);
    }

    #[test]
    fn two_faults_are_two_wherever_they_stand() {
        let zero = || json!(0);
        check(
            &[("/services/api/price_msat", zero()), ("/services/dear/valid_s", json!("1 h"))],
            &["services.api.price_msat", "services.dear.valid_s"],
        );
        check(
            &[("/services/api/price", zero()), ("/services/api/routes/1/path", json!("v2"))],
            &["services.api.price", "services.api.routes[1]"],
        );
        check(
            &[("/mode", json!("on")), ("/prise", zero()), ("/network", json!("moon"))],
            &["prise", "mode", "network"],
        );
        check(
            &[("/free/1/path", json!("/")), ("/services/dear/routes/0/path", json!("/api/*")), ("/timeouts", zero())],
            &["free[1]", "services.dear.routes[0]", "timeouts"],
        );
    }

    /// The nearest no: one fault is one, and none of its consequences is called another.
    #[test]
    fn one_fault_is_not_made_into_two() {
        for (at, value, key) in [
            ("/version", json!(2), "version"),
            ("/deployment", json!("A b"), "deployment"),
            ("/origin", json!("ftp://x"), "origin"),
            ("/network", json!("moon"), "network"),
            ("/hosts", json!(["a b"]), "hosts"),
            ("/services", json!(7), "services"),
            (
                "/services",
                json!({"Bad.Name": {"price_msat": 1, "valid_s": 1, "routes": [{"path": "/x"}]}}),
                "services.Bad.Name",
            ),
            ("/services/api/routes", json!([]), "services.api.routes"),
            ("/services/api/routes/0/path", json!("api"), "services.api.routes[0]"),
            ("/services/api/free_allowance", json!({"count": 0}), "services.api.free_allowance.count"),
            ("/client_ip", json!({"header": "x"}), "client_ip.trusted_proxy"),
            ("/prepaid", json!({"token_prefix": "abl_"}), "prepaid.path"),
            ("/free/0/methods", json!(["GTE"]), "free[0]"),
        ] {
            let mut policy = demo();
            set(&mut policy, at, value);
            let found: Vec<String> = all(&policy).into_iter().map(|fault| fault.key).collect();
            assert!(matches!(&found[..], [one] if one == key || one.starts_with(key)), "{key}: {found:?}");
        }
        check(&[("/network", json!("mainnet"))], &["hosts", "origin", "public_url"]);
    }

    #[test]
    fn the_first_is_the_edges_own() {
        let mut policy = demo();
        set(&mut policy, "/services/dear/valid_s", json!(0));
        set(&mut policy, "/services/api/uses", json!("many"));
        assert_eq!(all(&policy).first(), Policy::from_value(&policy).err().as_ref());
        assert_eq!(all(&json!([])).len(), 1);
    }
}
