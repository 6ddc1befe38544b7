//! Spending caps and counted uses along a token's caveats: a parent's holds, whatever order its children spend in.
//!
//! A token is attenuated offline, so nobody tells the seller how many children it has. Each cap is therefore a row of
//! its own, named by the caveats from the root to it ([`link`]); a use takes from the row of its own token and from those
//! of all ancestors, or from none. All children of one root share the root's Durable Object, so one transaction sees
//! all the rows (systems D).

use l402::{Msat, PaymentHash};

use crate::id::Id;
use crate::refusal::Refusal;

/// The most caps one token may carry.
pub const CAPS_MAX: usize = 16;

/// One link of a chain, and what was taken through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cap {
    /// The caveats from the root to this one.
    pub id: Id,
    /// The nearest cap before it; `None` for the first.
    pub parent: Option<Id>,
    /// `satstile_budget_msat`.
    pub budget: Option<Msat>,
    /// `satstile_uses`.
    pub uses: Option<u32>,
    /// Taken and not given back, by this token and all of its descendants.
    pub spent: Msat,
    /// Uses begun and not given back.
    pub used: u32,
}

/// Names the place after one more caveat. Start with `None` and walk over *all* caveats, in order; at each that caps
/// something, this is the [`Cap::id`].
///
/// Two tokens with the same caveats are the same token, byte by byte, and share a row. A descendant can add caveats
/// after its ancestor's, never before, so it cannot walk around an ancestor's row.
#[must_use]
pub fn link(root: &PaymentHash, before: Option<Id>, caveat: &[u8]) -> Id {
    match before {
        None => Id::derive("cap", &[&root.0, caveat]),
        Some(before) => Id::derive("cap-link", &[&before.0, caveat]),
    }
}

impl Cap {
    /// A row nothing was taken from yet.
    #[must_use]
    pub const fn new(id: Id, parent: Option<Id>, budget: Option<Msat>, uses: Option<u32>) -> Self {
        Self { id, parent, budget, uses, spent: Msat(0), used: 0 }
    }

    fn takes(&self, link: usize, amount: Msat) -> Result<Self, Refusal> {
        let spent = self.spent.0.checked_add(amount.0).map(Msat).ok_or(Refusal::CapReached { link })?;
        if self.budget.is_some_and(|budget| spent > budget) {
            return Err(Refusal::CapReached { link });
        }
        let used = self.used.checked_add(1).ok_or(Refusal::UsesReached { link })?;
        if self.uses.is_some_and(|uses| used > uses) {
            return Err(Refusal::UsesReached { link });
        }
        Ok(Self { spent, used, ..*self })
    }

    fn gives(&self, amount: Msat, uses: u32) -> Option<Self> {
        let spent = self.spent.0.checked_sub(amount.0).map(Msat)?;
        Some(Self { spent, used: self.used.checked_sub(uses)?, ..*self })
    }
}

/// The last cap of a chain, which names the chain; `None` for a token without caps.
///
/// # Errors
/// [`Refusal::BrokenChain`] when `caps` is not a chain from the root on.
pub(crate) fn leaf(caps: &[Cap]) -> Result<Option<Id>, Refusal> {
    if caps.len() > CAPS_MAX {
        return Err(Refusal::BrokenChain);
    }
    let mut before = None;
    for cap in caps {
        if cap.parent != before {
            return Err(Refusal::BrokenChain);
        }
        before = Some(cap.id);
    }
    Ok(before)
}

/// Takes `amount` and one use from every cap of the chain, or from none.
///
/// # Errors
/// [`Refusal::CapReached`] or [`Refusal::UsesReached`] with the first link that does not cover it;
/// [`Refusal::BrokenChain`] when `caps` is not a chain from the root on.
pub fn take(caps: &mut [Cap], amount: Msat) -> Result<(), Refusal> {
    leaf(caps)?;
    for (link, cap) in caps.iter().enumerate() {
        cap.takes(link, amount)?;
    }
    for (link, cap) in caps.iter_mut().enumerate() {
        *cap = cap.takes(link, amount)?;
    }
    Ok(())
}

/// Gives `amount` and `uses` back to every cap of the chain that ends in `of`.
pub(crate) fn give(caps: &mut [Cap], of: Option<Id>, amount: Msat, uses: u32) -> Result<(), Refusal> {
    if leaf(caps)? != of || caps.iter().any(|cap| cap.gives(amount, uses).is_none()) {
        return Err(Refusal::BrokenChain);
    }
    for cap in caps {
        if let Some(after) = cap.gives(amount, uses) {
            *cap = after;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: PaymentHash = PaymentHash([7; 32]);

    /// A root of 10 with two children of 8 each.
    fn family() -> (Cap, Cap, Cap) {
        let root = link(&ROOT, None, b"satstile_budget_msat=10");
        let child = |name: &[u8]| {
            let named = link(&ROOT, Some(root), name);
            let id = link(&ROOT, Some(named), b"satstile_budget_msat=8");
            Cap::new(id, Some(root), Some(Msat(8)), None)
        };
        (Cap::new(root, None, Some(Msat(10)), None), child(b"agent=a"), child(b"agent=b"))
    }

    /// T10: two children of 8 under a parent of 10 spend 10 together, in either order.
    #[test]
    fn the_parents_cap_holds_whatever_order_the_children_spend_in() {
        for first_is_a in [true, false] {
            let (root, a, b) = family();
            let (first, second) = if first_is_a { (a, b) } else { (b, a) };
            let mut chain = [root, first];
            take(&mut chain, Msat(8)).unwrap();
            assert_eq!(take(&mut chain, Msat(1)), Err(Refusal::CapReached { link: 1 }), "its own cap");
            let mut chain = [chain[0], second];
            assert_eq!(take(&mut chain, Msat(3)), Err(Refusal::CapReached { link: 0 }), "the parent's");
            assert_eq!(chain[1].spent, Msat(0), "nothing was taken on the way to a refusal");
            take(&mut chain, Msat(2)).unwrap();
            assert_eq!((chain[0].spent, chain[1].spent), (Msat(10), Msat(2)));
        }
    }

    #[test]
    fn a_child_cannot_leave_its_parent_out() {
        let (root, a, b) = family();
        for mut chain in [vec![a], vec![a, root], vec![root, a, b], vec![root, root]] {
            assert_eq!(take(&mut chain, Msat(1)), Err(Refusal::BrokenChain));
        }
        assert_eq!(leaf(&[Cap::new(Id([0; 32]), None, None, None); CAPS_MAX + 1]), Err(Refusal::BrokenChain));
    }

    #[test]
    fn the_last_use_is_the_last_until_one_comes_back() {
        let id = link(&ROOT, None, b"satstile_uses=2");
        let mut chain = [Cap::new(id, None, None, Some(2))];
        take(&mut chain, Msat(0)).unwrap();
        take(&mut chain, Msat(0)).unwrap();
        assert_eq!(take(&mut chain, Msat(0)), Err(Refusal::UsesReached { link: 0 }));
        give(&mut chain, Some(id), Msat(0), 1).unwrap();
        take(&mut chain, Msat(0)).unwrap();
        assert_eq!(chain[0].used, 2);
    }

    #[test]
    fn more_than_was_taken_cannot_come_back_and_not_to_another_chain() {
        let (root, a, b) = family();
        let mut chain = [root, a];
        take(&mut chain, Msat(4)).unwrap();
        assert_eq!(give(&mut chain, Some(a.id), Msat(5), 0), Err(Refusal::BrokenChain));
        assert_eq!(give(&mut chain, Some(b.id), Msat(4), 0), Err(Refusal::BrokenChain));
        assert_eq!(give(&mut [], Some(a.id), Msat(4), 0), Err(Refusal::BrokenChain));
        assert_eq!(chain[0].spent, Msat(4), "a refusal changed nothing");
        give(&mut chain, Some(a.id), Msat(4), 1).unwrap();
        assert_eq!((chain[0].spent, chain[1].used), (Msat(0), 0));
    }

    /// The name of a link commits to every caveat before it, also to those that cap nothing.
    #[test]
    fn a_link_is_named_by_all_caveats_before_it() {
        let a = link(&ROOT, None, b"x=1");
        assert_ne!(a, link(&ROOT, None, b"x=2"));
        assert_ne!(a, link(&PaymentHash([8; 32]), None, b"x=1"));
        assert_ne!(link(&ROOT, Some(a), b"x=1"), a);
    }
}
