//! Private keys in PEM files, encrypted or not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// How OpenSSL encrypted keys before 2010: with a key derived in a way that is no longer safe.
const OLD: &str = "Proc-Type: 4,ENCRYPTED";

/// The first key of a file, decrypted with `password` where it is encrypted.
///
/// # Errors
/// What is wrong with the file or the password, as the end of a sentence about the file.
pub(super) fn read(
    pem: &[u8],
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, &'static str> {
    let text = String::from_utf8_lossy(pem);
    if text.contains(OLD) {
        return Err(
            "its key is encrypted in an old format; convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`",
        );
    }
    match (encrypted(&text), password) {
        (Some(key), Some(password)) => decrypt(key, password),
        (Some(_), None) => {
            Err("its key is encrypted; set `key_password: \"{{ env.KEY_PASSWORD }}\"`")
        }
        (None, _) => PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "it contains no private key in PEM format"),
    }
}

/// The content of the first encrypted key.
fn encrypted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(BEGIN)?;
    rest.split_once(END).map(|(content, _)| content)
}

fn decrypt(content: &str, password: &str) -> Result<PrivateKeyDer<'static>, &'static str> {
    let content: String = content.split_ascii_whitespace().collect();
    let damaged = "its encrypted key is damaged";
    let der = STANDARD.decode(content).map_err(|_| damaged)?;
    let key = EncryptedPrivateKeyInfoRef::try_from(&der[..]).map_err(|_| damaged)?;
    let key = key.decrypt(password).map_err(
        |_| "its key cannot be decrypted: `key_password` is wrong, or its cipher is not supported",
    )?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key as OpenSSL 3 encrypts it: by default, and with other ciphers.
    const KEYS: [&str; 4] = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
         MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAg8J1sJK+YFDQICCAAw\n\
         DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQI0ja7uvo7+nUEgZDQlVazi2d+pmYP\n\
         qw1/J4lAbtHk9AWuL3yM826u29stJB+qJIEa+finXz2agGbSFGi8nocOtqgHgbS4\n\
         3v8HVmG3vVeMV4e40JYmUXCPrZCnPgErYnp2Ab6naz/HXFkpPKaCojjFS95JJYgu\n\
         kVg6aEi5WktUVWAMssiyisqpxzGp2Ew2MUx7ZAkPdizK9og+Idg=\n\
         -----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
         MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjt8kUcdrSSfgICCAAw\n\
         DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEMwaSfrx3KzcTdYcTu6h6SMEgZC0\n\
         pjX4B8Dqu0nO9CMA0cojif/O8kvBw+MDtxzf4Fp6jxldOIXW993KxZBftzY77zMY\n\
         Nn2rreTfeq5bwwh5iIdU369Ihp6B1rhKpuMr2uqOiRrbrEPXxhtzRV/8hutz4Gop\n\
         oGVvbeFVWYPk5ksne64pKye0GW3/OSbjx/GYQbK4TrbcwE3GAIWj8QwnkJVaspQ=\n\
         -----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
         MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAiye4Nzvea1ogICQAAC\n\
         AQgCAQEwHQYJYIZIAWUDBAEqBBCHdIZ+qdldyTZz5sEkJc6YBIGQznlw38Jvaq6W\n\
         WKkSyFuelWjrThbiLIHRuMP6ilBk6rcLP7gY0t0GfwbgWUwaZ0tNbIVAf50KMeS1\n\
         LVK0W/Z0AAA+tLIPQx/yKiJdRkHG3ytEzlMCkK5enU09EIHx8sHQLcP4aA24pt5W\n\
         JDz2QRHEYuGm1NN9R76o085mQeTQ8OWs5GxbdZL7K2sNQiJdOJT5\n\
         -----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
         MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAgyQ2hYu0GSGQICCAAw\n\
         DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIdz3nGH8P2awEgZBDdYlRpgLYzmoc\n\
         bnrfKB4TLYqCrlcpnrP7ivZ6GUN2H+hml3XQCMgw9wVhLUHPnyg7uca0vkMHhHNW\n\
         HODfwhIIwOJg11mWX8i5XVSR2dNIyv3Vp6+UQw1C+4JzAlyOjL0YPsH2Gy77lT6/\n\
         EkeFGMIkprxSdHyScLvaXhCL5Xja7HdOwewwNfOP92WOhwH3iU4=\n\
         -----END ENCRYPTED PRIVATE KEY-----",
    ];

    #[test]
    fn a_key_that_openssl_encrypted_is_decrypted_with_its_password() {
        let keys = KEYS.map(|key| read(key.as_bytes(), Some("hunter22")).unwrap());
        for key in &keys {
            assert_eq!(key.secret_der(), keys[0].secret_der());
        }
        let why = |pem: &str, password| read(pem.as_bytes(), password).unwrap_err();
        assert!(why(KEYS[0], None).contains("encrypted; set `key_password"));
        assert!(why(KEYS[0], Some("hunter2")).contains("`key_password` is wrong"));
        let old = format!("-----BEGIN EC PRIVATE KEY-----\n{OLD}\n");
        assert!(why(&old, Some("hunter22")).contains("openssl pkcs8"));
        let damaged = KEYS[0].replace("MI", "M");
        assert!(why(&damaged, Some("hunter22")).contains("damaged"));
        assert!(why("", Some("hunter22")).contains("no private key"));
    }
}
