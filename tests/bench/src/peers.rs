//! A Lightning network. `cargo xtask bench` has built it, and aperture; where it could not, they are skipped by name.

use satstile_tests::{Aperture, Devnet, binaries};

/// The network that both sides take invoices on, or why there is none.
pub enum Network {
    Up(Box<Devnet>),
    Skipped(&'static str),
}

impl Network {
    pub fn start(wanted: bool) -> Self {
        if !wanted {
            return Self::Skipped("--no-peers");
        }
        let built = ["btcd", "lnd"].iter().all(|b| binaries::peers_directory().join(b).is_file());
        if !built || !Aperture::is_built() {
            return Self::Skipped("not built: install Go (https://go.dev/dl), then `cargo xtask bench` builds them");
        }
        eprintln!("starting a Lightning network, about 15 s");
        Self::Up(Box::new(Devnet::start()))
    }

    pub fn devnet(&self) -> Option<&Devnet> {
        match self {
            Self::Up(devnet) => Some(devnet),
            Self::Skipped(_) => None,
        }
    }

    pub fn why_skipped(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => None,
            Self::Skipped(why) => Some(why),
        }
    }
}
