//! The bytes of commands and replies: `[wire number, message]` in CBOR, every field under a number.
//!
//! Caller and object can be different builds for a while: an object that is active keeps its code. So a message of
//! another wire number, of an unknown variant, or with bytes left over is refused, and never read as something else.

use alloc::vec::Vec;

use minicbor::data::Type;
use minicbor::decode::{Decode, Decoder, Error};
use minicbor::encode::{Encode, Encoder};

use crate::command::Command;
use crate::reply::{Refusal, Reply};

/// The number of this form. It rises when an old build would misread what a new one says, and for nothing else.
pub const WIRE: u32 = 1;

/// A command as bytes.
#[must_use]
pub fn command_to_bytes(command: &Command) -> Vec<u8> {
    to_bytes(command)
}

/// A command, as the object reads it.
///
/// # Errors
/// [`Refusal::OtherBuild`], [`Refusal::UnknownCommand`] or [`Refusal::Unreadable`]; the object answers with it.
pub fn command_from_bytes(bytes: &[u8]) -> Result<Command, Refusal> {
    from_bytes(bytes)
}

/// A reply as bytes.
#[must_use]
pub fn reply_to_bytes(reply: &Reply) -> Vec<u8> {
    to_bytes(reply)
}

/// A reply, as the caller reads it.
///
/// # Errors
/// The same three. The caller then does not know whether its command was done, and asks again.
pub fn reply_from_bytes(bytes: &[u8]) -> Result<Reply, Refusal> {
    from_bytes(bytes)
}

fn to_bytes(message: &impl Encode<()>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(192));
    // A Vec takes all that is written to it, and no message here has a value that cannot be encoded; what were cut short
    // would be refused by its reader.
    let _ = encoder.array(2).and_then(|encoder| encoder.u32(WIRE)).and_then(|encoder| encoder.encode(message));
    encoder.into_writer()
}

fn from_bytes<'b, M: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<M, Refusal> {
    let mut decoder = Decoder::new(bytes);
    if decoder.array().map_err(|_| Refusal::Unreadable)? != Some(2) {
        return Err(Refusal::Unreadable);
    }
    if decoder.u32().map_err(|_| Refusal::Unreadable)? != WIRE {
        return Err(Refusal::OtherBuild);
    }
    let start = decoder.position();
    let message = decoder.decode().map_err(|error| match error.is_unknown_variant() {
        true => Refusal::UnknownCommand,
        false => Refusal::Unreadable,
    })?;
    if decoder.position() != bytes.len() {
        return Err(Refusal::Unreadable);
    }
    decoder.set_position(start);
    no_key_twice(&mut decoder, DEPTH_MAX).map_err(|_| Refusal::Unreadable)?;
    Ok(message)
}

/// How deep a message nests at most: its variant, a struct, an enum in it, and room for what a later build adds.
const DEPTH_MAX: u8 = 8;

/// A map in which a number stands twice says two things; which of them counts would be for each build to choose.
fn no_key_twice(decoder: &mut Decoder<'_>, depth: u8) -> Result<(), Error> {
    let Some(deeper) = depth.checked_sub(1) else { return Err(Error::message("too deep")) };
    match decoder.datatype()? {
        Type::Array => {
            let length = decoder.array()?.ok_or_else(|| Error::message("no length"))?;
            (0..length).try_for_each(|_| no_key_twice(decoder, deeper))
        }
        Type::Map => {
            let length = decoder.map()?.ok_or_else(|| Error::message("no length"))?;
            let mut last = None;
            for _ in 0..length {
                let key = Some(decoder.u32()?);
                if key <= last {
                    return Err(Error::message("fields out of order"));
                }
                last = key;
                no_key_twice(decoder, deeper)?;
            }
            Ok(())
        }
        Type::ArrayIndef | Type::MapIndef => Err(Error::message("no length")),
        _ => decoder.skip(),
    }
}
