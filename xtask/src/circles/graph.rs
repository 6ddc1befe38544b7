//! Circles of a graph: its strongly connected components (Tarjan 1972).

use std::collections::BTreeSet;

/// Which of the nodes `0..edges.len()` reach one another; only components of more than one node, each in order.
pub fn circles(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search { edges, order: vec![None; edges.len()], low: vec![0; edges.len()], ..Search::default() };
    for node in 0..edges.len() {
        if search.order[node].is_none() {
            search.visit(node);
        }
    }
    search.found.sort();
    search.found
}

#[derive(Default)]
struct Search<'a> {
    edges: &'a [BTreeSet<usize>],
    /// When a node was visited.
    order: Vec<Option<usize>>,
    /// The earliest visited node that it reaches by way of what is on the stack.
    low: Vec<usize>,
    stack: Vec<usize>,
    visited: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// As deep as the longest chain of imports of a crate.
    fn visit(&mut self, node: usize) {
        let order = self.visited;
        self.visited += 1;
        (self.order[node], self.low[node]) = (Some(order), order);
        self.stack.push(node);
        for &next in &self.edges[node] {
            match self.order[next] {
                None => {
                    self.visit(next);
                    self.low[node] = self.low[node].min(self.low[next]);
                }
                Some(order) if self.stack.contains(&next) => self.low[node] = self.low[node].min(order),
                Some(_) => {}
            }
        }
        if self.low[node] == order {
            let start = self.stack.iter().rposition(|n| *n == node).unwrap_or_default();
            let mut circle = self.stack.split_off(start);
            circle.sort_unstable();
            self.found.extend((circle.len() > 1).then_some(circle));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[&[usize]]) -> Vec<Vec<usize>> {
        circles(&edges.iter().map(|to| to.iter().copied().collect()).collect::<Vec<_>>())
    }

    #[test]
    fn a_chain_and_two_ways_to_one_node_are_no_circle() {
        assert!(of(&[&[1, 2], &[2], &[3], &[]]).is_empty());
        assert!(of(&[&[0]]).is_empty(), "a node that reaches only itself");
    }

    #[test]
    fn two_circles_with_one_way_between_them_stay_two() {
        assert_eq!(of(&[&[1], &[0, 2], &[3], &[4], &[2]]), [vec![0, 1], vec![2, 3, 4]]);
    }

    #[test]
    fn circles_that_share_a_node_are_one() {
        assert_eq!(of(&[&[1], &[2, 0], &[1, 3], &[]]), [vec![0, 1, 2]]);
    }
}
