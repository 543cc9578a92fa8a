//! From an endpoint's `extract` to what is taken out of its responses.

use super::checks::{css_selector, json_path, no_template_within, pattern};
use crate::error::Diagnostic;
use crate::plan::{Extraction, ExtractionSource, Pick};
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::keys::response::ExtractionFile;
use crate::scenario::names::Names;
use crate::scenario::names::template::refuse_template;
use crate::scenario::yaml::decode::{Field, Pairs, list};
use crate::scenario::yaml::findings::{Findings, Span};

/// The variables of `field`, in order; a name that cannot be one is reported.
pub(crate) fn variables<'a>(
    field: &'a Field<Pairs<ExtractionFile>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<&'a str> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut found = Vec::new();
    for (key, _) in pairs {
        match names.check_new(&key.text) {
            Ok(()) => found.push(key.text.as_str()),
            Err(message) => findings.report(Some(key.at), Diagnostic::new(message)),
        }
    }
    found
}

/// The extractions of an endpoint, whose variables were declared; what cannot be understood is
/// reported.
pub(crate) fn extractions(
    file: &EndpointFile,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Extraction> {
    let pairs = file.extract.get().map_or(&[][..], |pairs| &pairs.0);
    let mut extractions = Vec::new();
    for (key, extraction) in pairs {
        let file = &extraction.value;
        let help = "values are taken out of responses as they are; use the template where the value is used";
        if let Some(default) = file.default.get() {
            no_template_within(&default.value, help, findings);
        }
        for field in [
            &file.cookie,
            &file.regex,
            &file.json,
            &file.css,
            &file.attribute,
        ] {
            if let Some(text) = field.get() {
                refuse_template(&text.value, text.at, help, findings);
            }
        }
        let from = source(file, extraction.at, names, findings);
        let regex = file
            .regex
            .get()
            .map(|text| pattern(&text.value, text.at, findings));
        let between = between(file, findings);
        let regex = match &between {
            Some((at, [left, right])) => {
                // Line breaks may be between them.
                let text = format!("(?s){}(.*?){}", regex::escape(left), regex::escape(right));
                Some(pattern(&text, *at, findings))
            }
            None => regex,
        };
        let pick = pick(file, findings);
        if let (Some(from), Some(variable), false) =
            (from, names.changing(&key.text), regex == Some(None))
        {
            extractions.push(Extraction {
                name: key.text.clone(),
                variable,
                from,
                regex: regex.flatten(),
                between: between.map(|(_, texts)| texts),
                pick,
                default: file.default.get().map(|value| value.to_json()),
            });
        }
    }
    extractions
}

/// The texts around the value, and their place; what cannot be used is reported.
fn between(file: &ExtractionFile, findings: &mut Findings) -> Option<(Span, [String; 2])> {
    let between = file.between.get()?;
    if let Some(key) = file.regex.key() {
        let diagnostic = Diagnostic::new("`regex` and `between` cannot be used together")
            .help("write what is around the value into the `regex`");
        findings.report(Some(key), diagnostic);
    }
    let help =
        "values are taken out of responses as they are; use the template where the value is used";
    let [left, right] = [between.left.get()?, between.right.get()?];
    for text in [left, right] {
        refuse_template(&text.value, text.at, help, findings);
        if text.value.is_empty() {
            let diagnostic = Diagnostic::new("the text around the value is empty")
                .help("without an end, use `regex`, such as `id=(.*)`");
            findings.report(Some(text.at), diagnostic);
        }
    }
    Some((between.at, [left.value.clone(), right.value.clone()]))
}

fn source(
    file: &ExtractionFile,
    at: Span,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<ExtractionSource> {
    let given = [
        ("json", &file.json),
        ("css", &file.css),
        ("header", &file.header),
        ("cookie", &file.cookie),
        ("js", &file.js),
    ];
    let mut given = given.into_iter().filter(|(_, field)| !field.is_missing());
    if let (Some(key), true) = (file.attribute.key(), file.css.is_missing()) {
        let diagnostic = Diagnostic::new("`attribute` has no effect without `css`")
            .help("add the selector of the elements: `css: \"input[name=csrf]\"`");
        findings.report(Some(key), diagnostic);
    }
    let Some((key, field)) = given.next() else {
        if file.regex.is_missing() && file.between.is_missing() {
            // What a key of another name is here was said.
            if !file.hints.is_empty() {
                return None;
            }
            let diagnostic = Diagnostic::new("the extraction has no source").help(format!(
                "add one of {}",
                list(["json", "css", "regex", "between", "header", "cookie", "js"])
            ));
            findings.report(Some(at), diagnostic);
            return None;
        }
        return Some(ExtractionSource::Body);
    };
    if let Some((second, other)) = given.next() {
        let diagnostic = Diagnostic::new(format!("more than one source: `{key}` and `{second}`"))
            .help("keep one of them; only `regex` and `between` can be combined with another");
        findings.report(other.key(), diagnostic);
    }
    let text = field.get()?;
    if key == "js" {
        for (name, other) in [
            ("regex", file.regex.key()),
            ("between", file.between.key()),
            ("index", file.index.key()),
        ] {
            if other.is_some() {
                let diagnostic = Diagnostic::new(format!("`{name}` has no effect beside `js`"))
                    .help("let the function pick the value");
                findings.report(other, diagnostic);
            }
        }
        return names
            .script_call(text, findings)
            .map(ExtractionSource::Script);
    }
    match key {
        "json" => json_path(&text.value, text.at, findings).map(ExtractionSource::Json),
        // Which was reported.
        "css" if text.value.contains("{{") => None,
        "css" => {
            let selector = css_selector(&text.value, text.at, findings)?;
            let attribute = file.attribute.get();
            let attribute = attribute.map(|name| name.value.to_ascii_lowercase());
            Some(ExtractionSource::Css {
                selector,
                attribute,
            })
        }
        "header" if http::HeaderName::from_bytes(text.value.as_bytes()).is_err() => {
            let diagnostic =
                Diagnostic::new(format!("`{}` is not a valid header name", text.value));
            findings.report(Some(text.at), diagnostic);
            None
        }
        "header" => Some(ExtractionSource::Header(text.value.to_ascii_lowercase())),
        _ => Some(ExtractionSource::Cookie(text.value.clone())),
    }
}

fn pick(file: &ExtractionFile, findings: &mut Findings) -> Pick {
    let Some(text) = file.index.get() else {
        return Pick::Index(0);
    };
    match text.value.as_str() {
        "last" => Pick::Last,
        "random" => Pick::Random,
        "all" => Pick::All,
        number => number.parse().map_or_else(
            |_| {
                let diagnostic = Diagnostic::new(format!("`{number}` is not an index"))
                    .help("write a number from 0, `last`, `random` or `all`");
                findings.report(Some(text.at), diagnostic);
                Pick::Index(0)
            },
            Pick::Index,
        ),
    }
}
