//! The keys of flows and of all kinds of steps.
//!
//! Not here: the keys of requests (`endpoint`), and what the keys mean together (`flow`).

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::{EndpointFile, METHODS, Weight};
use super::response::{CheckFile, MeasureFile};
use super::slo::SloFile;
use super::think_time::{ThinkTimeFile, Wait};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::Stop;
use crate::scenario::yaml::counterparts::counterpart_of_step;
use crate::scenario::yaml::decode::{Decode, Located, OneOrMany, Pairs, TimeLimit, list, word};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::{Node, NodeKind};

mapping! {
    /// Steps that are measured together as one transaction.
    FlowFile {
        /// How often it is chosen, relative to the other endpoints and flows. Defaults to 1; 0 means never.
        weight: Weight,
        /// Wait after this flow. Overrides the think time of the user.
        think_time: ThinkTimeFile,
        /// What to do when a step fails: `stop` (default) ends the flow, `continue` goes on with the next step. Either way, the flow fails.
        on_error: OnError,
        /// Tags, for `--tags` and `--exclude-tags`. They apply to all steps of the flow.
        tags: OneOrMany<String>,
        /// SLOs for this flow. Its time does not include think times.
        slo: Pairs<SloFile>,
        /// Variables to set each time the flow begins, in order.
        variables: Pairs<Node>,
        /// Steps, in order.
        steps(required): StepsFile,
    }
}

/// What a failed step of a flow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    /// It ends the flow.
    Stop,
    /// The flow goes on with the next step.
    Continue,
}

words! {
    OnError {
        "stop" => Self::Stop,
        "continue" => Self::Continue,
    }
}

/// Steps in order; one alone needs no list.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepsFile(pub Vec<Located<StepFile>>);

impl Decode for StepsFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        OneOrMany::decode(node, findings).map(|steps| Self(steps.0))
    }

    fn schema() -> Value {
        // By name, since steps contain steps.
        let step = json!({"$ref": "#/definitions/step"});
        json!({"anyOf": [step, {"type": "array", "items": step}]})
    }
}

/// What a virtual user does.
#[derive(Debug, Clone)]
pub(crate) enum StepFile {
    /// An endpoint, a flow or steps, by name.
    Name(String),
    /// A request of its own.
    Request(Box<Located<EndpointFile>>),
    Think(ThinkFile),
    Set(SetFile),
    Cookies(CookiesFile),
    Push(PushFile),
    Stop(StopFile),
    Fail(FailFile),
    Run(RunFile),
    Measure(MeasureStepFile),
    Repeat(RepeatFile),
    Call(CallFile),
    During(DuringFile),
    If(IfFile),
    Random(RandomFile),
    Poll(Box<PollFile>),
    Burst(BurstFile),
    Parallel(ParallelFile),
}

/// The keys of which a step has one, if it is no request.
const KINDS: [&str; 16] = [
    "think", "step", "run", "measure", "set", "cookies", "push", "stop", "fail", "repeat",
    "during", "if", "random", "poll", "burst", "parallel",
];

impl StepFile {
    /// The schemas of all kinds of steps.
    pub(crate) fn definition() -> Value {
        json!({"anyOf": [
            String::schema(),
            EndpointFile::schema_reference(),
            ThinkFile::schema(),
            SetFile::schema(),
            CookiesFile::schema(),
            PushFile::schema(),
            StopFile::schema(),
            FailFile::schema(),
            CallFile::schema(),
            RunFile::schema(),
            MeasureStepFile::schema(),
            RepeatFile::schema(),
            DuringFile::schema(),
            IfFile::schema(),
            RandomFile::schema(),
            PollFile::schema(),
            BurstFile::schema(),
            ParallelFile::schema(),
        ]})
    }
}

impl Decode for StepFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let NodeKind::Map(entries) = &node.kind else {
            return String::decode(node, findings).map(Self::Name);
        };
        let has = |key: &&str| node.get(key).is_some();
        let is_request = METHODS.iter().any(has);
        // A request may have a measure of its own, and what is wrong with its `cookies` is said there.
        let is_kind =
            |kind: &&str| has(kind) && !(matches!(*kind, "measure" | "cookies") && is_request);
        let Some(kind) = KINDS.into_iter().find(is_kind) else {
            if is_request {
                return Located::decode(node, findings).map(|file| Self::Request(Box::new(file)));
            }
            let mut diagnostic = Diagnostic::new("not a step").help(format!(
                "a step is a name, a request such as `get: /health`, or one of {}",
                list(KINDS)
            ));
            let known = || KINDS.into_iter().chain(METHODS);
            let mut keys = entries.iter().map(|(key, _)| key.text.as_str());
            if let Some(says) = keys.clone().find_map(counterpart_of_step) {
                diagnostic = diagnostic.label(says);
            } else if let Some(close) = keys.find_map(|key| did_you_mean(key, known())) {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            findings.report(Some(node.at), diagnostic);
            return None;
        };
        match kind {
            "think" => ThinkFile::decode(node, findings).map(Self::Think),
            "set" => SetFile::decode(node, findings).map(Self::Set),
            "cookies" => CookiesFile::decode(node, findings).map(Self::Cookies),
            "push" => PushFile::decode(node, findings).map(Self::Push),
            "stop" => StopFile::decode(node, findings).map(Self::Stop),
            "fail" => FailFile::decode(node, findings).map(Self::Fail),
            "measure" => MeasureStepFile::decode(node, findings).map(Self::Measure),
            "repeat" => RepeatFile::decode(node, findings).map(Self::Repeat),
            "run" => RunFile::decode(node, findings).map(Self::Run),
            "step" => CallFile::decode(node, findings).map(Self::Call),
            "during" => DuringFile::decode(node, findings).map(Self::During),
            "if" => IfFile::decode(node, findings).map(Self::If),
            "random" => RandomFile::decode(node, findings).map(Self::Random),
            "poll" => PollFile::decode(node, findings).map(|file| Self::Poll(Box::new(file))),
            "burst" => BurstFile::decode(node, findings).map(Self::Burst),
            _ => ParallelFile::decode(node, findings).map(Self::Parallel),
        }
    }

    fn schema() -> Value {
        json!({"$ref": "#/definitions/step"})
    }
}

mapping! {
    /// A wait. It does not count in the time of the flow.
    ThinkFile {
        /// How long to wait: `2s`, `constant(2s)`, `between(1s, 3s)` or `poisson(2)`, or a template that is seconds.
        think(required): Wait,
    }
}

mapping! {
    /// Variables to set.
    SetFile {
        /// Names and values, which may be any YAML. Each can use those before it.
        set(required): Pairs<Node>,
    }
}

mapping! {
    /// A change to the cookies of the user.
    CookiesFile {
        /// Cookies to set for the user's host, names and values; `null` removes one. Or `clear`, to remove all cookies of the user.
        cookies(required): CookieChangeFile,
    }
}

/// What becomes of cookies.
#[derive(Debug, Clone)]
pub(crate) enum CookieChangeFile {
    Clear,
    Set(Pairs<Option<String>>),
}

impl Decode for CookieChangeFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
            return Pairs::decode(node, findings).map(Self::Set);
        }
        word(&[("clear", ())], node, findings).map(|()| Self::Clear)
    }

    fn schema() -> Value {
        json!({"anyOf": [{"enum": ["clear"]}, Pairs::<Option<String>>::schema()]})
    }
}

mapping! {
    /// Items to add to lists that all users share.
    PushFile {
        /// Names of lists in `shared`, and an item for each, which may be any YAML.
        push(required): Pairs<Node>,
    }
}

mapping! {
    /// An early end.
    StopFile {
        /// What ends: `flow` ends the innermost flow, which succeeds; `user` ends the virtual user, in the open model only its iteration; `run` ends the load.
        stop(required): Stop,
    }
}

words! {
    Stop {
        "flow" => Self::Flow,
        "user" => Self::User,
        "run" => Self::Run,
    }
}

mapping! {
    /// A failure.
    FailFile {
        /// What has failed, at most 100 characters. Reports count failures by this text as it is written.
        fail(required): String,
    }
}

mapping! {
    /// Named steps, a flow or an endpoint, with arguments.
    CallFile {
        /// Name of the steps, the flow or the endpoint.
        step(required): String,
        /// Variables for these steps alone: names and values, which may be any YAML. Afterwards, they are what they were before.
        with(required): Pairs<Node>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// A function of the script, which sends requests of its own. Its time is measured as that of a flow.
    RunFile {
        /// Name of an exported function, which gets the virtual user: `export async function checkout(user) { ... }`.
        run(required): String,
        /// Name in reports. Defaults to the name of the function.
        name: String,
        /// Variables for this call alone, which are `user.vars` in the script: names and values, which may be any YAML. Afterwards, they are what they were before.
        with: Pairs<Node>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Numbers to keep. They count with the last request of the user.
    MeasureStepFile {
        /// What to measure.
        measure(required): OneOrMany<Located<MeasureFile>>,
    }
}

mapping! {
    /// Steps that are run several times.
    RepeatFile {
        /// How many times to run the steps, or a list to run them once for each item. A template, such as `{{ items }}`, may be either.
        repeat(required): Repetitions,
        /// Variable for the current item of the list, by default `item`, or for the number of the repetition, from 1.
        variable: String,
        /// Expression that is evaluated before each repetition. The first time that it is false ends the loop.
        condition["while"]: Located<String>,
        /// Steps to repeat.
        steps(required): StepsFile,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

/// How often steps are done.
#[derive(Debug, Clone)]
pub(crate) enum Repetitions {
    Count(u32),
    Values(Vec<Node>),
    /// A number or a list that is known when its turn comes.
    Computed(Node),
}

impl Decode for Repetitions {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::List(_)) {
            return Vec::decode(node, findings).map(Self::Values);
        }
        if node.is_template() {
            return Some(Self::Computed(node.clone()));
        }
        u32::decode(node, findings).map(Self::Count)
    }

    fn schema() -> Value {
        json!({"anyOf": [u32::schema(), {"type": "array"}, template_schema()]})
    }
}

fn template_schema() -> Value {
    json!({"type": "string", "pattern": "\\{\\{"})
}

mapping! {
    /// Steps that are run again and again for some time.
    DuringFile {
        /// How long: no repetition starts later than this after the first.
        during(required): Duration,
        /// Variable for the number of the repetition, from 1.
        variable: String,
        /// Expression that is evaluated before each repetition. The first time that it is false ends the loop.
        condition["while"]: Located<String>,
        /// Steps to repeat.
        steps(required): StepsFile,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Steps that are run on a condition.
    IfFile {
        /// Expression that decides. It can use the `status` of the last response.
        condition["if"](required): Located<String>,
        /// Steps to run if it is true.
        then(required): StepsFile,
        /// Steps to run if it is false. Defaults to none.
        otherwise["else"]: StepsFile,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// One of several branches, chosen by weight.
    RandomFile {
        /// Branches to choose from.
        random(required): Vec<Located<BranchFile>>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// A branch.
    BranchFile {
        /// How often it is chosen, relative to the other branches. Defaults to 1.
        weight: Weight,
        /// Steps to run.
        steps(required): StepsFile,
    }
}

mapping! {
    /// A request that is repeated until its response matches `until`.
    PollFile {
        /// Request to repeat: a name, or a request of its own.
        poll(required): Located<RequestFile>,
        /// Conditions that end the polling, in addition to the `check` of the request.
        until(required): OneOrMany<Located<CheckFile>>,
        /// Wait from the end of one request to the start of the next. Defaults to `1s`.
        every: Duration,
        /// When to give up. The step then fails. Defaults to `30s`.
        timeout: TimeLimit,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Requests that are sent several times at once.
    BurstFile {
        /// How many times to send each request, all at once.
        burst(required): u32,
        /// Requests to send: names, or requests of their own.
        requests(required): OneOrMany<Located<RequestFile>>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Requests that are sent at once, each over its own connection.
    ParallelFile {
        /// Requests to send: names, or requests of their own. Or a template that is a list, such as `{{ urls }}`, to send `request` once for each item.
        parallel(required): Lanes,
        /// Variable for the item of the list, by default `item`.
        variable: String,
        /// Request to send for each item of the list: a name, or a request of its own.
        request: Located<RequestFile>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

/// What is sent at once.
#[derive(Debug, Clone)]
pub(crate) enum Lanes {
    Requests(Vec<Located<RequestFile>>),
    /// A list that is known when its turn comes.
    Computed(Node),
}

impl Lanes {
    /// The requests that are listed.
    pub(crate) fn requests(&self) -> &[Located<RequestFile>] {
        match self {
            Self::Requests(requests) => requests,
            Self::Computed(_) => &[],
        }
    }
}

impl Decode for Lanes {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if node.is_template() {
            return Some(Self::Computed(node.clone()));
        }
        Vec::decode(node, findings).map(Self::Requests)
    }

    fn schema() -> Value {
        json!({"anyOf": [Vec::<Located<RequestFile>>::schema(), template_schema()]})
    }
}

/// A request by name, or one of its own.
#[derive(Debug, Clone)]
pub(crate) enum RequestFile {
    Name(String),
    Request(Box<Located<EndpointFile>>),
}

impl Decode for RequestFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
            return Located::decode(node, findings).map(|file| Self::Request(Box::new(file)));
        }
        String::decode(node, findings).map(Self::Name)
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), EndpointFile::schema_reference()]})
    }
}
