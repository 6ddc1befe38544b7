//! The back ends, a module each. Every module says what its node is called with, which credential does, and which of
//! its habits have to be known.

use crate::call::Backend;
use crate::connection::{ConnectionFault, Parameters};

pub mod blink;
pub mod btcpay;
pub mod cln;
pub mod lnaddress;
pub mod lnbits;
pub mod lnd;
pub mod opennode;
pub mod phoenixd;
pub mod strike;
pub mod zbd;

/// What `type=` may be.
pub const KINDS: &[&str] = &[
    lnd::KIND,
    cln::KIND,
    phoenixd::KIND,
    lnbits::KIND,
    btcpay::KIND,
    lnaddress::KIND,
    blink::KIND,
    strike::KIND,
    opennode::KIND,
    zbd::KIND,
];

/// The back end of a connection string, and where it is.
pub(crate) fn of(
    kind: &str,
    parameters: &mut Parameters,
) -> Result<(Box<dyn Backend + Send + Sync>, String), ConnectionFault> {
    Ok(match kind {
        lnd::KIND => boxed(lnd::Lnd::of(parameters)?),
        cln::KIND => boxed(cln::Cln::of(parameters)?),
        phoenixd::KIND => boxed(phoenixd::Phoenixd::of(parameters)?),
        lnbits::KIND => boxed(lnbits::LnBits::of(parameters)?),
        btcpay::KIND => boxed(btcpay::BtcPay::of(parameters)?),
        lnaddress::KIND => boxed(lnaddress::LnAddress::of(parameters)?),
        blink::KIND => boxed(blink::Blink::of(parameters)?),
        strike::KIND => boxed(strike::Strike::of(parameters)?),
        opennode::KIND => boxed(opennode::OpenNode::of(parameters)?),
        zbd::KIND => boxed(zbd::Zbd::of(parameters)?),
        other => return Err(ConnectionFault::Type(other.to_owned())),
    })
}

fn boxed<B: Backend + Send + Sync + 'static>(
    (backend, place): (B, String),
) -> (Box<dyn Backend + Send + Sync>, String) {
    (Box::new(backend), place)
}
