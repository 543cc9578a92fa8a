//! The keys that say how requests go out: credentials, certificates, proxies, multipart bodies.
//!
//! As in `file`, of which this is a part: which keys there are and the form of their values.

use serde_json::{Value, json};

use crate::plan::{ClientChoice, HttpChoice};
use crate::scenario::yaml::decode::{
    At, Decode, Field, OneOrMany, Pairs, describe, entries, key_text, mapping, missing_key, object,
    parse, unknown_key,
};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Kind, Node};

mapping! {
    /// How requests prove who sends them. Exactly one key.
    AuthFile {
        /// A name and a password, in the `authorization` header.
        basic: CredentialsFile,
        /// A token, in the `authorization` header.
        bearer: String,
        /// A key in a header or in the query.
        api_key: ApiKeyFile,
        /// A token that is fetched by client credentials, and again before it expires.
        oauth2: OAuth2File,
        /// A name and a password, in answer to the server's challenge.
        digest: CredentialsFile,
    }
}

mapping! {
    /// A name and a password.
    CredentialsFile {
        /// The name.
        username(required): String,
        /// The password.
        password(required): String,
    }
}

mapping! {
    /// A key in a header or in the query.
    ApiKeyFile {
        /// The name of the header.
        header: String,
        /// The name in the query.
        query: String,
        /// The key.
        value(required): String,
    }
}

mapping! {
    /// A token that is fetched by client credentials.
    OAuth2File {
        /// Where tokens are fetched: a whole URL.
        token_url(required): String,
        /// The client's name.
        client_id(required): String,
        /// The client's password.
        client_secret(required): String,
        /// What the token is for.
        scope: String,
        /// Further fields of the token request, such as `audience`.
        params: Pairs<String>,
        /// Where name and password stand: `header` (the default) or `body`.
        credentials_in: CredentialsIn,
        /// Who has a token: each `worker` (the default) or each `user`.
        token_per: TokenPer,
    }
}

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

mapping! {
    /// A part of a multipart body: a text or a file.
    PartFile {
        /// The text.
        text: String,
        /// A file, relative to the scenario.
        file: String,
        /// The name the file is sent under; its own by default.
        filename: String,
        /// The part's media type; of a file `application/octet-stream` by default.
        content_type: String,
    }
}

/// How requests prove who sends them, or that they do not.
#[derive(Debug, Clone)]
pub(crate) enum AuthChoice {
    /// Not at all, whatever the defaults say.
    None,
    /// In this way.
    By(Box<AuthFile>),
}

impl Decode for AuthChoice {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return AuthFile::decode(node, findings).map(|file| Self::By(Box::new(file)));
        }
        parse(
            "a mapping such as `bearer: TOKEN`, or `none`",
            node,
            findings,
            |text| match text {
                "none" => Ok(Self::None),
                _ => Err("`auth` is a mapping such as `bearer: TOKEN`, or `none`".to_owned()),
            },
        )
    }

    fn schema() -> Value {
        json!({"anyOf": [{"enum": ["none"]}, AuthFile::schema()]})
    }
}

/// A part of a multipart body: a text alone, or a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Part(pub PartFile);

impl Decode for Part {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return PartFile::decode(node, findings).map(Self);
        }
        let text = At::decode(node, findings)?;
        Some(Self(PartFile {
            text: Field::Given(text, node.at),
            ..PartFile::default()
        }))
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), PartFile::schema()]})
    }
}

/// Defines a choice of words once: the enum, its decoder and its schema.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $help:literal])* $variant:ident = $word:literal, )* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $( $(#[doc = $help])* $variant, )* }

        impl Decode for $name {
            fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
                let allowed = [$( concat!("`", $word, "`") ),*].join(" or ");
                parse(&allowed, node, findings, |text| match text {
                    $( $word => Ok(Self::$variant), )*
                    _ => Err(format!("`{text}` is not allowed here: write {allowed}")),
                })
            }

            fn schema() -> Value {
                json!({"enum": [$( $word ),*]})
            }
        }
    };
}

words! {
    /// Where the credentials of a token request stand.
    CredentialsIn {
        /// In its `authorization` header.
        Header = "header",
        /// In its form.
        Body = "body",
    }
}

words! {
    /// Who has a token.
    TokenPer {
        /// All users of a worker together.
        Worker = "worker",
        /// Each user.
        User = "user",
    }
}

words! {
    /// How a body is compressed.
    Compress {
        /// By gzip.
        Gzip = "gzip",
    }
}

impl Decode for HttpChoice {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("`auto`, `1.1` or `2`", node, findings, |text| match text {
            "auto" => Ok(Self::Auto),
            "1.1" => Ok(Self::Http1),
            "2" => Ok(Self::Http2),
            _ => Err(format!(
                "`{text}` is no version of HTTP that perfctl speaks: write `auto`, `1.1` or `2`"
            )),
        })
    }

    fn schema() -> Value {
        json!({"enum": ["auto", "1.1", "2", 1.1, 2]})
    }
}

impl Decode for ClientChoice {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("`reqwest` or `direct`", node, findings, |text| match text {
            "reqwest" => Ok(Self::Reqwest),
            "direct" => Ok(Self::Direct),
            _ => Err(format!(
                "`{text}` is no client that perfctl has: write `reqwest` or `direct`"
            )),
        })
    }

    fn schema() -> Value {
        json!({"enum": ["reqwest", "direct"]})
    }
}
