//! From the key `cookies` of a step to what becomes of the cookies of its user.

use crate::error::Diagnostic;
use crate::plan::{CookieChange, Escape, Template};
use crate::scenario::keys::flow::{CookieChangeFile, CookiesFile};
use crate::scenario::names::Names;
use crate::scenario::names::cookies::is_cookie_name;
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::Findings;

/// The change that a step makes; what no cookie can hold is reported.
pub(crate) fn change(
    file: &CookiesFile,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<CookieChange> {
    let pairs = match &file.cookies.get()?.value {
        CookieChangeFile::Clear => return Some(CookieChange::Clear),
        CookieChangeFile::Set(pairs) => &pairs.0,
    };
    let mut values = Vec::new();
    for (key, value) in pairs {
        if !is_cookie_name(&key.text) {
            let diagnostic = Diagnostic::new(format!("`{}` is not a cookie name", key.text))
                .help("use letters, digits, `-`, `_` and `.`");
            findings.report(Some(key.at), diagnostic);
        }
        let template = value.value.as_ref().map(|text| {
            let text = Located {
                value: text.clone(),
                at: value.at,
            };
            let template = names.template(&text, Escape::None, findings);
            names.log.note_place(template.shared_source(), value.at);
            template
        });
        let known = template.as_ref().and_then(Template::as_constant);
        if known.is_some_and(|text| text.contains(|c: char| c == ';' || c.is_control())) {
            let diagnostic = Diagnostic::new(format!(
                "the value of the cookie `{}` has a `;` or a control character",
                key.text
            ))
            .help("no cookie can hold it: encode the value, such as with `| urlencode`");
            findings.report(Some(value.at), diagnostic);
        }
        values.push((key.text.clone(), template));
    }
    Some(CookieChange::Set(values))
}

/// The values that a change gives cookies.
pub(crate) fn values(change: &CookieChange) -> impl Iterator<Item = &Template> {
    let values = match change {
        CookieChange::Clear => &[][..],
        CookieChange::Set(values) => values,
    };
    values.iter().filter_map(|(_, value)| value.as_ref())
}
