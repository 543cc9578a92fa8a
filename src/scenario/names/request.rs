//! The parts of a request that its own headers and credentials can read: `{{ request.body }}`.
//!
//! Here: where they can be named. Not here: what they are (`plan`), and when they are filled in (`engine`).

use super::Names;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Input, RequestPart};
use crate::scenario::yaml::decode::list;

impl Names<'_> {
    /// What is read by `read` can name parts of its request.
    pub fn with_request<T>(&self, read: impl FnOnce() -> T) -> T {
        self.sees_request.set(true);
        let result = read();
        self.sees_request.set(false);
        result
    }

    /// What `request.NAME` means; `None` for anything else.
    pub(super) fn request_part(&self, path: &str) -> Option<Result<Input, Diagnostic>> {
        let part = path.strip_prefix("request.")?;
        // Its parts are the names of headers.
        let part = match part.starts_with("headers.") {
            true => "headers",
            false => part,
        };
        let known = || RequestPart::ALL.into_iter().map(|(name, _)| name);
        let mut parts = RequestPart::ALL.into_iter();
        let Some((_, found)) = parts.find(|(name, _)| *name == part) else {
            let diagnostic = Diagnostic::new(format!("`request` has no `{part}`"))
                .help(format!("known: {}", list(known())));
            return Some(Err(match did_you_mean(part, known()) {
                Some(close) => diagnostic.label(format!("did you mean `request.{close}`?")),
                None => diagnostic,
            }));
        };
        Some(match self.sees_request.get() {
            true => Ok(Input::Request(found)),
            false => Err(Diagnostic::new(format!("`{path}` cannot be used here")).help(
                "only `headers`, and `auth` by `bearer` or `api_key`, can read the rest of their request",
            )),
        })
    }
}
