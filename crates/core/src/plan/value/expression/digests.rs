//! Digests and signatures in expressions: `sha256`, `hmac_sha256` and the like.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use minijinja::{Environment, Error, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::loan::wrong;

/// Adds all of them to the library, each as a function and as a filter.
pub(super) fn add(environment: &mut Environment<'static>) {
    add_digest::<Md5>("md5", environment);
    add_digest::<Sha1>("sha1", environment);
    add_digest::<Sha256>("sha256", environment);
    add_digest::<Sha512>("sha512", environment);
    add_signature::<Sha1>("hmac_sha1", environment);
    add_signature::<Sha256>("hmac_sha256", environment);
    add_signature::<Sha512>("hmac_sha512", environment);
}

fn add_digest<D: Digest + 'static>(name: &'static str, environment: &mut Environment<'static>) {
    let digest =
        move |value: &Value, form: Option<&str>| written(name, &D::digest(bytes(value)), form);
    environment.add_function(name, digest);
    environment.add_filter(name, digest);
}

fn add_signature<D: EagerHash + 'static>(name: &'static str, environment: &mut Environment<'static>)
where
    Hmac<D>: Mac + KeyInit,
{
    let sign = move |text: &Value, key: &Value, form: Option<&str>| {
        let mut mac = <Hmac<D> as KeyInit>::new_from_slice(&bytes(key))
            .map_err(|_| wrong(format!("{name}: the key cannot be used")))?;
        mac.update(&bytes(text));
        written(name, &mac.finalize().into_bytes(), form)
    };
    environment.add_filter(name, sign);
    let function = move |key: &Value, text: &Value, form: Option<&str>| sign(text, key, form);
    environment.add_function(name, function);
}

/// The bytes of a text, or of a value as it is written.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match (value.as_bytes(), value.as_str()) {
        (_, Some(text)) => text.as_bytes().to_vec(),
        (Some(bytes), None) => bytes.to_vec(),
        (None, None) => value.to_string().into_bytes(),
    }
}

/// A digest in this form; in hexadecimal if none is given.
fn written(name: &str, digest: &[u8], form: Option<&str>) -> Result<Value, Error> {
    match form.unwrap_or("hex") {
        "hex" => {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(hex.into())
        }
        "base64" => Ok(STANDARD.encode(digest).into()),
        "base64url" => Ok(URL_SAFE_NO_PAD.encode(digest).into()),
        // For use as the key of the next signature.
        "raw" => Ok(Value::from_bytes(digest.to_vec())),
        other => Err(wrong(format!(
            "{name}: unknown format `{other}`: use 'hex', 'base64', 'base64url' or 'raw'"
        ))),
    }
}
