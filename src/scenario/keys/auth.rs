//! The keys of `auth`: how requests authenticate.
//!
//! Not here: what they mean (`request::auth`).

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{Decode, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::{Node, NodeKind};

/// Whether and how requests authenticate.
#[derive(Debug, Clone)]
pub(crate) enum AuthChoice {
    /// Not at all, whatever the defaults say.
    None,
    /// In this way.
    By(Box<AuthFile>),
}

impl Decode for AuthChoice {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
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

mapping! {
    /// Authentication. Exactly one key.
    AuthFile {
        /// User name and password, in the `authorization` header.
        basic: CredentialsFile,
        /// Token, in the `authorization` header.
        bearer: String,
        /// API key in a header or in the query.
        api_key: ApiKeyFile,
        /// Token that is fetched with client credentials, and again before it expires.
        oauth2: OAuth2File,
        /// User name and password, in response to the challenge of the server.
        digest: CredentialsFile,
    }
}

mapping! {
    /// User name and password.
    CredentialsFile {
        /// User name.
        username(required): String,
        /// Password.
        password(required): String,
    }
}

mapping! {
    /// API key in a header or in the query.
    ApiKeyFile {
        /// Name of the header.
        header: String,
        /// Name of the query parameter.
        query: String,
        /// The key.
        value(required): String,
    }
}

mapping! {
    /// Token that is fetched with client credentials.
    OAuth2File {
        /// URL that issues tokens.
        token_url(required): String,
        /// Client ID.
        client_id(required): String,
        /// Client secret.
        client_secret(required): String,
        /// Scope of the token.
        scope: String,
        /// Further fields of the token request, such as `audience`.
        params: Pairs<String>,
        /// Where to send client ID and secret: `header` (default) or `body`.
        credentials_in: CredentialsIn,
        /// How many tokens to fetch: one per `worker` (default) or one per `user`.
        token_per: TokenPer,
    }
}

/// Where the credentials of a token request are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialsIn {
    /// In its `authorization` header.
    Header,
    /// In its form.
    Body,
}

words! {
    CredentialsIn {
        "header" => Self::Header,
        "body" => Self::Body,
    }
}

/// Who has a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenPer {
    /// All users of a worker together.
    Worker,
    /// Each user.
    User,
}

words! {
    TokenPer {
        "worker" => Self::Worker,
        "user" => Self::User,
    }
}
