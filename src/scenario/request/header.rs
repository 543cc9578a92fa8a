//! Headers: their names and values.
//!
//! Not here: which headers a request has beside those written (`request`, `auth`, `body`).

use std::collections::BTreeSet;

use crate::error::Diagnostic;
use crate::plan::{Escape, Header, Slot, Template, TemplatePart};
use crate::scenario::names::Names;
use crate::scenario::names::template::{Piece, as_parts};
use crate::scenario::names::uses::{Inherited, Use};
use crate::scenario::yaml::decode::{Field, Located, Pairs};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::Key;

/// A header of `defaults`.
#[derive(Clone)]
pub(crate) struct DefaultHeader {
    /// What is sent.
    pub header: Header,
    /// The values it needs that are set during the run.
    pub uses: Vec<Use>,
}

/// The headers of `defaults`; what cannot be sent is reported.
pub(crate) fn of_defaults(
    field: &Field<Pairs<String>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<DefaultHeader> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut headers = Headers::default();
    let mut uses = Vec::new();
    for (key, text) in pairs {
        if headers.add(key, text, names, findings) {
            let inherited = Some(Inherited::Header(key.text.clone()));
            let of_header = names.log.take().into_iter();
            uses.push(
                of_header
                    .map(|one| Use {
                        inherited: inherited.clone(),
                        ..one
                    })
                    .collect(),
            );
        }
    }
    let headers = headers.0.into_iter().zip(uses);
    headers
        .map(|(header, uses)| DefaultHeader { header, uses })
        .collect()
}

/// The headers of an endpoint, and the lower-case names of those of `defaults` or of user classes that it does not send;
/// what cannot be sent is reported.
pub(crate) fn of_endpoint(
    field: &Field<Pairs<Option<String>>>,
    (defaults, of_classes): (&[DefaultHeader], &BTreeSet<String>),
    names: &Names<'_>,
    findings: &mut Findings,
) -> (Vec<Header>, Vec<String>) {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut headers = Headers::default();
    let mut removed = Vec::new();
    let is_given = |name: &String| {
        of_classes.contains(name) || defaults.iter().any(|default| default.header.name == *name)
    };
    for (key, value) in pairs {
        let name = key.text.to_ascii_lowercase();
        match &value.value {
            Some(text) => {
                let text = Located {
                    value: text.clone(),
                    at: value.at,
                };
                let is_sent = headers.add(key, &text, names, findings);
                if !is_sent && is_given(&name) {
                    removed.push(name);
                }
            }
            None if is_given(&name) => removed.push(name),
            None => {
                let help = match name.as_str() {
                    "authorization" => {
                        "write its value; to leave out the `auth` of `defaults`, write `auth: none`"
                    }
                    _ => {
                        "write its value, or `\"\"` to send it empty; `null` leaves out a header of `defaults` or of a user class, which have none of this name"
                    }
                };
                let message = format!("the header `{}` has no value", key.text);
                let diagnostic = Diagnostic::new(message).help(help);
                findings.report(Some(key.at), diagnostic);
            }
        }
    }
    (headers.0, removed)
}

/// Headers that can be sent.
#[derive(Default)]
struct Headers(Vec<Header>);

impl Headers {
    /// Adds one, unless it is known to have no value, or its name cannot be used, which is reported.
    fn add(
        &mut self,
        key: &Key,
        text: &Located<String>,
        names: &Names<'_>,
        findings: &mut Findings,
    ) -> bool {
        let name = key.text.to_ascii_lowercase();
        if let Err(diagnostic) = check_name(&name, &self.0) {
            findings.report(Some(key.at), diagnostic);
            return false;
        }
        let pieces = names.with_request(|| names.pieces(&text.value, text.at, findings));
        if let [Piece::Known(serde_json::Value::Null)] = pieces.as_slice() {
            return false;
        }
        let value = Template::new(text.value.as_str(), as_parts(pieces, Escape::None));
        if !value.parts().iter().all(is_text) {
            report_value(&key.text, text.at, findings);
        }
        self.0.push(Header { name, value });
        true
    }
}

/// Whether a header of this lower-case name may be given.
pub(crate) fn check_name(name: &str, before: &[Header]) -> Result<(), Diagnostic> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(
            Diagnostic::new(format!("`{name}` is not a valid header name"))
                .help("use letters, digits and `-`"),
        );
    }
    if matches!(name, "content-length" | "transfer-encoding" | "connection") {
        return Err(
            Diagnostic::new(format!("the header `{name}` is set by perfctl")).help("remove it"),
        );
    }
    if before.iter().any(|header| header.name == name) {
        return Err(Diagnostic::new(format!("duplicate header `{name}`"))
            .help("header names are case-insensitive: remove one of them"));
    }
    Ok(())
}

/// Whether a part is allowed in a header. The value itself is not shown: it may be a secret.
pub(crate) fn is_text(part: &TemplatePart) -> bool {
    let fits = |text: &str| http::HeaderValue::from_str(text).is_ok();
    match part {
        TemplatePart::Literal(text) => fits(text),
        TemplatePart::Slot {
            slot: Slot::RandomChoice(choices),
            ..
        } => choices
            .iter()
            .all(|choice| choice.as_str().is_none_or(fits)),
        TemplatePart::Slot { .. } => true,
    }
}

/// Reports a value that no header can hold.
pub(crate) fn report_value(name: &str, at: Span, findings: &mut Findings) {
    findings.report(
        Some(at),
        Diagnostic::new(format!(
            "the value of header `{name}` contains a line break or a control character"
        ))
        .help("a header is one line; check the values of its templates as well"),
    );
}
