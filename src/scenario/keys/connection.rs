//! The keys that say how the service is reached: client, version of HTTP, TLS and proxy.
//!
//! Not here: what they mean (`service::transport`).

use serde_json::{Value, json};

use crate::plan::{ClientChoice, HttpChoice};
use crate::scenario::yaml::decode::{Decode, Located, OneOrMany, word};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// Trusted CAs and client certificate.
    TlsFile {
        /// PEM file of CAs to trust in addition to those of this machine.
        ca_file: String,
        /// PEM file with the client certificate and its chain.
        cert_file: String,
        /// PEM file with the key of the client certificate. Defaults to `cert_file`.
        key_file: String,
        /// Password of the key, if it is encrypted.
        key_password: String,
        /// Skips certificate verification. The report says so.
        insecure: bool,
        /// Whether a user resumes its TLS sessions when it connects again; `false` makes each handshake a full one. Defaults to true.
        resume: bool,
    }
}

mapping! {
    /// Proxy for all requests.
    ProxyFile {
        /// URL of the proxy, such as `http://proxy.example.org:3128`.
        url(required): String,
        /// User name for the proxy.
        username: String,
        /// Password for the proxy.
        password: String,
        /// Hosts to reach without the proxy: names with their subdomains, addresses, networks such as `10.0.0.0/8`, `host:port`, or `*` for all.
        no_proxy: OneOrMany<Located<String>>,
    }
}

impl Decode for HttpChoice {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let words = [
            ("auto", Self::Auto),
            ("1.1", Self::Http1),
            ("2", Self::Http2),
        ];
        word(&words, node, findings)
    }

    fn schema() -> Value {
        // Unquoted, versions are numbers.
        json!({"enum": ["auto", "1.1", "2", 1.1, 2]})
    }
}

words! {
    ClientChoice {
        "reqwest" => Self::Reqwest,
        "direct" => Self::Direct,
    }
}
