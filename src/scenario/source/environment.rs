//! What an environment says, put in the place of what the scenario says.
//!
//! Here: which parts of a scenario an environment replaces. Not here: the keys of environments (`keys`), and what
//! they mean.

use crate::error::{Diagnostic, did_you_mean};
use crate::scenario::yaml::decode::list;
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Key, Node, NodeKind};

/// Puts what the environment of this name says into the `scenario`; one that there is not is reported.
pub(crate) fn choose(scenario: &mut Node, name: &str, findings: &mut Findings) {
    let environments = match scenario.get("environments").map(|node| &node.kind) {
        Some(NodeKind::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let names = || environments.iter().map(|(key, _)| key.text.as_str());
    let Some((_, chosen)) = environments.iter().find(|(key, _)| key.text == name) else {
        let mut message = format!("unknown environment `{name}`");
        if let Some(close) = did_you_mean(name, names()) {
            message += &format!(": did you mean `{close}`?");
        }
        let help = match environments.is_empty() {
            true => "the scenario has no `environments`".to_owned(),
            false => format!("environments: {}", list(names())),
        };
        findings.report(None, Diagnostic::new(message).help(help));
        return;
    };
    // What is no mapping, or no key of one, is reported where environments are decoded.
    let NodeKind::Map(parts) = chosen.kind.clone() else {
        return;
    };
    for (key, value) in parts {
        match key.text.as_str() {
            "host" => put(scenario, &key, value),
            "headers" => {
                let defaults = Key {
                    text: "defaults".to_owned(),
                    at: key.at,
                };
                let headers = Node {
                    at: value.at,
                    kind: NodeKind::Map(vec![(key, value)]),
                };
                merge(scenario, &defaults, headers, 2);
            }
            _ => merge(scenario, &key, value, 1),
        }
    }
}

/// Whether two keys are the same. Names of headers may differ in case; names with a `-` can be no others.
fn is_same(a: &str, b: &str) -> bool {
    a == b || (b.contains('-') && a.eq_ignore_ascii_case(b))
}

/// Sets `key` of a mapping.
fn put(node: &mut Node, key: &Key, value: Node) {
    let NodeKind::Map(entries) = &mut node.kind else {
        return;
    };
    match entries
        .iter_mut()
        .find(|(known, _)| is_same(&known.text, &key.text))
    {
        Some(entry) => *entry = (key.clone(), value),
        None => entries.push((key.clone(), value)),
    }
}

/// Sets the keys of the mapping at `key` one by one, down to so many mappings in it.
fn merge(node: &mut Node, key: &Key, value: Node, depth: usize) {
    let NodeKind::Map(entries) = &mut node.kind else {
        return;
    };
    let found = entries.iter_mut().find(|(known, _)| known.text == key.text);
    match (found, value.kind) {
        (Some((_, base)), NodeKind::Map(parts))
            if depth > 0 && matches!(base.kind, NodeKind::Map(_)) =>
        {
            for (key, value) in parts {
                match depth {
                    1 => put(base, &key, value),
                    _ => merge(base, &key, value, depth - 1),
                }
            }
        }
        (_, kind) => put(node, key, Node { at: value.at, kind }),
    }
}
