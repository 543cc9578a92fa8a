//! From the names and values of `set` and `variables` to assignments.
//!
//! Not here: when they are carried out (`flow`, `engine`), and whether what they use is set by then
//! (`flow::data_flow`).

use std::collections::BTreeSet;

use super::body;
use crate::plan::{Assignment, ListItem};
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::names::Names;
use crate::scenario::names::uses::Use;
use crate::scenario::yaml::decode::{Field, Pairs};
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
