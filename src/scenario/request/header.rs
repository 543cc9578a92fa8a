//! Headers: their names and values.
//!
//! Not here: which headers a request has beside those written (`request`, `auth`, `body`).

use crate::error::Diagnostic;
use crate::plan::{Escape, Header, Slot, TemplatePart};
use crate::scenario::names::Names;
use crate::scenario::yaml::decode::{Field, Pairs};
use crate::scenario::yaml::findings::{Findings, Span};

/// The headers of `field`; what cannot be sent is reported.
pub(crate) fn headers(
    field: &Field<Pairs<String>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Header> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut headers: Vec<Header> = Vec::new();
    for (key, text) in pairs {
        let name = key.text.to_ascii_lowercase();
        if let Err(diagnostic) = check_name(&name, &headers) {
            findings.report(Some(key.at), diagnostic);
            continue;
        }
        let value = names.template(text, Escape::None, findings);
        if !value.parts().iter().all(is_text) {
            report_value(&key.text, text.at, findings);
        }
        headers.push(Header { name, value });
    }
    headers
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
