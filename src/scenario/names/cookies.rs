//! Cookies of the user as values: `{{ cookie.NAME }}`, and `cookie['NAME']` in expressions.
//!
//! Here: which cookies a text names. Not here: steps that change cookies (`flow::cookies`), or the cookies
//! themselves (`protocol`).

use super::syntax::COOKIE;
use super::{NameValue, Names, VariableSource};
use crate::error::Diagnostic;
use crate::plan::{Input, InputName, Slot};

/// Whether a cookie may have this name: a token, by RFC 6265.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

impl Names<'_> {
    /// What is said of `cookie` alone.
    pub(super) fn cookie_without_name(&self) -> Diagnostic {
        Diagnostic::new("`cookie` is not a value by itself")
            .help("name the cookie: `cookie.session`, or `cookie['my.session']`")
    }

    /// What `cookie.NAME` means, whose name has only letters, digits, `_`, `-` and `.`; `None` for anything
    /// else.
    pub(super) fn cookie(&self, path: &str) -> Option<Result<NameValue, Diagnostic>> {
        let (first, name) = path.split_once('.')?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_cookie = first == COOKIE && !name.is_empty() && name.chars().all(is_plain);
        // A variable may have that name.
        let is_cookie = is_cookie && self.value(COOKIE).is_none();
        is_cookie.then(|| {
            let position = self.cookie_position(name)?;
            Ok(NameValue::Slot(Slot::Variable(position)))
        })
    }

    fn cookie_position(&self, name: &str) -> Result<usize, Diagnostic> {
        match self.defining {
            true => Err(Diagnostic::new(
                "cookies are set during the run, but variables are filled in when the user starts",
            )
            .help(format!(
                "use `{{{{ cookie.{name} }}}}` in the requests that need it"
            ))),
            false => Ok(self.position(&format!("{COOKIE}.{name}"), VariableSource::Cookie)),
        }
    }

    /// Whether a cookie can be named like this within an expression, where a dot looks into a value.
    pub(super) fn checked_cookie(&self, path: &str) -> Result<(), Diagnostic> {
        let name = path.split_once('.').map_or("", |(_, name)| name);
        match name.contains('.') {
            true => Err(Diagnostic::new(format!(
                "in an expression, `{path}` is a part of a cookie"
            ))
            .help(format!(
                "to name a cookie with a dot, write `cookie['{name}']`"
            ))),
            false => Ok(()),
        }
    }

    /// The cookies that an expression names as `cookie['NAME']`.
    pub(super) fn cookies_in(&self, source: &str) -> Result<(InputName, Input), Diagnostic> {
        let mut members: Vec<(String, usize)> = Vec::new();
        for (at, _) in source.match_indices(COOKIE) {
            let rest = source[at + COOKIE.len()..].trim_start();
            let inside = rest.strip_prefix('[').map(str::trim_start);
            let named = inside.and_then(|inside| {
                let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
                inside[1..].split_once(quote)
            });
            if let Some((name, _)) = named
                && members.iter().all(|(known, _)| known != name)
            {
                members.push((name.to_owned(), self.cookie_position(name)?));
            }
        }
        match members.is_empty() {
            true => Err(self.cookie_without_name()),
            false => Ok(((COOKIE.to_owned(), None), Input::Members(members))),
        }
    }

    /// The cookies that something uses: their names, and their positions in the names of the plan.
    pub fn cookies(&self) -> Vec<(String, usize)> {
        let extra = self.extra.borrow();
        let used = extra.iter().enumerate().filter_map(|(i, extra)| {
            let name = extra.name.split_once('.').map(|(_, name)| name)?;
            let is_cookie = extra.origin == VariableSource::Cookie;
            is_cookie.then(|| (name.to_owned(), self.variables.len() + i))
        });
        used.collect()
    }
}
