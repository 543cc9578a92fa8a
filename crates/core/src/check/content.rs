//! The body of a response, as checks and extractions see it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use bytes::Bytes;
use serde_json::Value;

use super::decode::decode;
use super::html::HtmlDocument;
use super::text::beginning;
use crate::metrics::Outcome;
use crate::plan::{CssSelector, JsonPath, Secrets};
use crate::protocol::{Failure, Response};

/// A body is searched this often before it is parsed as a whole, which takes about ten times as long as a look.
const MAX_LOOKS: u32 = 4;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The body of a response, decoded and parsed once, when something first asks for it.
pub(super) struct ResponseContent<'a> {
    pub(super) response: &'a Response,
    pub(super) secrets: &'a Secrets,
    body: OnceCell<Result<Bytes, Failure>>,
    json: OnceCell<Result<Value, Failure>>,
    /// How often it was searched without being parsed as a whole.
    looks: Cell<u32>,
    html: OnceCell<Result<HtmlDocument, Failure>>,
}

impl<'a> ResponseContent<'a> {
    pub(super) fn new(response: &'a Response, secrets: &'a Secrets) -> Self {
        Self {
            response,
            secrets,
            body: OnceCell::new(),
            json: OnceCell::new(),
            looks: Cell::new(0),
            html: OnceCell::new(),
        }
    }

    pub(super) fn body(&self) -> Result<&Bytes, Failure> {
        let decode = || decode(&self.response.headers, &self.response.body);
        self.body.get_or_init(decode).as_ref().map_err(Clone::clone)
    }

    /// What a path finds in the body, which is parsed as a whole only if that is less work.
    ///
    /// # Errors
    /// The body cannot be decoded, or is no JSON.
    pub(super) fn find(&self, path: &JsonPath) -> Result<Vec<Cow<'_, Value>>, Failure> {
        if self.json.get().is_none() && self.looks.get() < MAX_LOOKS {
            self.looks.set(self.looks.get() + 1);
            if let Some(found) = path.find(self.json_text()?) {
                return Ok(found.into_iter().map(Cow::Owned).collect());
            }
        }
        let found = path.query(self.json()?);
        Ok(found.into_iter().map(Cow::Borrowed).collect())
    }

    fn json_text(&self) -> Result<&[u8], Failure> {
        let body = self.body()?;
        // Some services write one, which JSON does not allow.
        Ok(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body))
    }

    pub(super) fn json(&self) -> Result<&Value, Failure> {
        let parse = || {
            let body = self.json_text()?;
            parse(body, self.secrets).map_err(|why| Failure::new(Outcome::CheckFailed, why))
        };
        self.json.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// What a selector finds in the body, at most `most`; see [`HtmlDocument::values`].
    pub(super) fn css(
        &self,
        selector: &CssSelector,
        attribute: Option<&str>,
        most: usize,
    ) -> Result<Vec<Value>, Failure> {
        let failed = |why: String| {
            let text = format!("the body cannot be searched for `{selector}`: {why}");
            Failure::new(Outcome::CheckFailed, text)
        };
        let parse = || HtmlDocument::parse(&String::from_utf8_lossy(self.body()?)).map_err(failed);
        let html = self.html.get_or_init(parse);
        let html = html.as_ref().map_err(Clone::clone)?;
        let found = html.values(selector, attribute, most).map_err(failed)?;
        Ok(found.into_iter().map(Value::from).collect())
    }
}

fn parse(body: &[u8], secrets: &Secrets) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "the body is not JSON ({error}){}",
            beginning(&String::from_utf8_lossy(body), secrets)
        )
    })
}
