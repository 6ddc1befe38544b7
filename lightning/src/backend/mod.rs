//! The back ends, a module each. Every module says what its node is called with, which credential does, and which of
//! its habits have to be known. A connection string can name those whose feature is on.

#![cfg_attr(not(feature = "all"), allow(dead_code, unused_variables))]

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
    #[cfg(feature = "lnd-rest")]
    lnd::KIND,
    #[cfg(feature = "clnrest")]
    cln::KIND,
    #[cfg(feature = "phoenixd")]
    phoenixd::KIND,
    #[cfg(feature = "lnbits")]
    lnbits::KIND,
    #[cfg(feature = "btcpay")]
    btcpay::KIND,
    #[cfg(feature = "lnaddress")]
    lnaddress::KIND,
    #[cfg(feature = "blink")]
    blink::KIND,
    #[cfg(feature = "strike")]
    strike::KIND,
    #[cfg(feature = "opennode")]
    opennode::KIND,
    #[cfg(feature = "zbd")]
    zbd::KIND,
];

/// The back end of a connection string, and where it is.
pub(crate) fn of(
    kind: &str,
    parameters: &mut Parameters,
) -> Result<(Box<dyn Backend + Send + Sync>, String), ConnectionFault> {
    Ok(match kind {
        #[cfg(feature = "lnd-rest")]
        lnd::KIND => boxed(lnd::Lnd::of(parameters)?),
        #[cfg(feature = "clnrest")]
        cln::KIND => boxed(cln::Cln::of(parameters)?),
        #[cfg(feature = "phoenixd")]
        phoenixd::KIND => boxed(phoenixd::Phoenixd::of(parameters)?),
        #[cfg(feature = "lnbits")]
        lnbits::KIND => boxed(lnbits::LnBits::of(parameters)?),
        #[cfg(feature = "btcpay")]
        btcpay::KIND => boxed(btcpay::BtcPay::of(parameters)?),
        #[cfg(feature = "lnaddress")]
        lnaddress::KIND => boxed(lnaddress::LnAddress::of(parameters)?),
        #[cfg(feature = "blink")]
        blink::KIND => boxed(blink::Blink::of(parameters)?),
        #[cfg(feature = "strike")]
        strike::KIND => boxed(strike::Strike::of(parameters)?),
        #[cfg(feature = "opennode")]
        opennode::KIND => boxed(opennode::OpenNode::of(parameters)?),
        #[cfg(feature = "zbd")]
        zbd::KIND => boxed(zbd::Zbd::of(parameters)?),
        other => return Err(ConnectionFault::Type(other.to_owned())),
    })
}

fn boxed<B: Backend + Send + Sync + 'static>(
    (backend, place): (B, String),
) -> (Box<dyn Backend + Send + Sync>, String) {
    (Box::new(backend), place)
}
