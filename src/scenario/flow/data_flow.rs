//! Whether every value that is set during the run can be set before it is used.
//!
//! A request without a value that it needs is never sent, so nothing is taken from its response either. An error is
//! what cannot have a value, whichever branches, endpoints and repetitions come before. What only may lack one is
//! the scenario's own business.
//!
//! Here: what a user may know at each step. Not here: which values a text uses (`names::uses`).

mod missing;

use std::collections::{BTreeMap, BTreeSet};

use self::missing::{MissingValue, Setter};
use super::index::Index;
use super::steps::cookies;
use crate::plan::{Condition, ListItem, Step, ThinkTime, UserClass};
use crate::scenario::names::Names;
use crate::scenario::names::uses::{Use, needed_by_template};
use crate::scenario::request::assign;
use crate::scenario::yaml::findings::{Findings, Span};

/// Reports what the users of some classes, whose positions are those of the index, use without having it.
///
/// `around` is the class of the one user that carries out set-up and tear-down.
pub(crate) fn check(
    classes: &[UserClass],
    around: Option<&UserClass>,
    index: &Index<'_>,
    names: &Names<'_>,
    findings: &mut Findings,
) {
    let mut missing: BTreeMap<Use, MissingValue> = BTreeMap::new();
    let given = around.map_or_else(BTreeSet::new, |around| {
        let mut setup = Walk::new(index, names, Belief::AllSucceed);
        setup.steps(&around.on_start, &mut BTreeSet::new(), false);
        setup.kept().collect()
    });
    let of_classes = classes.iter().map(|class| (class, &given, false));
    let nothing = BTreeSet::new();
    let of_around = around.map(|around| (around, &nothing, true));
    for (class, given, is_around) in of_around.into_iter().chain(of_classes) {
        let mut setters = Setters::default();
        for steps in lists(class) {
            setters.collect(steps, index, names);
        }
        for (one, request) in missing_in(class, given, index, names) {
            let entry = missing.entry(one.clone()).or_default();
            let request = request.and_then(|request| name(index, request));
            if let Some(request) = request.filter(|request| !entry.requests.contains(request)) {
                entry.requests.push(request);
            }
            entry.classes.insert(class.name.clone());
            entry.is_around |= is_around;
            let known = setters.0.get(&one.variable).into_iter().flatten();
            entry.setters.extend(known.cloned());
        }
    }
    let all = names.all();
    let is_alone = classes.len() < 2;
    for (one, missing) in missing {
        let Some(variable) = all.get(one.variable) else {
            continue;
        };
        let elsewhere = index.setters_of(variable);
        let diagnostic = missing.explain(variable, &one, &elsewhere, is_alone);
        findings.report(Some(one.at), diagnostic);
    }
}

fn lists(class: &UserClass) -> impl Iterator<Item = &[Step]> {
    let tasks = class.tasks.iter().map(|task| &task.steps[..]);
    [&class.on_start[..], &class.on_stop[..]]
        .into_iter()
        .chain(tasks)
}

fn name(index: &Index<'_>, request: usize) -> Option<String> {
    crate::scenario::request::name(index.requests[request].file)
}

/// What sets values in some steps, requests by name.
#[derive(Default)]
struct Setters(BTreeMap<usize, BTreeSet<Setter<String>>>);

impl Setters {
    fn collect(&mut self, steps: &[Step], index: &Index<'_>, names: &Names<'_>) {
        let mut walk = Walk::new(index, names, Belief::AllSucceed);
        walk.steps(steps, &mut BTreeSet::new(), true);
        for (variable, by) in walk.set_by {
            let by = match by {
                Setter::Repeat => Setter::Repeat,
                Setter::Set => Setter::Set,
                Setter::With => Setter::With,
                Setter::Response(request) => {
                    Setter::Response(name(index, request).unwrap_or_default())
                }
            };
            self.0.entry(variable).or_default().insert(by);
        }
    }
}

/// A use that cannot have a value, and the request that it belongs to, if it is none of a condition.
type MissingUse = (Use, Option<usize>);

/// What is used without a value in a class whose users begin with some values: the causes, not what follows
/// from them.
fn missing_in(
    class: &UserClass,
    given: &BTreeSet<usize>,
    index: &Index<'_>,
    names: &Names<'_>,
) -> Vec<MissingUse> {
    let walk = |belief| Walk::new(index, names, belief);
    let mut known = given.clone();
    let mut strict = walk(Belief::WithoutValuesFail);
    if strict.steps(&class.on_start, &mut known, false) {
        // Its users end there.
        let mut causes = walk(Belief::AllSucceed);
        causes.steps(&class.on_start, &mut given.clone(), false);
        return causes.missing;
    }
    let mut missing = std::mem::take(&mut strict.missing);
    // One iteration leaves its values to the next.
    loop {
        let before = known.len();
        strict.missing.clear();
        for task in &class.tasks {
            strict.steps(&task.steps, &mut known.clone(), false);
            known.extend(strict.kept());
        }
        if known.len() == before {
            break;
        }
    }
    if !strict.missing.is_empty() {
        let of_tasks = class.tasks.iter().map(|task| {
            let mut one = walk(Belief::AllSucceed);
            one.steps(&task.steps, &mut BTreeSet::new(), false);
            one.kept().collect()
        });
        let of_tasks: Vec<BTreeSet<usize>> = of_tasks.collect();
        // What another task would set, if it were right, is missing only because of that task.
        let mut causes = Vec::new();
        for (position, task) in class.tasks.iter().enumerate() {
            let others = of_tasks.iter().enumerate();
            let others = others.filter(|(other, _)| *other != position);
            let mut given = known.clone();
            others.for_each(|(_, set)| given.extend(set));
            let mut one = walk(Belief::AllSucceed);
            one.steps(&task.steps, &mut given, false);
            causes.extend(one.missing);
        }
        // Tasks that wait for each other.
        if causes.is_empty() {
            causes.append(&mut strict.missing);
        }
        missing.extend(causes);
        known.extend(of_tasks.into_iter().flatten());
    }
    let mut last = walk(Belief::AllSucceed);
    let of_tasks = class.tasks.iter().filter_map(|task| task.think_time);
    for think in of_tasks.chain([class.think_time]) {
        last.lacks_for_wait(think, &known);
    }
    last.steps(&class.on_stop, &mut known, false);
    missing.extend(last.missing);
    missing
}

/// What becomes of a step without a value that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// It fails, as in a run.
    WithoutValuesFail,
    /// It is mended, so that nothing else is missing because of it.
    AllSucceed,
}

/// Goes through steps in order, with what the user may know.
struct Walk<'a> {
    index: &'a Index<'a>,
    names: &'a Names<'a>,
    belief: Belief,
    /// What was missing.
    missing: Vec<MissingUse>,
    /// What was set, and by what.
    set_by: BTreeSet<(usize, Setter<usize>)>,
}

impl<'a> Walk<'a> {
    fn new(index: &'a Index<'a>, names: &'a Names<'a>, belief: Belief) -> Self {
        Self {
            index,
            names,
            belief,
            missing: Vec::new(),
            set_by: BTreeSet::new(),
        }
    }

    /// What was set for longer than some steps.
    fn kept(&self) -> impl Iterator<Item = usize> {
        let kept = self.set_by.iter().filter(|(_, by)| *by != Setter::With);
        kept.map(|(variable, _)| *variable)
    }

    /// Adds what the steps may set to what is `known`. Returns whether they fail for certain.
    fn steps(&mut self, steps: &[Step], known: &mut BTreeSet<usize>, goes_on: bool) -> bool {
        let mut has_failed = false;
        for step in steps {
            has_failed |= self.step(step, known, goes_on) && self.belief != Belief::AllSucceed;
            if has_failed && !goes_on {
                break;
            }
        }
        has_failed
    }

    fn step(&mut self, step: &Step, known: &mut BTreeSet<usize>, goes_on: bool) -> bool {
        match step {
            Step::Think(think) => self.lacks_for_wait(*think, known),
            Step::Stop(_) => false,
            Step::Fail(text) => {
                if let Some(at) = self.names.log.place_of(text.shared_source()) {
                    self.is_missing(&needed_by_template(text), at, known);
                }
                true
            }
            Step::Set(assignments) => {
                for one in assignments {
                    if self.lacks_for_item(&one.value, known) {
                        return true;
                    }
                    let variable = Some(one.variable);
                    let variable = variable.filter(|v| self.names.is_set_during_run(*v));
                    self.set(variable, Setter::Set, known);
                }
                false
            }
            Step::Cookies(change) => {
                for value in cookies::values(change) {
                    let place = self.names.log.place_of(value.shared_source());
                    let needed = needed_by_template(value);
                    if place.is_some_and(|at| self.is_missing(&needed, at, known))
                        && self.belief == Belief::WithoutValuesFail
                    {
                        return true;
                    }
                }
                false
            }
            Step::Push(items) => {
                let mut items = items.iter();
                items.any(|one| self.lacks_for_item(&one.item, known))
            }
            Step::Measure(measures) => {
                let lacks = measures.iter().filter(|measure| {
                    let value = &measure.value;
                    let place = self.names.log.place_of(value.shared_source());
                    place.is_some_and(|at| self.is_missing(&needed_by_template(value), at, known))
                });
                lacks.count() > 0 && self.belief == Belief::WithoutValuesFail
            }
            Step::Request(request) => {
                let checks = self.conditions_of(*request, None);
                self.requests(&[*request], &checks, known)
            }
            Step::Poll {
                endpoint, until, ..
            } => {
                let checks = self.conditions_of(*endpoint, Some(until));
                self.requests(&[*endpoint], &checks, known)
            }
            Step::Parallel { requests, .. } => {
                let checks = requests
                    .iter()
                    .flat_map(|one| self.conditions_of(*one, None));
                let checks: Vec<Condition> = checks.collect();
                self.requests(requests, &checks, known)
            }
            Step::Run(script) => {
                let set = script.sets.iter().copied();
                let set = set.filter(|variable| self.names.is_set_during_run(*variable));
                let set: Vec<usize> = set.collect();
                self.set(set, Setter::Set, known);
                false
            }
            Step::Flow { steps, goes_on, .. } => self.steps(steps, known, *goes_on),
            Step::Repeat {
                times,
                variable,
                condition,
                steps,
            } => {
                let variable = variable.filter(|variable| self.names.is_set_during_run(*variable));
                self.set(variable, Setter::Repeat, known);
                self.repeat(condition.as_ref(), steps, *times > 1, known, goes_on)
            }
            Step::Each {
                variable,
                values,
                condition,
                steps,
            } => {
                for value in values {
                    if self.lacks_for_item(value, known) {
                        return true;
                    }
                }
                self.set([*variable], Setter::Repeat, known);
                self.repeat(condition.as_ref(), steps, values.len() > 1, known, goes_on)
            }
            Step::Call { with, steps } => {
                let before = known.clone();
                for one in with {
                    if self.lacks_for_item(&one.value, &before) {
                        return true;
                    }
                }
                let arguments = with.iter().map(|one| one.variable);
                let arguments = arguments.filter(|one| self.names.is_set_during_run(*one));
                let arguments: Vec<usize> = arguments.collect();
                self.set(arguments.iter().copied(), Setter::With, known);
                let has_failed = self.steps(steps, known, goes_on);
                // Then they are what they were.
                known.retain(|one| before.contains(one) || !arguments.contains(one));
                has_failed
            }
            Step::RepeatBy {
                over,
                variable,
                condition,
                steps,
            } => {
                if self.lacks_for_item(over, known) {
                    return true;
                }
                self.set([*variable], Setter::Repeat, known);
                // It may be that there is nothing to repeat.
                self.repeat(condition.as_ref(), steps, true, known, goes_on);
                false
            }
            Step::During {
                variable,
                condition,
                steps,
                ..
            } => {
                let variable = variable.filter(|variable| self.names.is_set_during_run(*variable));
                self.set(variable, Setter::Repeat, known);
                self.repeat(condition.as_ref(), steps, true, known, goes_on)
            }
            Step::ParallelEach {
                over,
                variable,
                request,
            } => {
                if self.lacks_for_item(over, known) {
                    return true;
                }
                self.set([*variable], Setter::Repeat, known);
                let checks = self.conditions_of(*request, None);
                self.requests(&[*request], &checks, known);
                false
            }
            Step::If {
                condition,
                then,
                otherwise,
            } => {
                if self.lacks(condition, known) && self.belief == Belief::WithoutValuesFail {
                    return true;
                }
                self.one_of([&then[..], &otherwise[..]], known, goes_on)
            }
            Step::Random(branches) => self.one_of(
                branches.iter().map(|branch| &branch.steps[..]),
                known,
                goes_on,
            ),
        }
    }

    /// Steps of which only some run.
    fn one_of<'s>(
        &mut self,
        branches: impl IntoIterator<Item = &'s [Step]>,
        known: &mut BTreeSet<usize>,
        goes_on: bool,
    ) -> bool {
        let before = known.clone();
        let mut all_fail = true;
        for steps in branches {
            let mut after = before.clone();
            all_fail &= self.steps(steps, &mut after, goes_on);
            known.extend(after);
        }
        all_fail
    }

    fn repeat(
        &mut self,
        condition: Option<&Condition>,
        steps: &[Step],
        has_more: bool,
        known: &mut BTreeSet<usize>,
        goes_on: bool,
    ) -> bool {
        let lacks = condition.is_some_and(|condition| self.lacks(condition, known));
        if lacks && self.belief == Belief::WithoutValuesFail {
            return true;
        }
        let missing = self.missing.len();
        loop {
            let before = known.len();
            let has_failed = self.steps(steps, known, goes_on);
            if !has_more || known.len() == before {
                return has_failed && condition.is_none();
            }
            // What the first repetition lacks may be set for the second.
            self.missing.truncate(missing);
        }
    }

    /// Requests that are sent at once, and the conditions on their responses.
    fn requests(
        &mut self,
        requests: &[usize],
        conditions: &[Condition],
        known: &mut BTreeSet<usize>,
    ) -> bool {
        let index = self.index;
        let mut has_failed = false;
        let mut after = Vec::new();
        for &request in requests {
            let lacking = index.requests[request].uses.iter();
            let lacking = lacking.filter(|one| !known.contains(&one.variable));
            let before = self.missing.len();
            self.missing
                .extend(lacking.map(|one| (one.clone(), Some(request))));
            let is_sent = self.missing.len() == before;
            has_failed |= !is_sent;
            if is_sent || self.belief == Belief::AllSucceed {
                let extracted = index.extracted_by(request);
                let extracted = extracted.map(|name| (name, Setter::Response(request)));
                let own = assign::keys(&index.requests[request].file.variables);
                let own = own.map(|key| (key.text.as_str(), Setter::Set));
                let set = extracted.chain(own);
                after.extend(set.filter_map(|(name, by)| Some((self.names.changing(name)?, by))));
            }
        }
        for (variable, by) in after {
            let variable = Some(variable).filter(|v| self.names.is_set_during_run(*v));
            self.set(variable, by, known);
        }
        for condition in conditions {
            has_failed |= self.lacks(condition, known);
        }
        has_failed
    }

    /// The conditions on a response that read values of the user, with those that end a poll.
    fn conditions_of(
        &self,
        request: usize,
        until: Option<&crate::plan::Endpoint>,
    ) -> Vec<Condition> {
        let own = self.index.requests[request].compiled.as_ref();
        let endpoint = until.or(own.map(|(endpoint, _)| endpoint));
        let checks = endpoint.map_or(&[][..], |endpoint| &endpoint.checks);
        checks
            .iter()
            .filter_map(|check| check.condition().cloned())
            .collect()
    }

    fn set(
        &mut self,
        variables: impl IntoIterator<Item = usize>,
        by: Setter<usize>,
        known: &mut BTreeSet<usize>,
    ) {
        for variable in variables {
            known.insert(variable);
            self.set_by.insert((variable, by.clone()));
        }
    }

    /// Whether a step fails because a value lacks what it is filled in with.
    fn lacks_for_item(&mut self, item: &ListItem, known: &BTreeSet<usize>) -> bool {
        let ListItem::Filled(template) = item else {
            return false;
        };
        let Some(at) = self.names.log.place_of(template.shared_source()) else {
            return false;
        };
        let lacks = self.is_missing(&needed_by_template(template), at, known);
        lacks && self.belief == Belief::WithoutValuesFail
    }

    /// Whether a wait cannot be computed.
    fn lacks_for_wait(&mut self, think: ThinkTime, known: &BTreeSet<usize>) -> bool {
        let ThinkTime::Computed(wait) = think else {
            return false;
        };
        let waits = self.names.waits.borrow();
        let item = waits.get(wait).map(|(_, item)| item);
        item.is_some_and(|item| self.lacks_for_item(item, known))
    }

    /// Whether a condition cannot be evaluated.
    fn lacks(&mut self, condition: &Condition, known: &BTreeSet<usize>) -> bool {
        let needed: Vec<usize> = condition.required_variables().collect();
        match self.names.log.place_of(condition.shared_source()) {
            Some(at) => self.is_missing(&needed, at, known),
            None => false,
        }
    }

    fn is_missing(&mut self, needed: &[usize], at: Span, known: &BTreeSet<usize>) -> bool {
        let before = self.missing.len();
        let lacking = needed.iter().filter(|variable| {
            self.names.is_set_during_run(**variable) && !known.contains(variable)
        });
        self.missing.extend(lacking.map(|variable| {
            let one = Use {
                at,
                variable: *variable,
                inherited: None,
            };
            (one, None)
        }));
        self.missing.len() > before
    }
}

#[cfg(test)]
mod tests;
