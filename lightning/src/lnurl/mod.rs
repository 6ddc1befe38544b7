//! LNURL, sans-IO: links that give sats, and Lightning addresses that take them.
//!
//! ```text
//! we give (LUD-03)     Link ─▶ its JSON              query ─▶ UnverifiedClaim ─▶ Claim     (a shell pays it, once)
//! we take (LUD-03)     text ─▶ Url ─▶ Admitted ─▶ WithdrawRequest ─▶ request
//! we pay  (LUD-06/16)  text ─▶ Address ─▶ Admitted ─▶ PayRequest ─▶ Order ─▶ Payable       (a shell pays it, once)
//! ```
//!
//! Each arrow is a check, and the only way to the type behind it. Nobody here knows whether a link was used before, and
//! nothing here sends: that is for the books, and for the shell.
//!
//! | question | module |
//! | --- | --- |
//! | which texts are a link, and how is one written? | [`bech32`] |
//! | has this URL one reading only? | [`url`] |
//! | may we fetch it? | [`guard`] |
//! | how does somebody collect sats from us, or we from somebody? | [`withdraw`] |
//! | how do we pay an address? | [`address`], [`pay`] |
//! | why not? | [`fault`] |

use l402::bolt11::{self, Bolt11Fault, Expected, Network};
use l402::{Msat, UnixTime};

pub mod address;
pub mod bech32;
pub mod fault;
pub mod guard;
pub mod pay;
mod punycode;
pub(crate) mod reply;
pub mod url;
pub mod withdraw;

pub use address::Address;
pub use fault::{LnurlFault, Reason};
pub use guard::{Admitted, Guard, REDIRECTS_MAX, own_hosts};
pub use url::{Loopback, Url, UrlFault};

/// What an invoice must be beside its amount, for us to pay it (T96).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Ours.
    pub network: Network,
    /// The least life left at `now`, in seconds: paying takes a while.
    pub min_expiry_s: u64,
    /// The moment of the check.
    pub now: UnixTime,
}

impl Terms {
    /// For exactly this amount, of our network, with a payment secret or blinded paths, and alive for long enough. That it is not one of
    /// our own (T95) and was not paid before (T91) is for the books to say: they know its payment hash.
    fn check(&self, invoice: &bolt11::Invoice, amount: Msat) -> Result<(), Bolt11Fault> {
        invoice.check_to_pay(&Expected {
            network: self.network,
            amount,
            // Nobody named it beside the invoice.
            payment_hash: invoice.payment_hash,
            min_expiry_s: self.min_expiry_s,
            // How long the payee keeps it open costs the payer nothing.
            max_expiry_s: u64::MAX,
            now: self.now,
        })
    }
}
