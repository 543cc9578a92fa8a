//! How requests are authenticated.
//!
//! Here: what the scenario says, with its credentials as templates. Not here: the headers, and the
//! requests for tokens (`protocol`).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::plan::Template;

/// How the requests of one or more endpoints are authenticated.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Basic authentication: RFC 7617.
    Basic(Credentials),
    /// A bearer token that the scenario knows: RFC 6750.
    Bearer(Template),
    /// A key in a header or in the query.
    ApiKey {
        /// Where it is sent.
        place: KeyPlace,
        /// The key.
        value: Template,
    },
    /// A bearer token that is fetched with client credentials: RFC 6749, section 4.4.
    OAuth2(OAuth2),
    /// Digest authentication, in response to a challenge of the server: RFC 7616.
    Digest(Credentials),
}

/// A name and a password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: Template,
    /// The password.
    pub password: Template,
}

/// Where an API key is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// In the header with this name, in lower case.
    Header(String),
    /// In the query, under this name.
    Query(String),
}

/// Client credentials, and where to get a token for them.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// An absolute URL, known before the run.
    pub token_url: String,
    /// The ID of the client.
    pub client_id: Template,
    /// The secret of the client.
    pub client_secret: Template,
    /// The scope of the token, if there is one.
    pub scope: Option<Template>,
    /// Further fields of the token request, by name.
    pub params: Vec<(String, Template)>,
    /// Whether ID and secret are sent in the form instead of the `authorization` header.
    pub in_body: bool,
    /// Whether each virtual user has its own token; otherwise each worker has one.
    pub per_user: bool,
}

impl Auth {
    /// Everything that may be filled in for each request, in a fixed order.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Basic(one) | Self::Digest(one) => vec![&one.username, &one.password],
            Self::Bearer(value) | Self::ApiKey { value, .. } => vec![value],
            Self::OAuth2(oauth2) => [&oauth2.client_id, &oauth2.client_secret]
                .into_iter()
                .chain(&oauth2.scope)
                .chain(oauth2.params.iter().map(|(_, value)| value))
                .collect(),
        }
    }

    /// The URL that tokens come from, if they do.
    pub fn token_url(&self) -> Option<&str> {
        match self {
            Self::OAuth2(oauth2) => Some(&oauth2.token_url),
            _ => None,
        }
    }

    /// Whether anything is filled in for each request.
    pub fn varies(&self) -> bool {
        let mut templates = self.templates().into_iter();
        templates.any(|template| template.as_constant().is_none())
    }

    /// The position of the secret among the [`Self::templates`].
    pub fn secret_position(&self) -> usize {
        match self {
            Self::Bearer(_) | Self::ApiKey { .. } => 0,
            Self::Basic(_) | Self::Digest(_) | Self::OAuth2(_) => 1,
        }
    }

    /// The secret, if it is known before the run.
    pub fn secret(&self) -> Option<&str> {
        self.templates()[self.secret_position()].as_constant()
    }

    /// The header that holds the credentials, in lower case; `None` if they are in the query.
    pub fn header_name(&self) -> Option<&str> {
        match self {
            Self::ApiKey { place, .. } => match place {
                KeyPlace::Header(name) => Some(name),
                KeyPlace::Query(_) => None,
            },
            _ => Some("authorization"),
        }
    }

    /// The name of the method in a scenario.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Basic(_) => "basic",
            Self::Bearer(_) => "bearer",
            Self::ApiKey { .. } => "api_key",
            Self::OAuth2(_) => "oauth2",
            Self::Digest(_) => "digest",
        }
    }
}

/// As written, except for literal secrets.
impl Serialize for Auth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let secret = self.secret_position();
        let templates = self.templates().into_iter().enumerate();
        let sources = templates.map(|(i, template)| match template.is_literal_source() {
            true if i == secret => "***",
            _ => template.source(),
        });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.kind())?;
        map.serialize_entry("values", &sources.collect::<Vec<_>>())?;
        match self {
            Self::ApiKey { place, .. } => map.serialize_entry("place", place)?,
            Self::OAuth2(oauth2) => {
                map.serialize_entry("token_url", &oauth2.token_url)?;
                let names: Vec<&str> = oauth2.params.iter().map(|(name, _)| &**name).collect();
                map.serialize_entry("params", &names)?;
                map.serialize_entry("in_body", &oauth2.in_body)?;
                map.serialize_entry("per_user", &oauth2.per_user)?;
            }
            _ => {}
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_secret_is_not_stored_and_a_template_is() {
        let credentials = |password: &str| Credentials {
            username: Template::literal("ann"),
            password: Template::new(password, Vec::new()),
        };
        for (password, stored) in [("hunter2", "***"), ("{{ env.PW }}", "{{ env.PW }}")] {
            let auth = Auth::Digest(credentials(password));
            let json = serde_json::to_value(&auth).unwrap();
            let expected = serde_json::json!({"kind": "digest", "values": ["ann", stored]});
            assert_eq!(json, expected);
        }
        let key = Auth::ApiKey {
            place: KeyPlace::Query("key".into()),
            value: Template::literal("hunter2"),
        };
        assert!(!serde_json::to_string(&key).unwrap().contains("hunter2"));
        assert_eq!(key.secret(), Some("hunter2"));
    }
}
