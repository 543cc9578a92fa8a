//! The keys of `auth`: how requests prove who sends them.
//!
//! Not here: what they mean (`request::auth`).

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{Decode, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::{Node, NodeKind};

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

/// Where the credentials of a token request stand.
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
