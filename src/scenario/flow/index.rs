//! The index of a scenario: all its requests, flows and named steps, before it is known which of
//! them run.
//!
//! Here: which name means what. Not here: what a request is made of (`request`), which steps a flow
//! has (`steps`), and who chooses what (`classes`).

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Diagnostic, did_you_mean};
use crate::plan::Endpoint;
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::keys::flow::{FlowFile, Lanes, Repetitions, RequestFile, StepFile, StepsFile};
use crate::scenario::keys::scenario::{IncludedFile, ScenarioFile};
use crate::scenario::keys::user::TaskFile;
use crate::scenario::names::uses::Use;
use crate::scenario::request::{self, RequestDefaults, assign};
use crate::scenario::service::address::EndpointUrl;
use crate::scenario::yaml::decode::{Field, Located, list};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::slips;
use crate::scenario::yaml::tree::Key;

/// Most endpoints and flows of a scenario together.
const MAX_ENTRIES: usize = 1000;

/// All requests, flows and named steps, and their names.
pub(crate) struct Index<'a> {
    /// The requests; those under `endpoints` come first.
    pub requests: Vec<RequestEntry<'a>>,
    /// The flows.
    pub flows: Vec<FlowEntry<'a>>,
    /// The named steps.
    pub named_steps: Vec<&'a StepsFile>,
    pub(super) names: BTreeMap<String, EntryId>,
    /// The names that several requests have, which steps cannot use.
    shared_names: BTreeSet<String>,
    /// The requests by their place in the file; a request that is used by an alias is one.
    places: BTreeMap<Span, usize>,
    /// The position of the first request of each class that sends requests in its own way. The others
    /// follow in their order.
    pub variants: BTreeMap<String, usize>,
    /// The hosts of classes that have their own.
    pub hosts: BTreeMap<String, String>,
    /// The variables that have the values of lists.
    pub items: Vec<&'a Located<String>>,
    /// Whether a list has no variable of its own.
    pub has_items: bool,
    /// The variables that `set` and `variables` set.
    pub assigned: Vec<&'a Key>,
    /// The rows of functions of the script, by their names and first places. In the plan, they are flows after those
    /// of the scenario.
    pub runs: Vec<(&'a str, Span)>,
    /// The position of the first of the requests that scripts make, one for each method.
    pub scripted: Option<usize>,
}

/// A request.
pub(crate) struct RequestEntry<'a> {
    /// Its keys.
    pub file: &'a Located<EndpointFile>,
    /// `None` where it could not be understood.
    pub compiled: Option<(Endpoint, EndpointUrl)>,
    /// The values it needs that are set during the run.
    pub uses: Vec<Use>,
    /// How it is declared.
    pub declaration: Declaration,
}

/// A flow.
pub(crate) struct FlowEntry<'a> {
    /// Its name.
    pub key: &'a Key,
    /// Its keys.
    pub file: &'a Located<FlowFile>,
    /// How it is declared.
    pub declaration: Declaration,
}

/// How a request or a flow is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declaration {
    /// In a list of the scenario itself.
    Listed,
    /// In a list of an included file.
    Included,
    /// In a step or a user class.
    Inline,
    /// By the script.
    Scripted,
}

/// What a name refers to, by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryId {
    /// A request.
    Request(usize),
    /// A flow.
    Flow(usize),
    /// Steps.
    Steps(usize),
}

impl EntryId {
    fn what(self) -> &'static str {
        match self {
            Self::Request(_) => "an endpoint",
            Self::Flow(_) => "a flow",
            Self::Steps(_) => "named steps",
        }
    }
}

impl<'a> Index<'a> {
    /// Everything in a scenario and the files it includes; no request is compiled yet.
    pub(crate) fn new(
        file: &'a ScenarioFile,
        included: &'a [IncludedFile],
        scripted: &'a [Located<EndpointFile>],
        findings: &mut Findings,
    ) -> Self {
        let mut index = Self {
            requests: Vec::new(),
            flows: Vec::new(),
            named_steps: Vec::new(),
            names: BTreeMap::new(),
            shared_names: BTreeSet::new(),
            places: BTreeMap::new(),
            variants: BTreeMap::new(),
            hosts: BTreeMap::new(),
            items: Vec::new(),
            has_items: false,
            assigned: Vec::new(),
            runs: Vec::new(),
            scripted: None,
        };
        let listed = file.endpoints.get().map_or(&[][..], |files| &files.value);
        let of_included = included.iter().filter_map(|file| file.endpoints.get());
        let own = (listed.iter()).map(|file| (file, Declaration::Listed));
        let further = of_included.flat_map(|files| &files.value);
        for (file, declaration) in own.chain(further.map(|file| (file, Declaration::Included))) {
            index.add_request(file, declaration, findings);
        }
        let flows = (file.flows.get().into_iter()).map(|pairs| (pairs, Declaration::Listed));
        let of_included = included.iter().filter_map(|file| file.flows.get());
        for (pairs, declaration) in
            flows.chain(of_included.map(|pairs| (pairs, Declaration::Included)))
        {
            for (key, flow) in &pairs.0 {
                let position = index.flows.len();
                index.flows.push(FlowEntry {
                    key,
                    file: flow,
                    declaration,
                });
                index.name(&key.text, key.at, EntryId::Flow(position), findings);
                index.assigned.extend(assign::keys(&flow.variables));
                index.add_requests_of(flow.steps.get(), findings);
            }
        }
        let of_included = included.iter().filter_map(|file| file.steps.get());
        for pairs in file.steps.get().into_iter().chain(of_included) {
            for (key, steps) in &pairs.0 {
                let position = index.named_steps.len();
                index.named_steps.push(&steps.value);
                index.name(&key.text, key.at, EntryId::Steps(position), findings);
                index.add_requests_of(Some(steps), findings);
            }
        }
        for (_, user) in file.users.get().map_or(&[][..], |users| &users.0) {
            for task in user.endpoints.get().map_or(&[][..], |tasks| &tasks.value) {
                if let TaskFile::Own(file) = &task.value {
                    index.add_request(file, Declaration::Inline, findings);
                }
            }
            index.add_requests_of(user.on_start.get(), findings);
            index.add_requests_of(user.on_stop.get(), findings);
        }
        index.add_requests_of(file.setup.get(), findings);
        index.add_requests_of(file.teardown.get(), findings);
        index.add_scripted(scripted, findings);
        index.check_groups(findings);
        let count = index.requests.len() + index.flows.len();
        if count > MAX_ENTRIES {
            let what = if index.flows.is_empty() {
                "endpoints"
            } else {
                "endpoints and flows"
            };
            let message = format!("{count} {what}; at most {MAX_ENTRIES} are allowed");
            findings.report(file.endpoints.key(), Diagnostic::new(message));
            index.requests.clear();
        }
        index
    }

    /// Compiles the requests.
    pub(crate) fn compile(&mut self, common: &RequestDefaults<'_>, findings: &mut Findings) {
        for request in &mut self.requests {
            request.compiled = common.endpoint(request.file, findings);
            request.uses = common.take_uses();
        }
    }

    pub(super) fn add_request(
        &mut self,
        file: &'a Located<EndpointFile>,
        declaration: Declaration,
        findings: &mut Findings,
    ) {
        let position = self.requests.len();
        if *self.places.entry(file.at).or_insert(position) < position
            && declaration == Declaration::Inline
        {
            return;
        }
        self.assigned.extend(assign::keys(&file.variables));
        self.requests.push(RequestEntry {
            file,
            compiled: None,
            uses: Vec::new(),
            declaration,
        });
        if let Some(name) = request::name(file) {
            let at = file.name.get().map_or(file.at, |name| name.at);
            self.name(&name, at, EntryId::Request(position), findings);
        }
    }

    fn name(&mut self, name: &str, at: Span, id: EntryId, findings: &mut Findings) {
        let Some(before) = self.names.get(name) else {
            self.names.insert(name.to_owned(), id);
            return;
        };
        let diagnostic = match (before, id) {
            (EntryId::Request(_), EntryId::Request(_)) => {
                self.shared_names.insert(name.to_owned());
                return;
            }
            (before, id) => {
                let (before, id) = (before.what(), id.what());
                Diagnostic::new(format!("`{name}` is the name of both {before} and {id}"))
                    .help("rename one of them")
            }
        };
        findings.report(Some(at), diagnostic);
    }

    /// Requests cannot count in the row of a flow, which is measured in another way.
    fn check_groups(&self, findings: &mut Findings) {
        for request in &self.requests {
            if let Some(group) = request.file.group.get()
                && let Some(EntryId::Flow(_)) = self.names.get(group.value.as_str())
            {
                let message = format!("`{}` is the name of a flow", group.value);
                let diagnostic = Diagnostic::new(message)
                    .help("requests and flows have rows of their own: choose another `group`");
                findings.report(Some(group.at), diagnostic);
            }
        }
    }

    fn add_requests_of(&mut self, steps: Option<&'a Located<StepsFile>>, findings: &mut Findings) {
        let steps = steps.map_or(&[][..], |steps| &steps.0);
        for step in steps {
            match &step.value {
                StepFile::Name(_)
                | StepFile::Think(_)
                | StepFile::Measure(_)
                | StepFile::Cookies(_)
                | StepFile::Push(_)
                | StepFile::Stop(_)
                | StepFile::Fail(_) => {}
                StepFile::Call(file) => self.assigned.extend(assign::keys(&file.with)),
                StepFile::Run(file) => {
                    self.assigned.extend(assign::keys(&file.with));
                    if let Some(name) = file.name.get().or(file.run.get())
                        && self.runs.iter().all(|(known, _)| *known != name.value)
                    {
                        self.runs.push((&name.value, name.at));
                    }
                }
                StepFile::Set(file) => self.assigned.extend(assign::keys(&file.set)),
                StepFile::Request(file) => self.add_step_request(file, findings),
                StepFile::Repeat(file) => {
                    self.items.extend(file.variable.get());
                    let times = file.repeat.get().map(|times| &times.value);
                    let is_list = matches!(
                        times,
                        Some(Repetitions::Values(_) | Repetitions::Computed(_))
                    );
                    self.has_items |= is_list && file.variable.is_missing();
                    self.add_requests_of(file.steps.get(), findings);
                }
                StepFile::During(file) => {
                    self.items.extend(file.variable.get());
                    self.add_requests_of(file.steps.get(), findings);
                }
                StepFile::If(file) => {
                    self.add_requests_of(file.then.get(), findings);
                    self.add_requests_of(file.otherwise.get(), findings);
                }
                StepFile::Random(file) => {
                    for branch in file.random.get().map_or(&[][..], |list| &list.value) {
                        self.add_requests_of(branch.steps.get(), findings);
                    }
                }
                StepFile::Poll(file) => {
                    self.add_own(file.poll.get().map(|poll| &poll.value.value), findings);
                }
                StepFile::Burst(file) => {
                    for request in file.requests.get().map_or(&[][..], |list| &list.0) {
                        self.add_own(Some(&request.value), findings);
                    }
                }
                StepFile::Parallel(file) => {
                    let lanes = file.parallel.get().map(|lanes| &lanes.value);
                    for request in lanes.map_or(&[][..], Lanes::requests) {
                        self.add_own(Some(&request.value), findings);
                    }
                    self.items.extend(file.variable.get());
                    let is_list = matches!(lanes, Some(Lanes::Computed(_)));
                    self.has_items |= is_list && file.variable.is_missing();
                    self.add_own(file.request.get().map(|one| &one.value.value), findings);
                }
            }
        }
    }

    fn add_own(&mut self, file: Option<&'a RequestFile>, findings: &mut Findings) {
        if let Some(RequestFile::Request(file)) = file {
            self.add_step_request(file, findings);
        }
    }

    fn add_step_request(&mut self, file: &'a Located<EndpointFile>, findings: &mut Findings) {
        for (key, name) in [
            (file.weight.key(), "weight"),
            (file.think_time.key(), "think_time"),
        ] {
            if let Some(key) = key {
                let diagnostic = Diagnostic::new(format!("`{name}` has no effect in a step"))
                    .help("steps run in order; to wait, add a step such as `think: 2s`");
                findings.report(Some(key), diagnostic);
            }
        }
        self.add_request(file, Declaration::Inline, findings);
    }

    /// The position of a request that is written inline.
    pub(crate) fn inline(&self, file: &Located<EndpointFile>) -> Option<usize> {
        self.places.get(&file.at).copied()
    }

    /// The names of the variables that a request sets, also where something else about them is wrong.
    pub(crate) fn extracted_by(&self, request: usize) -> impl Iterator<Item = &str> {
        let pairs = self.requests[request].file.extract.get();
        let good = pairs.map_or(&[][..], |pairs| &pairs.0).iter();
        let bad = pairs.map_or(&[][..], |pairs| &pairs.1).iter();
        good.map(|(key, _)| key.text.as_str())
            .chain(bad.map(String::as_str))
    }

    /// The names of the requests that set a variable.
    pub(crate) fn setters_of(&self, variable: &str) -> Vec<String> {
        let requests = 0..self.requests.len();
        let setters = requests.filter(|one| self.extracted_by(*one).any(|name| name == variable));
        setters
            .filter_map(|one| request::name(self.requests[one].file))
            .collect()
    }

    /// What a name in a step or a user class refers to; `None` after a finding.
    pub(crate) fn resolve(&self, name: &str, at: Span, findings: &mut Findings) -> Option<EntryId> {
        let found = self.names.get(name).copied();
        if self.shared_names.contains(name) {
            let diagnostic = Diagnostic::new(format!("several endpoints are named `{name}`")).help(
                format!(
                    "give the one that is meant a `name` of its own; `group: {name}` keeps it in the \
                     same row of the statistics"
                ),
            );
            findings.report(Some(at), diagnostic);
            return None;
        }
        if found.is_none() {
            let known = || self.names.keys().map(String::as_str);
            let mut diagnostic =
                Diagnostic::new(format!("unknown endpoint, flow or steps `{name}`"));
            if let Some(spaced) = slips::spaced(name) {
                diagnostic = diagnostic.label(format!("write a space after the colon: `{spaced}`"));
            } else if let Some(close) = did_you_mean(name, known()) {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            findings.report(
                Some(at),
                diagnostic.help(format!("known: {}", list(known()))),
            );
        }
        found
    }

    /// Whether there is a request in some steps.
    pub(crate) fn has_request(&self, steps: &StepsFile) -> bool {
        self.has_unseen_request(steps, &mut BTreeSet::new())
    }

    /// The same, but for named steps that were looked into before.
    fn has_unseen_request(&self, steps: &StepsFile, seen: &mut BTreeSet<usize>) -> bool {
        for step in &steps.0 {
            let found = match &step.value {
                StepFile::Think(_)
                | StepFile::Measure(_)
                | StepFile::Push(_)
                | StepFile::Set(_)
                | StepFile::Cookies(_)
                | StepFile::Stop(_)
                | StepFile::Fail(_) => false,
                StepFile::Run(_) => true,
                StepFile::Repeat(file) => {
                    let mut inner = file.steps.get().into_iter();
                    inner.any(|steps| self.has_unseen_request(steps, seen))
                }
                StepFile::During(file) => {
                    let mut inner = file.steps.get().into_iter();
                    inner.any(|steps| self.has_unseen_request(steps, seen))
                }
                StepFile::If(file) => {
                    let mut inner = [&file.then, &file.otherwise]
                        .into_iter()
                        .filter_map(Field::get);
                    inner.any(|steps| self.has_unseen_request(steps, seen))
                }
                StepFile::Random(file) => {
                    let branches = file.random.get().map_or(&[][..], |list| &list.value);
                    let mut inner = branches.iter().filter_map(|branch| branch.steps.get());
                    inner.any(|steps| self.has_unseen_request(steps, seen))
                }
                StepFile::Name(name) => self.has_unseen_request_by_name(name, seen),
                StepFile::Call(file) => {
                    let name = file.step.get().map_or("", |name| &name.value);
                    self.has_unseen_request_by_name(name, seen)
                }
                _ => true,
            };
            if found {
                return true;
            }
        }
        false
    }

    fn has_unseen_request_by_name(&self, name: &str, seen: &mut BTreeSet<usize>) -> bool {
        match self.names.get(name) {
            Some(EntryId::Steps(position)) => {
                seen.insert(*position) && self.has_unseen_request(self.named_steps[*position], seen)
            }
            _ => true,
        }
    }

    /// The names that steps use.
    pub(crate) fn used_in_steps(&self, file: &'a ScenarioFile) -> Vec<&'a str> {
        let mut names = Vec::new();
        let users = file.users.get().map_or(&[][..], |users| &users.0).iter();
        let of_users = users.flat_map(|(_, user)| [user.on_start.get(), user.on_stop.get()]);
        let of_flows = self.flows.iter().map(|flow| flow.file.steps.get());
        let around = [file.setup.get(), file.teardown.get()];
        let lists = of_users
            .chain(of_flows)
            .chain(around)
            .flatten()
            .map(|steps| &steps.value);
        for steps in lists.chain(self.named_steps.iter().copied()) {
            collect_names(steps, &mut names);
        }
        names
    }
}

fn collect_names<'a>(steps: &'a StepsFile, names: &mut Vec<&'a str>) {
    let name = |request: &'a Located<RequestFile>| match &request.value {
        RequestFile::Name(name) => Some(name.as_str()),
        RequestFile::Request(_) => None,
    };
    for step in &steps.0 {
        match &step.value {
            StepFile::Think(_)
            | StepFile::Run(_)
            | StepFile::Measure(_)
            | StepFile::Push(_)
            | StepFile::Set(_)
            | StepFile::Cookies(_)
            | StepFile::Stop(_)
            | StepFile::Fail(_)
            | StepFile::Request(_) => {}
            StepFile::Name(name) => names.push(name),
            StepFile::Call(file) => names.extend(file.step.get().map(|name| name.value.as_str())),
            StepFile::Poll(file) => {
                names.extend(file.poll.get().and_then(|poll| name(&poll.value)));
            }
            StepFile::Burst(file) => {
                let requests = file.requests.get().map_or(&[][..], |list| &list.0);
                names.extend(requests.iter().filter_map(name));
            }
            StepFile::Parallel(file) => {
                let lanes = file.parallel.get().map(|lanes| &lanes.value);
                let requests = lanes.map_or(&[][..], Lanes::requests);
                names.extend(requests.iter().filter_map(name));
                names.extend(file.request.get().and_then(|one| name(&one.value)));
            }
            StepFile::Repeat(file) => {
                let inner = file.steps.get().into_iter();
                inner.for_each(|steps| collect_names(steps, names));
            }
            StepFile::During(file) => {
                let inner = file.steps.get().into_iter();
                inner.for_each(|steps| collect_names(steps, names));
            }
            StepFile::If(file) => {
                let inner = [&file.then, &file.otherwise]
                    .into_iter()
                    .filter_map(Field::get);
                inner.for_each(|steps| collect_names(steps, names));
            }
            StepFile::Random(file) => {
                let branches = file.random.get().map_or(&[][..], |list| &list.value);
                let inner = branches.iter().filter_map(|branch| branch.steps.get());
                inner.for_each(|steps| collect_names(steps, names));
            }
        }
    }
}
