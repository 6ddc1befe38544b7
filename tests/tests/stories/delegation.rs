//! Delegation with spending caps: a parent hands narrower tokens on, offline, and every cap of every ancestor holds,
//! whatever order the children spend in (T10, T71, T81).

use l402::encoding::to_base64;
use satstile_tests::Stack;
use serde_json::json;

use crate::common::{
    API, Offer, Purchase, after_the_409s, attenuate, buy, eventually, get_with, is_charged, l402, plenty, seen, shared,
};

/// `L402 <macaroon>:<preimage>` with these caveats after those of the ten-use parent.
fn child(ticket: &Purchase, more: &[&str]) -> String {
    ticket.attenuated(&[&["satstile_uses=10"], more].concat())
}

/// Asks until nothing is left, however often it is told to wait; how many were delivered.
fn spend_all(stack: &Stack, authorization: &str) -> usize {
    let mut delivered = 0;
    loop {
        match after_the_409s(stack, API, authorization).status {
            200 => delivered += 1,
            402 => return delivered,
            other => panic!("{other}"),
        }
    }
}

/// How many uses a token still has, one after the other.
#[track_caller]
fn gives(stack: &Stack, authorization: &str, uses: usize) -> Offer {
    stack.origin.clear();
    for n in 0..uses {
        let response = after_the_409s(stack, API, authorization);
        assert_eq!(response.status, 200, "use {n}: {}", response.text());
    }
    let offer = Offer::read(after_the_409s(stack, API, authorization));
    assert_eq!(seen(stack).len(), uses);
    offer
}

#[track_caller]
fn detail(offer: &Offer) -> String {
    offer.response.json()["detail"].as_str().unwrap_or_default().to_owned()
}

/// T71: two children of seven under a parent of ten, spending at the same time: ten, and nobody more than seven.
#[test]
fn two_children_spend_what_their_parent_has_and_no_more() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let children = ["agent=a", "agent=b"].map(|name| child(&ticket, &[name, "satstile_uses=7"]));
    let spent: Vec<usize> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|n| {
                let (stack, child) = (&stack, &children[n % 2]);
                (n % 2, scope.spawn(move || spend_all(stack, child)))
            })
            .collect();
        let mut spent = vec![0, 0];
        for (whose, one) in all {
            spent[whose] += one.join().unwrap();
        }
        spent
    });
    assert_eq!(spent.iter().sum::<usize>(), 10, "{spent:?}");
    assert!(spent.iter().all(|n| *n <= 7), "{spent:?}");
    assert_eq!(seen(&stack).len(), 10);
    // Nothing is left for the parent, and the payment itself is not held by a limit that its holder set.
    is_charged(&stack, &child(&ticket, &[]));
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
}

/// What went wrong when only the smallest limit was known: a child has its own uses, not what is left of the parent's
/// after subtracting from the child's.
#[test]
fn a_child_of_three_has_three_when_the_parent_has_used_five_of_ten() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for _ in 0..5 {
        assert_eq!(after_the_409s(&stack, API, &child(&ticket, &[])).status, 200);
    }
    let says = detail(&gives(&stack, &child(&ticket, &["satstile_uses=3"]), 3));
    assert!(says.contains("caveat 7, `satstile_uses=3`, is used up"), "{says}");
    // Two are left of the parent's, and a new child of three gets those.
    let says = detail(&gives(&stack, &child(&ticket, &["agent=b", "satstile_uses=3"]), 2));
    assert!(says.contains("caveat 6, `satstile_uses=10`, is used up"), "{says}");
}

#[test]
fn what_a_grandchild_spends_counts_for_all_of_its_ancestors() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let parent = ["satstile_uses=6"];
    let of = |more: &[&str]| ticket.attenuated(&[&parent[..], more].concat());
    // Budget and uses in one chain: 10 sats a use.
    let middle = ["agent=a", "satstile_budget_msat=40000"];
    let grandchild = [&middle[..], &["satstile_uses=3"]].concat();
    let says = detail(&gives(&stack, &of(&grandchild), 3));
    assert!(says.contains("caveat 9, `satstile_uses=3`"), "{says}");
    let says = detail(&gives(&stack, &of(&middle), 1));
    assert!(says.contains("caveat 8, `satstile_budget_msat=40000`, does not cover another use"), "{says}");
    let says = detail(&gives(&stack, &of(&[]), 2));
    assert!(says.contains("caveat 6, `satstile_uses=6`"), "{says}");
    // A grandchild made afterwards finds nothing, with all of its own limit unspent.
    let says = detail(&gives(&stack, &of(&["agent=c", "satstile_uses=2"]), 0));
    assert!(says.contains("caveat 6, `satstile_uses=6`"), "{says}");
}

/// T81: a delivery that the origin failed takes nothing from anybody.
#[test]
fn what_the_origin_did_not_deliver_goes_back_to_every_link() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let chain = ["satstile_uses=2", "satstile_budget_msat=20000", "agent=a", "satstile_uses=1"];
    let authorization = ticket.attenuated(&chain);
    for path in ["/api/fault/status/503", "/api/fault/hang-up", "/api/fault/cut?after=3", "/api/fault/challenge"] {
        let failed = after_the_409s(&stack, path, &authorization);
        assert!(failed.status >= 500 || !failed.complete, "{path}: {}", failed.status);
    }
    gives(&stack, &authorization, 1);
    gives(&stack, &ticket.attenuated(&chain[..2]), 1);
    gives(&stack, &ticket.attenuated(&chain[..1]), 0);
}

/// T3, T10: the caps of a chain are under its signature. Without the parent's, before it, or with another number, the
/// token is junk: 401, and no invoice.
#[test]
fn a_child_cannot_drop_reorder_or_rewrite_its_parents_cap() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let token = attenuate(&ticket.offer.macaroon, &["satstile_uses=5", "satstile_uses=4"]);
    let bytes = l402::encoding::base64_any(&token).unwrap();
    let packet = |caveat: &str| [&[2, u8::try_from(caveat.len()).unwrap()], caveat.as_bytes(), &[0]].concat();
    let (parents, childs) = (packet("satstile_uses=5"), packet("satstile_uses=4"));
    let at = find(&bytes, &parents);
    let (before, after) = (&bytes[..at], &bytes[at + parents.len() + childs.len()..]);
    let dropped = [before, &childs, after].concat();
    let reordered = [before, &childs, &parents, after].concat();
    let rewritten = [before, &packet("satstile_uses=9"), &childs, after].concat();
    let as_it_is = [before, &parents, &childs, after].concat();
    assert_eq!(as_it_is, bytes);
    for forged in [dropped, reordered, rewritten] {
        let response = get_with(&stack, API, &l402(&forged, &ticket.preimage));
        assert_eq!(response.status, 401, "{}", response.text());
        assert_eq!(response.header("www-authenticate"), Some("L402 realm=\"api\""));
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &l402(&bytes, &ticket.preimage)).status, 200);
    // A child that widens is known to be the holder's work, and sold another.
    is_charged(&stack, &ticket.attenuated(&["satstile_uses=4", "satstile_uses=5"]));
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).expect("the caveat is in the token")
}

/// Several macaroons in one credential are narrower together than each alone: all caps of all of them are taken from,
/// and one that they share is taken from once.
#[test]
fn two_tokens_in_one_credential_take_from_the_caps_of_both() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let token = |more: &[&str]| attenuate(&ticket.offer.macaroon, &[&["satstile_uses=4"], more].concat());
    let (a, b) = (token(&["agent=a", "satstile_uses=2"]), token(&["agent=b", "satstile_uses=3"]));
    let alone = |token: &str| format!("L402 {token}:{}", ticket.preimage);
    let both = format!("L402 {a},{b}:{}", ticket.preimage);
    gives(&stack, &both, 2);
    gives(&stack, &alone(&a), 0);
    gives(&stack, &alone(&b), 1);
    gives(&stack, &alone(&token(&[])), 1);
}

/// The seller's own limit and the holders' are one chain.
#[test]
fn a_grant_that_was_sold_with_uses_holds_for_every_child_of_it() {
    let stack = Stack::start(plenty(json!({"services": {"api": {"uses": 4}}})));
    let ticket = buy(&stack, API);
    let of = |more: &[&str]| ticket.attenuated(more);
    gives(&stack, &of(&["agent=a", "satstile_uses=1"]), 1);
    // The other scheme redeems the same grant, and its delivery is not theirs any more (C4).
    assert_eq!(after_the_409s(&stack, API, &ticket.payment()).status, 200);
    let says = detail(&gives(&stack, &of(&["agent=b", "satstile_uses=4"]), 2));
    assert!(says.contains("caveat 5, `satstile_uses=4`"), "{says}");
    gives(&stack, &ticket.l402(), 0);
}

/// T6: what a child is called is its parent's business, and is no way around the parent.
#[test]
fn children_that_share_every_caveat_share_their_uses() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let twin = || child(&ticket, &["satstile_uses=2"]);
    assert_eq!(get_with(&stack, API, &twin()).status, 200);
    eventually("the second", || (get_with(&stack, API, &twin()).status == 200).then_some(()));
    is_charged(&stack, &twin());
    // The same token in another alphabet is the same token (T5).
    let bytes =
        l402::encoding::base64_any(&attenuate(&ticket.offer.macaroon, &["satstile_uses=10", "satstile_uses=2"]));
    let url_safe = l402::encoding::to_base64url(&bytes.clone().unwrap());
    assert_ne!(url_safe, to_base64(&bytes.unwrap()));
    is_charged(&stack, &format!("L402 {url_safe}:{}", ticket.preimage));
}
