//! Where a scenario uses values that are set only during the run, by a response or by a `repeat`.
//!
//! Here: the log that templates and conditions are written to while they are parsed. Not here: whether such a
//! value is set in time (`flow::data_flow`).

use std::cell::RefCell;
use std::sync::Arc;

use crate::plan::{Slot, Template, TemplatePart};
use crate::scenario::yaml::findings::Span;

/// A use of a value that has to be set before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// Where it is written.
    pub at: Span,
    /// The position in the names of the plan.
    pub variable: usize,
    /// What it is part of, if not of the request itself.
    pub inherited: Option<Inherited>,
}

/// What requests take from `defaults`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Inherited {
    /// A header of this name.
    Header(String),
    /// The authentication.
    Auth,
}

/// What was used since it was last asked for, and the places of conditions and list values.
#[derive(Default)]
pub(crate) struct UseLog {
    uses: RefCell<Vec<Use>>,
    places: RefCell<Vec<(Arc<str>, Span)>>,
}

impl UseLog {
    /// The uses since the last call.
    pub fn take(&self) -> Vec<Use> {
        self.uses.take()
    }

    /// Adds uses as if they were written now.
    pub fn add(&self, uses: impl IntoIterator<Item = Use>) {
        self.uses.borrow_mut().extend(uses);
    }

    /// Notes where a condition or a value of a list is written, by its shared text.
    pub fn note_place(&self, source: &Arc<str>, at: Span) {
        self.places.borrow_mut().push((source.clone(), at));
    }

    /// Where the owner of this shared text is written.
    pub fn place_of(&self, source: &Arc<str>) -> Option<Span> {
        let places = self.places.borrow();
        let found = places.iter().find(|(known, _)| Arc::ptr_eq(known, source));
        found.map(|(_, at)| *at)
    }
}

/// The positions of the variables that a template needs.
pub(crate) fn needed_by_template(template: &Template) -> Vec<usize> {
    let needed = template.parts().iter().flat_map(|part| match part {
        TemplatePart::Slot { slot, .. } => needed_by_slot(slot),
        TemplatePart::Literal(_) => Vec::new(),
    });
    needed.collect()
}

/// The positions of the variables that a slot needs.
pub(super) fn needed_by_slot(slot: &Slot) -> Vec<usize> {
    match slot {
        Slot::Variable(variable) => vec![*variable],
        Slot::Expression(expression) => expression.required_variables().collect(),
        _ => Vec::new(),
    }
}
