//! The parts of files that are large and for perfctl alone: packed into a string within the JSON.
//!
//! MessagePack, where histograms have their short form, deflated, in base64: a fifth to a tenth of the text. To be used as
//! `#[serde(with = "packed")]`.

use std::io::{BufReader, BufWriter, Read};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What unpacks to more is refused as harmful; bytes.
pub(super) const MAX_UNPACKED: u64 = 4 << 30;

/// How much is handed to the compression at once; bytes.
const CHUNK_BYTES: usize = 64 << 10;

pub(in crate::metrics) fn serialize<T: Serialize, S: Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    let deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut packed = BufWriter::with_capacity(CHUNK_BYTES, deflated);
    let mut names = rmp_serde::Serializer::new(&mut packed).with_struct_map();
    value.serialize(&mut names).map_err(S::Error::custom)?;
    let deflated = packed.into_inner().map_err(S::Error::custom)?;
    let bytes = deflated.finish().map_err(S::Error::custom)?;
    to.serialize_str(&BASE64_STANDARD.encode(bytes))
}

pub(in crate::metrics) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    let damaged = |_| D::Error::custom("a packed part is damaged");
    let bytes = BASE64_STANDARD.decode(text).map_err(damaged)?;
    let unpacked = ZlibDecoder::new(bytes.as_slice()).take(MAX_UNPACKED);
    let mut packed = BufReader::with_capacity(CHUNK_BYTES, unpacked);
    let value = rmp_serde::from_read(&mut packed)
        .map_err(|error| D::Error::custom(format_args!("a packed part is damaged: {error}")))?;
    // Reads the checksum too.
    match packed.read(&mut [0]) {
        Ok(0) => Ok(value),
        _ => Err(D::Error::custom("a packed part is damaged at its end")),
    }
}
