//! How the values in the fields of commands and replies stand in CBOR.

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
