//! The keys that say how the service is reached: client, version of HTTP, TLS and proxy.
//!
//! Not here: what they mean (`service::transport`).

use serde_json::{Value, json};

use crate::plan::{ClientChoice, HttpChoice};
use crate::scenario::yaml::decode::{At, Decode, OneOrMany, word};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// Whom to trust in TLS handshakes, and what to show.
    TlsFile {
        /// A PEM file of authorities that are trusted beside those of this machine.
        ca_file: String,
        /// A PEM file with the client's certificate and its chain.
        cert_file: String,
        /// A PEM file with the key of the client's certificate; `cert_file` by default.
        key_file: String,
        /// Takes any certificate for good. The report says so.
        insecure: bool,
    }
}

mapping! {
    /// The proxy that requests go through.
    ProxyFile {
        /// Its URL, such as `http://proxy.example.org:3128`.
        url(required): String,
        /// The name for the proxy itself.
        username: String,
        /// The password for the proxy itself.
        password: String,
        /// Hosts that are reached without it: names with their subdomains, addresses, networks such as `10.0.0.0/8`.
        no_proxy: OneOrMany<At<String>>,
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
