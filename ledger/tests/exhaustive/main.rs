//! Payout and escrow, every interleaving (stateright): the network keeps each message for ever and may deliver it at any
//! time, any number of times, in any order, or never. That is loss, duplication and reordering at once. A process may die
//! after any commit, before anything left it.

#[path = "../support/mod.rs"]
mod support;

mod escrow_model;
mod payout_model;
