//! The node webhook from outside: real sockets, a real worker to push to, the real program where it matters.

mod process;
mod relay;
mod settlements;
mod wallet;
mod world;
