//! The counters and lists of `shared`: their definitions, and whether expressions use them as they are.
//!
//! Not here: what they do (`plan`).

use std::sync::LazyLock;

use regex::Regex;

use super::{Names, SHARED};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Input, InputName, SharedStart, SharedValues};
use crate::scenario::keys::data::SharedFile;
use crate::scenario::yaml::decode::{Field, Pairs, list};
use crate::scenario::yaml::findings::Findings;

/// What there is for counters.
const OF_COUNTERS: [&str; 2] = ["next", "value"];
/// What there is for lists.
const OF_LISTS: [&str; 4] = ["push", "pop", "pick", "length"];

/// Makes the shared values of a scenario known to `names`; what is wrong is reported.
pub(crate) fn define(
    field: &Field<Pairs<SharedFile>>,
    names: &mut Names<'_>,
    findings: &mut Findings,
) {
    for (key, start) in field.get().map_or(&[][..], |pairs| &pairs.0) {
        let is_good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.');
        if !key.text.chars().all(is_good) {
            let message = format!("`{}` is not a valid name", key.text);
            let help = "use letters, digits, `_`, `-`, `.` and spaces";
            findings.report(Some(key.at), Diagnostic::new(message).help(help));
        }
        names.shared.push((key.text.clone(), start.0.clone()));
    }
}

/// The shared values of a plan; `None` where the scenario has none.
pub(crate) fn values(names: &Names<'_>) -> Option<SharedValues> {
    (!names.shared.is_empty()).then(|| SharedValues::new(names.shared.iter().cloned()))
}

impl Names<'_> {
    /// What `path` means in an expression, if it is a use of shared values, all of which are then checked.
    pub(super) fn shared_input(
        &self,
        source: &str,
        path: &str,
    ) -> Option<Result<(InputName, Input), Diagnostic>> {
        let first = path.split('.').next().unwrap_or_default();
        if first != SHARED || self.value(SHARED).is_some() {
            return None;
        }
        let checked = self.check_shared(source);
        Some(checked.map(|()| ((SHARED.to_owned(), None), Input::Shared)))
    }

    fn check_shared(&self, source: &str) -> Result<(), Diagnostic> {
        static USE: LazyLock<Regex> = LazyLock::new(|| {
            let text = r#"\bshared\b\s*(?:\.\s*(\w+)\s*(\(\s*(?:'([^']*)'|"([^"]*)")?)?)?"#;
            Regex::new(text).expect("a fixed pattern")
        });
        if self.shared.is_empty() {
            return Err(Diagnostic::new("the scenario has no `shared` values").help(
                "define a counter with its first number, or a list: `shared: {orders: 1, tokens: []}`",
            ));
        }
        for found in USE.captures_iter(source) {
            let method = found.get(1).map_or("", |method| method.as_str());
            let name = found.get(3).or(found.get(4)).map(|name| name.as_str());
            self.check_use(method, found.get(2).is_some(), name)?;
        }
        Ok(())
    }

    fn check_use(&self, method: &str, is_call: bool, name: Option<&str>) -> Result<(), Diagnostic> {
        let all = || OF_COUNTERS.into_iter().chain(OF_LISTS);
        let example = || {
            let (name, start) = &self.shared[0];
            match start {
                SharedStart::Counter(_) => format!("shared.next(\"{name}\")"),
                SharedStart::List(_) => format!("shared.pop(\"{name}\")"),
            }
        };
        if !all().any(|known| known == method) {
            let message = format!("`{SHARED}.{method}` is unknown");
            let diagnostic = match method.is_empty() {
                true => Diagnostic::new("`shared` is no value by itself"),
                false => Diagnostic::new(message),
            };
            let diagnostic =
                diagnostic.help(format!("write `{}`; there are {}", example(), list(all())));
            return Err(match did_you_mean(method, all()) {
                Some(close) => diagnostic.label(format!("did you mean `{SHARED}.{close}`?")),
                None => diagnostic,
            });
        }
        let Some(name) = name.filter(|_| is_call) else {
            let message = format!("`{SHARED}.{method}` needs a name in quotes");
            return Err(Diagnostic::new(message).help(format!("write `{}`", example())));
        };
        let known = || self.shared.iter().map(|(name, _)| name.as_str());
        let Some((_, start)) = self.shared.iter().find(|(known, _)| known == name) else {
            let diagnostic = Diagnostic::new(format!("unknown shared value `{name}`"));
            let diagnostic = diagnostic.help(format!("known: {}", list(known())));
            return Err(match did_you_mean(name, known()) {
                Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
                None => diagnostic,
            });
        };
        let (what, methods) = match start {
            SharedStart::Counter(_) => ("counter", &OF_COUNTERS[..]),
            SharedStart::List(_) => ("list", &OF_LISTS[..]),
        };
        if methods.contains(&method) {
            return Ok(());
        }
        let message = format!("`{name}` is a {what}, which has no `{method}`");
        let help = format!("a {what} has {}", list(methods.iter().copied()));
        Err(Diagnostic::new(message).help(help))
    }
}
