//! The browser half: `<satstile-paywall>` turns a 402 into a QR code, waits for the payment, and opens the page.
//!
//! ```text
//! js/element.js ─▶ js/paywall.js ── event ──▶ Paywall::step ──▶ l402::payer::checkout ── effects ──▶ js/paywall.js
//!  the custom       draws, fetches,            (this crate, wasm)    decides                          does them
//!  element          polls, tells the page
//! ```
//!
//! Everything that is decided is decided in here: what may be shown, who is believed, when to look again, what the QR
//! code is. What touches the browser is JavaScript, and knows no rule. The border is crossed with strings, one line an
//! effect, so that none of the browser's objects needs a counterpart in the wasm: with `web-sys` and futures the same
//! component weighed 92 kB of gzip.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod lines;

use alloc::string::String;

use l402::UnixTime;
use l402::payer::Offer;
use l402::payer::checkout::Checkout;
use wasm_bindgen::prelude::*;

/// A few hundred short strings a minute: the smallest allocator there is does it.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

/// Nobody would read the message, and what formats messages is a third of the wasm. The trap reaches the page as an
/// exception of the call.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// One resource, being paid for.
#[wasm_bindgen]
pub struct Paywall {
    checkout: Checkout,
}

#[wasm_bindgen]
impl Paywall {
    /// For a resource that may cost so many sats; without a limit, the person who looks at the amount decides.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(sats_max: Option<f64>) -> Self {
        Self { checkout: Checkout::new(lines::limit(sats_max)) }
    }

    /// Takes an event and what comes with it; gives the effects, one a line, see [`lines`]. `chance` is a random byte.
    ///
    /// A word that is no event has no effect.
    pub fn step(&mut self, event: &str, given: &str, more: &str, now_s: f64, chance: u8) -> String {
        match lines::event(event, given, more) {
            Some(event) => {
                let effects = self.checkout.step(event, UnixTime(now_s as u64), chance);
                lines::effects(&self.checkout, &effects)
            }
            None => String::new(),
        }
    }

    /// What there is to draw, one fact a line: see [`lines::view`].
    #[must_use]
    pub fn view(&self) -> String {
        lines::view(&self.checkout)
    }

    /// The credential, once there is one.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.checkout.proof().map(l402::payer::checkout::Proof::authorization)
    }
}

/// The `request` of the Payment challenge in a `WWW-Authenticate`, whose JSON names the
/// network.
#[wasm_bindgen]
#[must_use]
pub fn payment_request(www_authenticate: &str) -> Option<String> {
    Offer::read(&[www_authenticate]).ok()?.unverified_request
}

/// `size path` of the QR code of any text, a link for example.
#[wasm_bindgen]
#[must_use]
pub fn qr(text: &str) -> Option<String> {
    satstile_qr::text(text).map(|picture| lines::picture(&picture))
}
