//! How the values in the fields of commands and replies stand in CBOR.

use core::fmt;

use l402::PaymentHash;
use minicbor::decode::{Decode, Decoder, Error};
use minicbor::encode::{self, Encode, Encoder, Write};

/// SHA-256 of a balance token: what is stored of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl<C> Encode<C> for TokenDigest {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TokenDigest {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        bytes_32(decoder).map(Self)
    }
}

fn bytes_32(decoder: &mut Decoder<'_>) -> Result<[u8; 32], Error> {
    decoder.bytes()?.try_into().map_err(|_| Error::message("not 32 bytes"))
}

/// What only its holder knows: a claim secret. It never prints (T120).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClaimSecret(pub [u8; 32]);

impl fmt::Debug for ClaimSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimSecret(..)")
    }
}

impl<C> Encode<C> for ClaimSecret {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ClaimSecret {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        bytes_32(decoder).map(Self)
    }
}

/// [`l402::PaymentHash`] as 32 bytes.
pub(crate) mod hash {
    use super::{Decoder, Encoder, Error, Write, bytes_32, encode};
    use l402::PaymentHash;

    pub fn encode<C, W: Write>(
        hash: &PaymentHash,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&hash.0)?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<PaymentHash, Error> {
        bytes_32(decoder).map(PaymentHash)
    }
}

/// A payment hash that may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub PaymentHash);

impl<C> Encode<C> for Hash {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        hash::encode(&self.0, encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Hash {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, Error> {
        hash::decode(decoder, context).map(Self)
    }
}

/// [`l402::Preimage`] as 32 bytes.
pub(crate) mod preimage {
    use super::{Decoder, Encoder, Error, Write, bytes_32, encode};
    use l402::Preimage;

    pub fn encode<C, W: Write>(
        preimage: &Preimage,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(preimage.expose())?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Preimage, Error> {
        bytes_32(decoder).map(Preimage::new)
    }
}

/// [`satstile_ledger::BookId`] as 32 bytes.
pub(crate) mod book {
    use super::{Decoder, Encoder, Error, Write, bytes_32, encode};
    use satstile_ledger::BookId;

    pub fn encode<C, W: Write>(
        book: &BookId,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&book.0)?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<BookId, Error> {
        bytes_32(decoder).map(BookId)
    }
}

/// [`l402::UnixTime`] as an unsigned integer.
pub(crate) mod time {
    use super::{Decoder, Encoder, Error, Write, encode};
    use l402::UnixTime;

    pub fn encode<C, W: Write>(
        time: &UnixTime,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.u64(time.0)?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<UnixTime, Error> {
        decoder.u64().map(UnixTime)
    }
}

/// [`satstile_ledger::Id`] as 32 bytes.
pub(crate) mod id {
    use super::{Decoder, Encoder, Error, Write, bytes_32, encode};
    use satstile_ledger::Id;

    pub fn encode<C, W: Write>(id: &Id, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&id.0)?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Id, Error> {
        bytes_32(decoder).map(Id)
    }
}

/// [`l402::Msat`] as an unsigned integer.
pub(crate) mod msat {
    use super::{Decoder, Encoder, Error, Write, encode};
    use l402::Msat;

    pub fn encode<C, W: Write>(
        msat: &Msat,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.u64(msat.0)?.ok()
    }

    pub fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Msat, Error> {
        decoder.u64().map(Msat)
    }
}
