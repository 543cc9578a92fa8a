//! From the names and values of `set` and `variables` to assignments.
//!
//! Not here: when they are carried out (`flow`, `engine`), and whether what they use is set by then
//! (`flow::data_flow`).

use std::collections::BTreeSet;

use super::body;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Assignment, ListItem, Push, SharedStart};
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::names::Names;
use crate::scenario::names::uses::Use;
use crate::scenario::yaml::decode::{Field, Pairs, list};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Key, Node};

/// What `field` sets, in order; its names were declared, and what cannot be understood is reported.
pub(crate) fn assignments(
    field: &Field<Pairs<Node>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Assignment> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let found = pairs.iter().filter_map(|(key, value)| {
        let value = item(value, names, findings);
        // A name that cannot be one was reported.
        let variable = names.changing(&key.text)?;
        Some(Assignment { variable, value })
    });
    found.collect()
}

/// What `field` adds to shared lists; what cannot be understood is reported.
pub(crate) fn pushes(
    field: &Field<Pairs<Node>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Push> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut pushes = Vec::new();
    for (key, value) in pairs {
        let item = item(value, names, findings);
        let is_list = |start: &SharedStart| matches!(start, SharedStart::List(_));
        let mut shared = names.shared.iter();
        let name = key.text.as_str();
        match shared.position(|(known, start)| known == name && is_list(start)) {
            Some(list) => pushes.push(Push { list, item }),
            None => {
                let lists = names.shared.iter().filter(|(_, start)| is_list(start));
                let lists: Vec<&str> = lists.map(|(name, _)| name.as_str()).collect();
                let mut diagnostic = Diagnostic::new(format!("`{name}` is no shared list"));
                if let Some(close) = did_you_mean(name, lists.iter().copied()) {
                    diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
                }
                let help = match lists.is_empty() {
                    true => {
                        format!("define it at the top of the scenario: `shared: {{{name}: []}}`")
                    }
                    false => format!("lists: {}", list(lists)),
                };
                findings.report(Some(key.at), diagnostic.help(help));
            }
        }
    }
    pushes
}

/// The variables of an endpoint. The log then has what they use that they do not set themselves before.
pub(super) fn of_endpoint(
    file: &EndpointFile,
    names: &Names<'_>,
    findings: &mut Findings,
) -> (Vec<Assignment>, Vec<Use>) {
    let (mut found, mut uses, mut set) = (Vec::new(), Vec::new(), BTreeSet::new());
    let pairs = file.variables.get().map_or(&[][..], |pairs| &pairs.0);
    for (key, value) in pairs {
        let value = item(value, names, findings);
        let used = names.log.take().into_iter();
        uses.extend(used.filter(|one| !set.contains(&one.variable)));
        if let Some(variable) = names.changing(&key.text) {
            set.insert(variable);
            found.push(Assignment { variable, value });
        }
    }
    (found, uses)
}

/// The names that `field` sets.
pub(crate) fn keys(field: &Field<Pairs<Node>>) -> impl Iterator<Item = &Key> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    pairs.iter().map(|(key, _)| key)
}

/// A value, of which parts may be filled in when its turn comes. Its place is noted.
pub(crate) fn item(value: &Node, names: &Names<'_>, findings: &mut Findings) -> ListItem {
    let json = body::json(value, names, findings);
    match json.is_literal_source() || json.as_constant().is_some() {
        true => {
            let text = json.as_constant().unwrap_or_default();
            ListItem::Known(serde_json::from_str(text).unwrap_or_else(|_| value.to_json()))
        }
        false => {
            names.log.note_place(json.shared_source(), value.at);
            ListItem::Filled(json)
        }
    }
}
