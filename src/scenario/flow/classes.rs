//! Who does what: user classes, what they choose from, and which endpoints and flows therefore run.
//!
//! Here: weights, selection by tags, and the final positions. Not here: single steps (`steps`).

use std::collections::{BTreeSet, HashSet};

use super::index::{Declaration, EntryId, Index};
use super::positions::{Reference, Selection, for_each_list, renumbered, visit};
use super::steps::{StepCompiler, TagFilter};
use super::{data_flow, lifecycle, waits};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Load, Model, Step, Task, ThinkTime, UserClass};
use crate::scenario::keys::endpoint::Weight;
use crate::scenario::keys::profile::ProfileFile;
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::keys::user::{TaskFile, UserFile};
use crate::scenario::names::Names;
use crate::scenario::options::Options;
use crate::scenario::yaml::decode::{Field, Located, Pairs, list};
use crate::scenario::yaml::findings::Findings;
use crate::units::format_users;

/// Makes the classes of a scenario.
pub(crate) struct ClassCompiler<'a> {
    /// The scenario.
    pub file: &'a ScenarioFile,
    /// Its requests and flows.
    pub index: &'a Index<'a>,
    /// Its variables.
    pub names: &'a Names<'a>,
    /// Tags that are asked for.
    pub options: &'a Options,
    /// The think time of a class without its own.
    pub think_time: ThinkTime,
}

impl ClassCompiler<'_> {
    /// What runs; what is wrong is reported.
    pub(crate) fn selection(&self, findings: &mut Findings) -> Selection {
        let before = findings.len();
        self.check_flows(findings);
        self.check_chosen(findings);
        let mut classes = self.classes(findings);
        let mut around =
            lifecycle::class(self.file, self.index, self.names, self.unchosen(), findings);
        // What could not be understood, here or before, was reported, and has no position.
        let mut requests = self.index.requests.iter();
        if findings.len() > before || requests.any(|request| request.compiled.is_none()) {
            return Selection::default();
        }
        if classes.iter().all(|class| class.tasks.is_empty()) {
            self.report_weights(findings);
            return Selection::default();
        }
        for class in &mut classes {
            class.tasks.retain(|task| !task.steps.is_empty());
        }
        if let Some(think_time) = self.options.think_time {
            waits::replace(&mut classes, think_time);
            waits::replace(around.as_mut_slice(), think_time);
        }
        classes.retain(|class| !class.tasks.is_empty());
        if classes.is_empty() {
            self.report_tags(findings);
        }
        if self.names.broken.is_empty() {
            data_flow::check(&classes, around.as_ref(), self.index, self.names, findings);
        }
        Selection {
            lifecycle: around.map(|class| {
                let used = lifecycle::used_variables(&class, self.index, self.names);
                lifecycle::of_class(renumbered(vec![class], self.index), used)
            }),
            ..renumbered(classes, self.index)
        }
    }

    /// What the tags take.
    fn filter(&self) -> TagFilter<'_> {
        TagFilter {
            include: &self.options.tags,
            ..self.unchosen()
        }
    }

    /// What is not left out by tags. An `on_start` is not chosen by them, or a user could not log
    /// in.
    fn unchosen(&self) -> TagFilter<'_> {
        TagFilter {
            include: &[],
            exclude: &self.options.exclude_tags,
        }
    }

    /// Whether each flow by itself, and all named steps, make sense.
    fn check_flows(&self, findings: &mut Findings) {
        for (position, flow) in self.index.flows.iter().enumerate() {
            let before = findings.len();
            let mut steps = StepCompiler::new(self.index, self.names, TagFilter::default());
            let step = steps.flow(position, &[], findings);
            if step.is_none() && findings.len() == before && flow.file.steps.get().is_some() {
                let diagnostic =
                    Diagnostic::new(format!("flow `{}` has no requests", flow.key.text));
                findings.report(Some(flow.key.at), diagnostic);
            }
        }
        let of_scenario = self.file.steps.get().map_or(&[][..], |steps| &steps.0);
        for (_, steps) in of_scenario {
            StepCompiler::new(self.index, self.names, TagFilter::default()).steps(
                Some(steps),
                &[],
                findings,
            );
        }
    }

    /// All classes, with a task for everything that has a weight, without steps where the tags
    /// leave nothing of it. Positions are those of the index.
    fn classes(&self, findings: &mut Findings) -> Vec<UserClass> {
        let Some(users) = self.file.users.get() else {
            return vec![UserClass {
                name: "default".into(),
                host: None,
                weight: Weight::default().0,
                fixed_count: None,
                think_time: self.think_time,
                on_start: Vec::new(),
                on_stop: Vec::new(),
                tasks: self.common_tasks(findings),
            }];
        };
        let mut classes = Vec::new();
        for (key, user) in &users.0 {
            if !self.options.takes_class(&key.text) {
                continue;
            }
            let weight = user.weight.copied().unwrap_or_default().0;
            let fixed_count = user.fixed_count.copied();
            // One of weight 0 runs where it is asked for by name.
            let is_left_out = weight == 0 && self.options.user_classes.is_empty();
            if is_left_out && fixed_count.is_none() || fixed_count == Some(0) {
                continue;
            }
            let mut steps = StepCompiler::new(self.index, self.names, self.unchosen());
            let on_start = steps.steps(user.on_start.get(), &[], findings);
            let on_stop = steps.steps(user.on_stop.get(), &[], findings);
            let mut class = UserClass {
                name: key.text.clone(),
                host: self.index.hosts.get(&key.text).cloned(),
                weight: weight.max(1),
                fixed_count,
                think_time: waits::of_field(&user.think_time, self.names, findings)
                    .unwrap_or(self.think_time),
                on_start,
                on_stop,
                tasks: self.tasks(user, findings),
            };
            if let Some(first) = self.index.variants.get(&key.text) {
                self.send_own(&mut class, *first);
            }
            classes.push(class);
        }
        classes
    }

    /// Lets a class send its own variants of the requests, of which the first is at this position.
    fn send_own(&self, class: &mut UserClass, first: usize) {
        let variant = |position: usize| {
            let compiled = self.index.requests[first + position].compiled.as_ref();
            compiled.map(|(endpoint, _)| endpoint)
        };
        for_each_list(std::slice::from_mut(class), &mut |steps| {
            visit(steps, &mut |reference| match reference {
                Reference::Request(position) => *position += first,
                Reference::Poll(position, until, pending) => {
                    if let Some(endpoint) = variant(*position) {
                        for polled in [until, pending] {
                            // What is expected of the response stays.
                            polled.url = endpoint.url.clone();
                            polled.host = endpoint.host.clone();
                            polled.headers = endpoint.headers.clone();
                            polled.auth = endpoint.auth.clone();
                        }
                    }
                    *position += first;
                }
                Reference::Flow(_) => {}
            });
        });
    }

    /// Checks the classes that are asked for.
    fn check_chosen(&self, findings: &mut Findings) {
        let users = self.file.users.get().map_or(&[][..], |users| &users.0);
        let known = || users.iter().map(|(key, _)| key.text.as_str());
        for name in &self.options.user_classes {
            if known().any(|one| one == name) {
                continue;
            }
            let mut diagnostic =
                Diagnostic::new(format!("`--user-classes`: unknown user class `{name}`"));
            if let Some(close) = did_you_mean(name, known()) {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            let help = match users.is_empty() {
                true => "the scenario has no `users`".to_owned(),
                false => format!("known: {}", list(known())),
            };
            findings.report(None, diagnostic.help(help));
        }
    }

    /// What a class chooses from.
    fn tasks(&self, user: &Located<UserFile>, findings: &mut Findings) -> Vec<Task> {
        if user.endpoints.is_missing() && user.flows.is_missing() {
            return self.common_tasks(findings);
        }
        let mut tasks = Vec::new();
        for task in user.endpoints.get().map_or(&[][..], |tasks| &tasks.value) {
            let (position, weight, think_time) = match &task.value {
                TaskFile::Own(file) => (self.index.inline(file), None, None),
                TaskFile::Named(named) => {
                    let name = named.endpoint.get();
                    let id = name.and_then(|name| self.index.resolve(name, name.at, findings));
                    let position = match (id, name) {
                        (Some(EntryId::Request(position)), _) => Some(position),
                        (Some(_), Some(name)) => {
                            let message = format!("`{}` is not an endpoint", name.value);
                            let diagnostic =
                                Diagnostic::new(message).help("list flows under `flows`");
                            findings.report(Some(name.at), diagnostic);
                            None
                        }
                        _ => None,
                    };
                    let think_time = waits::of_field(&named.think_time, self.names, findings);
                    (position, named.weight.copied(), think_time)
                }
            };
            tasks
                .extend(position.and_then(|p| self.endpoint_task(p, weight, think_time, findings)));
        }
        for task in user.flows.get().map_or(&[][..], |tasks| &tasks.value) {
            let named = &task.value;
            let Some(name) = named.flow.get() else {
                continue;
            };
            match self.index.resolve(name, name.at, findings) {
                Some(EntryId::Flow(position)) => {
                    let weight = named.weight.copied();
                    let think_time = waits::of_field(&named.think_time, self.names, findings);
                    tasks.extend(self.flow_task(position, weight, think_time, findings));
                }
                Some(_) => {
                    let diagnostic = Diagnostic::new(format!("`{}` is not a flow", name.value))
                        .help("list endpoints under `endpoints`, and use named steps in flows");
                    findings.report(Some(name.at), diagnostic);
                }
                None => {}
            }
        }
        tasks
    }

    /// What users choose from where their class does not say it: all endpoints and flows of the
    /// scenario, but not those that are only steps of something else.
    fn common_tasks(&self, findings: &mut Findings) -> Vec<Task> {
        let used: HashSet<&str> = self.index.used_in_steps(self.file).into_iter().collect();
        let by_itself =
            |declaration, name: &str| declaration == Declaration::Listed && !used.contains(name);
        let mut tasks = Vec::new();
        for (position, request) in self.index.requests.iter().enumerate() {
            let name = crate::scenario::request::name(request.file).unwrap_or_default();
            let has_weight =
                !request.file.weight.is_missing() && request.declaration != Declaration::Inline;
            if has_weight || by_itself(request.declaration, &name) {
                tasks.extend(self.endpoint_task(position, None, None, findings));
            }
        }
        for (position, flow) in self.index.flows.iter().enumerate() {
            if !flow.file.weight.is_missing() || by_itself(flow.declaration, &flow.key.text) {
                tasks.extend(self.flow_task(position, None, None, findings));
            }
        }
        tasks
    }

    fn endpoint_task(
        &self,
        position: usize,
        weight: Option<Weight>,
        think_time: Option<ThinkTime>,
        findings: &mut Findings,
    ) -> Option<Task> {
        let file = self.index.requests[position].file;
        let runs = StepCompiler::new(self.index, self.names, self.filter()).runs(position, &[]);
        task(
            weight.or(file.weight.copied()),
            think_time.or_else(|| waits::of_field(&file.think_time, self.names, findings)),
            runs.then_some(Step::Request(position)),
        )
    }

    fn flow_task(
        &self,
        position: usize,
        weight: Option<Weight>,
        think_time: Option<ThinkTime>,
        findings: &mut Findings,
    ) -> Option<Task> {
        let file = self.index.flows[position].file;
        let mut steps = StepCompiler::new(self.index, self.names, self.filter());
        task(
            weight.or(file.weight.copied()),
            think_time.or_else(|| waits::of_field(&file.think_time, self.names, findings)),
            steps.flow(position, &[], findings),
        )
    }

    fn report_weights(&self, findings: &mut Findings) {
        // Without any endpoint, that was reported.
        if self.index.requests.is_empty() {
            return;
        }
        let key = self.file.users.key().or(self.file.endpoints.key());
        let diagnostic = Diagnostic::new("all weights are 0, so no endpoint would be chosen")
            .help("give at least one endpoint a weight above 0");
        findings.report(key.or(self.file.flows.key()), diagnostic);
    }

    fn report_tags(&self, findings: &mut Findings) {
        let of_requests = self.index.requests.iter().map(|request| &request.file.tags);
        let of_flows = self.index.flows.iter().map(|flow| &flow.file.tags);
        let all: BTreeSet<&str> = of_requests
            .chain(of_flows)
            .filter_map(Field::get)
            .flat_map(|tags| tags.0.iter().map(String::as_str))
            .collect();
        let help = match all.is_empty() {
            true => "no endpoint has tags".to_owned(),
            false => format!("tags in this scenario: {}", list(all)),
        };
        let message = match (&*self.options.tags, &*self.options.exclude_tags) {
            (_, []) => "no endpoint matches `--tags`",
            ([], _) => "`--exclude-tags` excludes all endpoints",
            _ => "no endpoint matches `--tags` and `--exclude-tags`",
        };
        let diagnostic = Diagnostic::new(message).help(help);
        findings.report(None, diagnostic);
    }
}

/// A task of one step, or of none where nothing of it is left; `None` where it is never chosen.
fn task(weight: Option<Weight>, think_time: Option<ThinkTime>, step: Option<Step>) -> Option<Task> {
    let task = Task {
        weight: weight.unwrap_or_default().0,
        think_time,
        steps: step.into_iter().collect(),
    };
    (task.weight > 0).then_some(task)
}

/// Checks the classes that the stages of a load name, and that there are users for every level.
pub(crate) fn check_stages(
    profile: &ProfileFile,
    users: &Field<Pairs<UserFile>>,
    classes: &[UserClass],
    load: &mut Load,
    findings: &mut Findings,
) {
    let known = users.get().map_or(&[][..], |users| &users.0).iter();
    let known: Vec<&str> = known.map(|(key, _)| key.text.as_str()).collect();
    let before = findings.len();
    for stage in profile.stages.get().map_or(&[][..], |stages| &stages.value) {
        for name in stage.user_classes.get().map_or(&[][..], |names| &names.0) {
            if !known.contains(&name.value.as_str()) {
                let mut diagnostic =
                    Diagnostic::new(format!("unknown user class `{}`", name.value));
                if let Some(close) = did_you_mean(name, known.iter().copied()) {
                    diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
                }
                let help = match known.is_empty() {
                    true => "the scenario has no `users`".to_owned(),
                    false => format!("known: {}", list(known.iter().copied())),
                };
                findings.report(Some(name.at), diagnostic.help(help));
            }
        }
    }
    if findings.len() > before || classes.is_empty() {
        return;
    }
    let is_closed = load.model == Model::Closed;
    for stage in &mut load.stages {
        // A class that the tags left out has no part in any stage.
        let had_names = !stage.classes.is_empty();
        let runs = |name: &String| classes.iter().any(|class| class.name == *name);
        stage.classes.retain(runs);
        let takes_part =
            |class: &&UserClass| stage.classes.is_empty() || stage.classes.contains(&class.name);
        if had_names && stage.classes.is_empty() {
            let message = format!("stage `{}` has no user classes left", stage.name);
            findings.report(
                None,
                Diagnostic::new(message)
                    .help("check `--tags`, `--exclude-tags` and `--user-classes`"),
            );
            continue;
        }
        let counts = classes.iter().filter(takes_part);
        let fixed: Option<u64> = counts.map(|class| class.fixed_count.map(u64::from)).sum();
        if let Some(fixed) = fixed.filter(|fixed| is_closed && (*fixed as f64) < stage.level) {
            let wanted = format_users(stage.level as u64);
            let diagnostic = Diagnostic::new(format!(
                "stage `{}` needs {wanted}, but the fixed counts add up to {fixed}",
                stage.name
            ))
            .help("give one class a `weight` instead of its `fixed_count`, or use fewer users");
            findings.report(None, diagnostic);
        }
    }
}
