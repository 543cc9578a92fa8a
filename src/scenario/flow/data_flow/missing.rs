//! What is said of a value that is used before it can be set.
//!
//! Not here: how that is found out (`data_flow`).

use std::collections::BTreeSet;

use crate::error::Diagnostic;
use crate::scenario::names::uses::{Inherited, Use};

/// What sets a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setter<R> {
    /// A `repeat`.
    Repeat,
    /// A step `set`, or the `variables` of a flow or an endpoint.
    Set,
    /// The arguments of named steps, for these alone.
    With,
    /// The response to this request.
    Response(R),
}

/// What is known of a use without a value.
#[derive(Default)]
pub(super) struct MissingValue {
    /// The requests it belongs to, in the order of the run.
    pub(super) requests: Vec<String>,
    /// The classes in which it has none.
    pub(super) classes: BTreeSet<String>,
    /// What sets it in these classes, but too late.
    pub(super) setters: BTreeSet<Setter<String>>,
    /// Whether it is used before or after the load, by the user of set-up and tear-down.
    pub(super) is_around: bool,
}

impl MissingValue {
    /// What is said of it.
    pub(super) fn explain(
        &self,
        variable: &str,
        one: &Use,
        elsewhere: &[String],
        is_only_class: bool,
    ) -> Diagnostic {
        let of_responses = self.setters.iter().filter_map(|by| match by {
            Setter::Response(name) => Some(name.as_str()),
            Setter::Repeat | Setter::Set | Setter::With => None,
        });
        let of_responses: Vec<&str> = of_responses.collect();
        let is_assigned = self.setters.contains(&Setter::Set);
        let is_argument = self.setters.contains(&Setter::With) && !is_assigned;
        let requests = both(self.requests.iter().map(String::as_str));
        let part = match &one.inherited {
            Some(Inherited::Header(name)) => Some((
                format!("the header `{name}` of `defaults`"),
                format!("`headers: {{{name}: null}}`"),
            )),
            Some(Inherited::Auth) => Some((
                "the `auth` of `defaults`".to_owned(),
                "`auth: none`".to_owned(),
            )),
            None => None,
        };
        let message = match (&part, self.setters.is_empty()) {
            (_, true) => format!("`{variable}` is never set"),
            (None, false) if is_argument && of_responses.is_empty() => {
                format!("`{variable}` is not given wherever it is used")
            }
            (None, false) => format!("`{variable}` is used before it is set"),
            (Some((part, _)), false) => {
                format!("{requests} would be sent with {part} before `{variable}` is set")
            }
        };
        let set_by = match of_responses.as_slice() {
            [] if is_assigned => "only a later `set` or `variables` sets it".to_owned(),
            [] if is_argument => "only `with` sets it, in some places".to_owned(),
            [] => "a `repeat` sets it, for its own steps and those after it".to_owned(),
            [one] if self.requests == [*one] => {
                format!("only the response to `{one}` itself sets it")
            }
            many => format!(
                "only the response to {} sets it",
                both(many.iter().copied())
            ),
        };
        let is_of_load = self.is_around && self.setters.is_empty() && !elsewhere.is_empty();
        let label = match (self.setters.is_empty(), is_only_class) {
            _ if is_of_load => "only users of the load set it, each for itself".to_owned(),
            (false, _) => set_by,
            (true, true) => "nothing in this run sets it".to_owned(),
            (true, false) => {
                let classes = both(self.classes.iter().map(String::as_str));
                format!("nothing that users of {classes} do sets it")
            }
        };
        let help = match (part, self.setters.is_empty(), elsewhere) {
            _ if is_of_load => "`setup` and `teardown` know what they set themselves: set it in `setup`".to_owned(),
            (None, false, _) if self.is_around => {
                "set it in an earlier step, or give it a first value under `variables`".to_owned()
            }
            (Some((_, removal)), false, _) => {
                format!("to send {requests} without it, write {removal} there")
            }
            (None, false, _) if of_responses.is_empty() && is_assigned => {
                "set it in `on_start` or in an earlier step, or give it a first value under `variables`".to_owned()
            }
            (None, false, _) if of_responses.is_empty() && is_argument => format!(
                "wherever these steps are used, write `with: {{{variable}: ...}}`, or give it a first value under `variables`"
            ),
            (None, false, _) if of_responses.is_empty() => {
                "use it in the steps of the `repeat`, or give it a first value under `variables`".to_owned()
            }
            // A condition can ask.
            (None, false, _) if self.requests.is_empty() => format!(
                "extract it in `on_start` or in an earlier step, or ask whether there is one: `{variable} is defined`"
            ),
            (None, false, _) => {
                "extract it in `on_start` or in an earlier step, or give it a first value under `variables`".to_owned()
            }
            (_, true, []) => {
                "use it in the steps of its `repeat`, or give it a first value under `variables`".to_owned()
            }
            (_, true, some) => {
                let some = both(some.iter().map(String::as_str));
                match is_only_class {
                    true => format!("{some} would: check tags and weights, or run it in `on_start`"),
                    false => format!("{some} would: run it in the `on_start` of these users"),
                }
            }
        };
        Diagnostic::new(message).label(label).help(help)
    }
}

/// `` `a`, `b` and `c` ``.
fn both<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} and {last}", start.join(", ")),
        all => all.concat(),
    }
}
