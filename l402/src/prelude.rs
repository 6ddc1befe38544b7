//! What `std` would bring by itself, for the modules that also build without it.

#![allow(unused_imports, reason = "not every module needs all of it")]

pub(crate) use alloc::borrow::ToOwned;
pub(crate) use alloc::boxed::Box;
pub(crate) use alloc::string::{String, ToString};
pub(crate) use alloc::vec::Vec;
pub(crate) use alloc::{format, vec};
