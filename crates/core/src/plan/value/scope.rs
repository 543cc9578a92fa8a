//! What templates and expressions can read of the virtual user they are rendered for.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::request_view::RequestView;
use super::shared::SharedValues;

/// What a template or an expression can read while it is rendered.
pub struct Scope<'a> {
    /// The names of all variables, for errors.
    pub names: &'a [String],
    /// The variables of the user, in the order of their names; `None` if not set yet.
    pub variables: &'a [Option<Value>],
    /// What all users share, if anything.
    pub shared: Option<&'a Arc<SharedValues>>,
    /// The number of the virtual user, from 1.
    pub user_id: u64,
    /// The number of the iteration, from 1.
    pub iteration: u64,
    /// The counters of the user by name, those that were used.
    pub counters: &'a mut BTreeMap<String, u64>,
    /// The source of all random values.
    pub rng: &'a mut ChaCha12Rng,
    /// The rest of the request, for its headers and credentials.
    pub request: Option<&'a RequestView>,
}

impl Scope<'_> {
    /// The variable at this position.
    ///
    /// # Errors
    /// It is not set.
    pub fn variable(&self, index: usize) -> Result<&Value, String> {
        match self.variables.get(index) {
            Some(Some(value)) => Ok(value),
            _ => {
                let name = self.names.get(index).map_or("?", String::as_str);
                Err(match name.strip_prefix("cookie.") {
                    Some(cookie) => format!("the user has no cookie `{cookie}`"),
                    None => format!("variable `{name}` is not set yet"),
                })
            }
        }
    }
}
