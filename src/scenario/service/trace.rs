//! From `trace` to how requests are traced.

use super::address;
use crate::error::Diagnostic;
use crate::plan::Trace;
use crate::scenario::keys::observe::TraceFile;
use crate::scenario::yaml::decode::{Field, Located};
use crate::scenario::yaml::findings::Findings;

/// Stands for the id while a URL is read, which would encode the braces of [`Trace::PLACE`].
const MARK: &str = "00000000000000000000000000000000";

/// How requests are traced; `None` where they are not. What cannot be understood is reported.
pub(crate) fn trace(field: &Field<TraceFile>, findings: &mut Findings) -> Option<Box<Trace>> {
    let file = &field.get()?.value;
    let url = file.url.get().and_then(|url| page(&url.value, findings));
    let sampled = file.sampled.copied().map_or(1.0, |share| share.0);
    (sampled > 0.0).then(|| Box::new(Trace { sampled, url }))
}

/// The page of a trace.
fn page(given: &Located<String>, findings: &mut Findings) -> Option<String> {
    let text = given.value.as_str();
    findings.hide(address::credentials(text));
    let example = "write it like `https://jaeger.example.org/trace/{trace_id}`";
    let checked = if text.contains("{{") {
        let message = "templates cannot be used here";
        Err(Diagnostic::new(message).help("`{trace_id}` has single braces; reports fill it in"))
    } else if !text.contains(Trace::PLACE) {
        let message = "the URL of a trace has no `{trace_id}`";
        Err(Diagnostic::new(message).help(example))
    } else {
        let url = address::parse_url(&text.replace(Trace::PLACE, MARK));
        url.map_err(|diagnostic| diagnostic.help(example))
    };
    match checked {
        // As it stands in a link: what URLs encode is encoded.
        Ok(url) => Some(url.as_str().replace(MARK, Trace::PLACE)),
        Err(diagnostic) => {
            findings.report(Some(given.at), diagnostic);
            None
        }
    }
}
