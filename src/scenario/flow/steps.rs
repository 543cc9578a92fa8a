//! From steps as written to those of a plan.
//!
//! Here: names resolved, tags applied, flows and named steps put where they are used. Positions are
//! those of the index; `classes` gives those that run their final ones.

pub(super) mod cookies;
pub(crate) mod run;

use std::time::Duration;

use super::index::{EntryId, Index};
use super::waits;
use crate::error::Diagnostic;
use crate::plan::{Branch, Escape, Step, first_request, has_effect};
use crate::scenario::keys::flow::{
    BranchFile, BurstFile, FailFile, IfFile, Lanes, OnError, ParallelFile, PollFile, RandomFile,
    RequestFile, StepFile, StepsFile,
};
use crate::scenario::names::Names;
use crate::scenario::request::{assign, checks, measures};
use crate::scenario::yaml::decode::{Field, Located, OneOrMany};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::Node;

/// Most steps of all flows and classes, named ones put where they are used.
const MAX_STEPS: usize = 10_000;
/// Most requests of a user at once.
const MAX_AT_ONCE: usize = 1_000;
/// The longest text of a `fail`, in characters.
const MAX_FAILURE: usize = 100;

/// The variable that has the value of a list, where no name is given.
pub(crate) const ITEM: &str = "item";

/// Which endpoints, flows and steps run, by their tags.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TagFilter<'a> {
    /// One of these is asked for; none is when empty.
    pub include: &'a [String],
    /// None of these may be there, whatever else is.
    pub exclude: &'a [String],
}

impl TagFilter<'_> {
    /// Whether something with these tags runs.
    pub(crate) fn takes(self, tags: &[String]) -> bool {
        let has = |of: &[String]| tags.iter().any(|tag| of.contains(tag));
        (self.include.is_empty() || has(self.include)) && !has(self.exclude)
    }
}

/// Compiles steps.
pub(crate) struct StepCompiler<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) names: &'a Names<'a>,
    pub(super) filter: TagFilter<'a>,
    /// The flows and named steps around the current step.
    pub(super) within: Vec<EntryId>,
    count: usize,
}

impl<'a> StepCompiler<'a> {
    /// Those that `filter` takes.
    pub(crate) fn new(index: &'a Index<'a>, names: &'a Names<'a>, filter: TagFilter<'a>) -> Self {
        Self {
            index,
            names,
            filter,
            within: Vec::new(),
            count: 0,
        }
    }

    /// What the tags leave of some steps, which inherit `tags`.
    pub(crate) fn steps(
        &mut self,
        file: Option<&Located<StepsFile>>,
        tags: &[String],
        findings: &mut Findings,
    ) -> Vec<Step> {
        let mut compiled = Vec::new();
        if let Some(steps) = file {
            self.list(steps, tags, &mut compiled, findings);
        }
        compiled
    }

    fn list(
        &mut self,
        file: &StepsFile,
        tags: &[String],
        out: &mut Vec<Step>,
        findings: &mut Findings,
    ) {
        for step in &file.0 {
            self.count += 1;
            if self.count == MAX_STEPS + 1 {
                let diagnostic = Diagnostic::new(format!("more than {MAX_STEPS} steps"))
                    .help("named steps and flows count each time they are used; to run steps several times, use `repeat`");
                findings.report(Some(step.at), diagnostic);
            }
            if self.count > MAX_STEPS {
                return;
            }
            self.step(step, tags, out, findings);
        }
    }

    fn step(
        &mut self,
        file: &Located<StepFile>,
        tags: &[String],
        out: &mut Vec<Step>,
        findings: &mut Findings,
    ) {
        let step = match &file.value {
            StepFile::Name(name) => match self.index.resolve(name, file.at, findings) {
                Some(id) => return self.named(id, file.at, tags, out, findings),
                None => None,
            },
            StepFile::Request(request) => {
                let position = self.index.inline(request);
                position
                    .filter(|position| self.runs(*position, tags))
                    .map(Step::Request)
            }
            StepFile::Think(file) => {
                let wait = file.think.get();
                wait.and_then(|wait| waits::wait(&wait.value.0, self.names, findings))
                    .map(Step::Think)
            }
            StepFile::Set(file) => Some(Step::Set(assign::assignments(
                &file.set, self.names, findings,
            ))),
            StepFile::Cookies(file) => {
                cookies::change(file, self.names, findings).map(Step::Cookies)
            }
            StepFile::Push(file) => {
                Some(Step::Push(assign::pushes(&file.push, self.names, findings)))
            }
            StepFile::Stop(file) => file.stop.copied().map(Step::Stop),
            StepFile::Fail(file) => self.failure(file, findings),
            StepFile::Measure(file) => {
                let measures = measures::measures(&file.measure, self.names, findings);
                Some(Step::Measure(measures))
            }
            StepFile::Repeat(repeat) => self.repeat(repeat, tags, findings),
            StepFile::Call(file) => self.call(file, tags, findings),
            StepFile::Run(file) => self.run(file, tags, findings),
            StepFile::During(file) => self.during(file, tags, findings),
            StepFile::If(file) => self.condition(file, tags, findings),
            StepFile::Random(random) => self.random(random, tags, findings),
            StepFile::Poll(poll) => self.poll(poll, tags, findings),
            StepFile::Burst(burst) => self.burst(burst, tags, findings),
            StepFile::Parallel(parallel) => self.parallel(parallel, tags, findings),
        };
        out.extend(step);
    }

    /// What a name refers to, as steps.
    pub(super) fn named(
        &mut self,
        id: EntryId,
        at: Span,
        tags: &[String],
        out: &mut Vec<Step>,
        findings: &mut Findings,
    ) {
        if self.within.contains(&id) {
            let diagnostic = Diagnostic::new("these steps contain themselves")
                .help("to run steps several times, use `repeat`");
            return findings.report(Some(at), diagnostic);
        }
        match id {
            EntryId::Request(position) => {
                out.extend(self.runs(position, tags).then_some(Step::Request(position)));
            }
            EntryId::Flow(position) => out.extend(self.flow(position, tags, findings)),
            EntryId::Steps(position) => {
                self.within.push(id);
                let index = self.index;
                self.list(index.named_steps[position], tags, out, findings);
                self.within.pop();
            }
        }
    }

    /// The flow at a position of the index; `None` when no request of it is left.
    pub(crate) fn flow(
        &mut self,
        position: usize,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let index = self.index;
        let file = index.flows[position].file;
        self.within.push(EntryId::Flow(position));
        let tags = joined(tags, &file.tags);
        let variables = assign::assignments(&file.variables, self.names, findings);
        let mut steps = self.steps(file.steps.get(), &tags, findings);
        self.within.pop();
        first_request(&steps)?;
        if !variables.is_empty() {
            steps.insert(0, Step::Set(variables));
        }
        Some(Step::Flow {
            flow: position,
            goes_on: file.on_error.copied() == Some(OnError::Continue),
            steps,
        })
    }

    /// Whether the request at a position of the index runs where it would have these tags beside its
    /// own.
    pub(crate) fn runs(&self, position: usize, tags: &[String]) -> bool {
        let own = &self.index.requests[position].file.tags;
        self.filter.takes(&joined(tags, own))
    }

    fn failure(&self, file: &FailFile, findings: &mut Findings) -> Option<Step> {
        let text = file.fail.get()?;
        let written = text.value.trim();
        if written.is_empty() || written.chars().count() > MAX_FAILURE {
            let message = format!("`fail` must be 1 to {MAX_FAILURE} characters long");
            let diagnostic = Diagnostic::new(message).help("describe the failure in a few words");
            findings.report(Some(text.at), diagnostic);
        }
        let template = self.names.template(text, Escape::None, findings);
        self.names.log.note_place(template.shared_source(), text.at);
        Some(Step::Fail(template))
    }

    fn condition(
        &mut self,
        file: &IfFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let tags = joined(tags, &file.tags);
        let then = self.steps(file.then.get(), &tags, findings);
        let otherwise = self.steps(file.otherwise.get(), &tags, findings);
        let condition = self
            .names
            .condition(&file.condition.get()?.value, findings)?;
        let step = Step::If {
            condition,
            then,
            otherwise,
        };
        self.left_of(step, &[&file.then, &file.otherwise])
    }

    /// A step with these lists, unless the tags leave nothing of it. Only to wait is something.
    pub(super) fn left_of(&self, step: Step, lists: &[&Field<StepsFile>]) -> Option<Step> {
        let mut files = lists.iter().filter_map(|list| list.get());
        let is_left = step.has_effect() || !files.any(|steps| self.index.has_request(steps));
        is_left.then_some(step)
    }

    fn random(
        &mut self,
        file: &RandomFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let tags = joined(tags, &file.tags);
        let branches = file.random.get().map_or(&[][..], |list| &list.value);
        let mut compiled = Vec::new();
        for branch in branches {
            let BranchFile {
                weight,
                steps: file,
                ..
            } = &branch.value;
            let steps = self.steps(file.get(), &tags, findings);
            let weight = weight.copied().unwrap_or_default().0;
            // To do nothing, or only to think, is a choice like any other; what the tags leave
            // nothing of is none.
            let is_left =
                has_effect(&steps) || file.get().is_some_and(|file| !self.index.has_request(file));
            if weight > 0 && is_left {
                compiled.push(Branch { weight, steps });
            }
        }
        let choices = Step::Random(compiled);
        choices.has_effect().then_some(choices)
    }

    fn poll(&mut self, file: &PollFile, tags: &[String], findings: &mut Findings) -> Option<Step> {
        let awaited = file.until.get().map(|until| {
            let checks = checks::checks(until, self.names, findings);
            if checks.is_empty() {
                let diagnostic = Diagnostic::new("`until` is empty")
                    .help("add a condition that ends the polling, such as `status: 200`");
                findings.report(Some(until.at), diagnostic);
            }
            checks
        });
        let position = self.request(&file.poll.get()?.value, findings)?;
        let (endpoint, _) = self.index.requests[position].compiled.as_ref()?;
        let mut until = Box::new(endpoint.clone());
        until.checks.extend(awaited?);
        let mut pending = Box::new(endpoint.clone());
        pending.extract.clear();
        pending.measures.clear();
        let step = Step::Poll {
            endpoint: position,
            until,
            pending,
            every: file.every.copied().unwrap_or(Duration::from_secs(1)),
            timeout: (file.timeout.copied()).map_or(Duration::from_secs(30), |limit| limit.0),
        };
        self.runs(position, &joined(tags, &file.tags))
            .then_some(step)
    }

    fn burst(
        &mut self,
        file: &BurstFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let times = at_least_one(&file.burst, findings)?;
        let requests = file.requests.get().map_or(&[][..], |list| &list.0);
        self.at_once(
            times,
            requests,
            file.burst.key(),
            &joined(tags, &file.tags),
            findings,
        )
    }

    fn parallel(
        &mut self,
        file: &ParallelFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let tags = joined(tags, &file.tags);
        let lanes = file.parallel.get()?;
        match &lanes.value {
            Lanes::Computed(list) => self.parallel_each(file, (list, lanes.at), &tags, findings),
            Lanes::Requests(requests) => {
                for (key, name) in [
                    (file.variable.key(), "variable"),
                    (file.request.key(), "request"),
                ] {
                    if let Some(key) = key {
                        let message = format!("`{name}` has no effect beside a list of requests");
                        let help =
                            "to send one request for each value, write `parallel: \"{{ urls }}\"`";
                        findings.report(Some(key), Diagnostic::new(message).help(help));
                    }
                }
                self.at_once(1, requests, file.parallel.key(), &tags, findings)
            }
        }
    }

    fn parallel_each(
        &mut self,
        file: &ParallelFile,
        (list, at): (&Node, Span),
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let over = assign::item(list, self.names, findings);
        let Some(request) = file.request.get() else {
            if file.request.is_missing() {
                let diagnostic = Diagnostic::new("the request to send for each item is missing")
                    .help("add `request: {get: \"{{ item }}\"}`");
                findings.report(Some(at), diagnostic);
            }
            return None;
        };
        let request = self.request(request, findings)?;
        let name = file.variable.get().map_or(ITEM, |name| &name.value);
        // A name that cannot be one was reported.
        let variable = self.names.changing(name)?;
        let step = Step::ParallelEach {
            over,
            variable,
            request,
        };
        self.runs(request, tags).then_some(step)
    }

    fn at_once(
        &mut self,
        times: u32,
        requests: &[Located<RequestFile>],
        at: Option<Span>,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        if times as usize * requests.len() > MAX_AT_ONCE {
            let message = format!("a user can send at most {MAX_AT_ONCE} requests at once");
            findings.report(at, Diagnostic::new(message));
            return None;
        }
        let positions = requests
            .iter()
            .filter_map(|file| self.request(file, findings));
        let mut positions: Vec<usize> = positions.collect();
        positions.retain(|position| self.runs(*position, tags));
        let step = Step::Parallel {
            times,
            requests: positions,
        };
        step.first_request().map(|_| step)
    }

    /// A request where nothing else is allowed.
    fn request(&self, file: &Located<RequestFile>, findings: &mut Findings) -> Option<usize> {
        let name = match &file.value {
            RequestFile::Request(own) => return self.index.inline(own),
            RequestFile::Name(name) => name,
        };
        match self.index.resolve(name, file.at, findings)? {
            EntryId::Request(position) => Some(position),
            _ => {
                let diagnostic = Diagnostic::new(format!("`{name}` is not an endpoint"))
                    .help("only single requests can be polled or sent at once");
                findings.report(Some(file.at), diagnostic);
                None
            }
        }
    }
}

/// Tags with those of something within.
pub(crate) fn joined(tags: &[String], own: &Field<OneOrMany<String>>) -> Vec<String> {
    let own = own.get().map_or(&[][..], |own| &own.0);
    [tags, own].concat()
}

fn at_least_one(field: &Field<u32>, findings: &mut Findings) -> Option<u32> {
    let given = field.get()?;
    if given.value == 0 {
        findings.report(
            Some(given.at),
            Diagnostic::new("`burst` must be at least 1"),
        );
    }
    Some(given.value).filter(|count| *count > 0)
}
