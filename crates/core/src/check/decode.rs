//! Decoding a body by its `content-encoding`, for the checks that need its content.
//!
//! Not here: the bytes on the wire, which are counted as received (`protocol`).

use std::borrow::Cow;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::StreamingDecoder;

use crate::metrics::Outcome;
use crate::protocol::Failure;
use crate::units::format_bytes;

/// The largest decoded body; bytes. A few kilobytes can decode to gigabytes.
pub(super) const MAX_DECODED: usize = 10_000_000;
/// The most encodings applied to one body; nobody uses more than one.
const MAX_ENCODINGS: usize = 3;
/// How much of a body is decoded for people to read; bytes.
const MAX_BEGINNING: usize = 64 << 10;
/// The largest zstd window; bytes. What RFC 8878 asks a decoder to support.
const MAX_WINDOW: u64 = 8 * 1024 * 1024;

/// The body of a response with these headers, decoded.
///
/// # Errors
/// [`Outcome::Decode`] when it is damaged or its encoding unknown, [`Outcome::BodyTooLarge`] when it
/// decodes to more than [`MAX_DECODED`], with a text for people.
pub(super) fn decode(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Failure> {
    let mut body = body.clone();
    let encodings = encodings(headers);
    if encodings.len() > MAX_ENCODINGS {
        let text = format!("the body has {} encodings", encodings.len());
        return Err(Failure::new(Outcome::Decode, text));
    }
    // The last one named was applied last.
    for encoding in encodings.iter().rev() {
        if body.is_empty() {
            break;
        }
        body = decode_one(encoding, &body)?;
    }
    Ok(body)
}

/// The body of a response with these headers, decoded, as text. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As those of decoding it, for people.
pub fn body_text(headers: &HeaderMap, body: &Bytes) -> Result<String, String> {
    let decoded = decode(headers, body).map_err(|failure| failure.text)?;
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

/// The names of the encodings that were applied to a body, in their order.
fn encodings(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
            names
        })
        .filter(|name| !matches!(name.as_str(), "" | "identity"))
        .collect()
}

/// What people read of a body of which only the beginning may be there: its first bytes, decoded as
/// far as that goes.
pub(super) fn beginning<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    let encodings = encodings(headers);
    let [encoding] = encodings.as_slice() else {
        return Cow::Borrowed(body);
    };
    match encoding.as_str() {
        "gzip" | "x-gzip" => read_beginning(MultiGzDecoder::new(body)).into(),
        "deflate" if is_zlib(body) => read_beginning(ZlibDecoder::new(body)).into(),
        "deflate" => read_beginning(DeflateDecoder::new(body)).into(),
        "br" => read_beginning(brotli_decompressor::Decompressor::new(body, 4096)).into(),
        "zstd" => match decode_one(encoding, body) {
            Ok(decoded) => decoded.to_vec().into(),
            Err(_) => Cow::Borrowed(body),
        },
        _ => Cow::Borrowed(body),
    }
}

/// At most 64 KiB, up to the first error.
fn read_beginning(mut decoder: impl Read) -> Vec<u8> {
    let mut decoded = vec![0; MAX_BEGINNING];
    let mut length = 0;
    while let Ok(more @ 1..) = decoder.read(&mut decoded[length..]) {
        length += more;
    }
    decoded.truncate(length);
    decoded
}

fn decode_one(encoding: &str, body: &[u8]) -> Result<Bytes, Failure> {
    let decoded = match encoding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(body)),
        // It means zlib; some servers send raw deflate, and browsers accept both.
        "deflate" if is_zlib(body) => read(ZlibDecoder::new(body)),
        "deflate" => read(DeflateDecoder::new(body)),
        "br" => read(brotli_decompressor::Decompressor::new(body, 4096)),
        "zstd" => zstd(body),
        _ => {
            let text = format!(
                "the body is encoded as `{encoding}`, which perfctl cannot decode for its checks"
            );
            return Err(Failure::new(Outcome::Decode, text));
        }
    };
    match decoded {
        Err(error) => Err(Failure::new(
            Outcome::Decode,
            format!("the body is not valid {encoding}: {error}"),
        )),
        Ok(decoded) if decoded.len() > MAX_DECODED => Err(Failure::new(
            Outcome::BodyTooLarge,
            format!(
                "the {encoding} body of {} decodes to more than {}, which cannot be checked",
                format_bytes(body.len() as u64),
                format_bytes(MAX_DECODED as u64)
            ),
        )),
        Ok(decoded) => Ok(decoded.into()),
    }
}

/// At most one byte more than is allowed.
fn read(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decoder
        .take(MAX_DECODED as u64 + 1)
        .read_to_end(&mut decoded)?;
    Ok(decoded)
}

/// A zlib header names deflate as its method and is a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [a, b, ..] if a & 0x0f == 8 && u16::from_be_bytes([*a, *b]).is_multiple_of(31))
}

/// One frame after the other.
fn zstd(mut body: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    while !body.is_empty() && decoded.len() <= MAX_DECODED {
        let frame = StreamingDecoder::new_with_max_window_size(&mut body, MAX_WINDOW)
            .map_err(io::Error::other)?;
        decoded.extend(read(frame)?);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    fn decoded(encoding: &str, body: impl Into<Bytes>) -> Result<Bytes, Outcome> {
        decode(&headers(encoding), &body.into()).map_err(|failure| failure.outcome)
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// "hello" as brotli and as zstd.
    const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58\x29\x00\x00hello";

    #[test]
    fn each_encoding_is_decoded_whatever_its_case() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"hello").unwrap();
        bare.write_all(b"hello").unwrap();
        let (gzipped, twice) = (gzip(b"hello"), gzip(&gzip(b"hello")));
        let cases = [
            ("gzip", gzipped.clone()),
            ("X-GZIP", gzipped),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("br", BROTLI.to_vec()),
            ("Zstd", ZSTD.to_vec()),
            ("gzip, gzip", twice),
            ("identity", b"hello".to_vec()),
            ("", b"hello".to_vec()),
        ];
        for (encoding, body) in cases {
            assert_eq!(decoded(encoding, body).unwrap(), "hello", "{encoding}");
        }
        assert_eq!(
            decoded("zstd", [ZSTD, ZSTD].concat()).unwrap(),
            "hellohello"
        );
        assert_eq!(
            decoded("gzip", Vec::new()).unwrap(),
            "",
            "a HEAD has no body"
        );
    }

    #[test]
    fn a_damaged_body_or_an_unknown_encoding_is_a_failure() {
        let mut damaged = gzip(b"hello");
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(decoded("gzip", damaged), Err(Outcome::Decode));
        assert_eq!(
            decoded("gzip", gzip(b"hello")[..15].to_vec()),
            Err(Outcome::Decode)
        );
        assert_eq!(decoded("br", BROTLI[..5].to_vec()), Err(Outcome::Decode));
        assert_eq!(decoded("zstd", ZSTD[..9].to_vec()), Err(Outcome::Decode));
        assert_eq!(decoded("compress", b"x".to_vec()), Err(Outcome::Decode));
        assert_eq!(
            decoded("br, br, br, br", b"x".to_vec()),
            Err(Outcome::Decode)
        );
    }

    #[test]
    fn a_bomb_is_cut_off_at_the_cap() {
        let bomb = gzip(&vec![0; MAX_DECODED + 1]);
        assert!(bomb.len() < MAX_DECODED / 100);
        assert_eq!(decoded("gzip", bomb), Err(Outcome::BodyTooLarge));
        let largest = gzip(&vec![0; MAX_DECODED]);
        assert_eq!(decoded("gzip", largest).unwrap().len(), MAX_DECODED);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            body in prop::collection::vec(any::<u8>(), 0..200),
            start in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00", b"\x78\x9c", &ZSTD[..9], BROTLI]),
            encoding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "gzip, br"]),
        ) {
            let _ = decoded(encoding, [start, &body].concat());
        }
    }
}
