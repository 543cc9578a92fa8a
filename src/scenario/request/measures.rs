//! From `measure` to the numbers that are kept.

use crate::error::Diagnostic;
use crate::plan::Measure;
use crate::scenario::keys::response::MeasureFile;
use crate::scenario::names::Names;
use crate::scenario::yaml::decode::{Field, Located, OneOrMany};
use crate::scenario::yaml::findings::Findings;

/// The longest name of a measure.
const MAX_NAME: usize = 40;

/// The most names of measures in a scenario.
const MAX_MEASURES: usize = 100;

/// What is to be measured; what cannot be understood is reported.
pub(crate) fn measures(
    field: &Field<OneOrMany<Located<MeasureFile>>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Measure> {
    let files = field.get().map_or(&[][..], |files| &files.0);
    let mut measures = Vec::new();
    for file in files {
        let unit = file.unit.copied().unwrap_or_default();
        let value = file.value.value.get();
        let value = value.map(|value| {
            let template = names.value_template(value, findings);
            names.log.note_place(template.shared_source(), value.at);
            template
        });
        let (Some(name), Some(value)) = (file.name.get(), value) else {
            continue;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.value.is_empty() || name.value.len() > MAX_NAME || !name.value.chars().all(is_name)
        {
            let message = format!("`{}` is not a valid name of a measure", name.value);
            let help = format!("use letters, digits, `_` and `-`, at most {MAX_NAME}");
            findings.report(Some(name.at), Diagnostic::new(message).help(help));
            continue;
        }
        let mut known = names.measures.borrow_mut();
        let before = *known.entry(name.value.clone()).or_insert(unit);
        if before != unit {
            let message = format!("the measure `{}` has two units", name.value);
            let help = "values of one name are kept together: use one unit, or two names";
            findings.report(Some(name.at), Diagnostic::new(message).help(help));
        }
        if known.len() == MAX_MEASURES + 1 {
            let message = format!("more than {MAX_MEASURES} names of measures");
            findings.report(Some(name.at), Diagnostic::new(message));
        }
        measures.push(Measure {
            name: name.value.as_str().into(),
            unit,
            value,
        });
    }
    measures
}
