//! The keys of flows and of all kinds of steps.
//!
//! Not here: the keys of requests (`endpoint`), and what the keys mean together (`flow`).

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::{EndpointFile, Weight};
use super::response::CheckFile;
use super::slo::SloFile;
use super::think_time::Wait;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::ThinkTime;
use crate::scenario::yaml::decode::{At, Decode, OneOrMany, Pairs, list};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::{Node, NodeKind};

mapping! {
    /// Steps that are measured as one transaction.
    FlowFile {
        /// How often it is chosen, relative to the other flows and endpoints; 1 by default, 0 is never.
        weight: Weight,
        /// The wait after it, in place of that of its user.
        think_time: ThinkTime,
        /// What a failed step does: `stop` (the default) ends the flow, `continue` goes on with the next step. The flow has failed either way.
        on_error: OnError,
        /// For `--tags` and `--exclude-tags`; they hold for all of its steps.
        tags: OneOrMany<String>,
        /// Targets for this flow; its time is without think times.
        slo: Pairs<SloFile>,
        /// What is done, in order.
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
pub(crate) struct StepsFile(pub Vec<At<StepFile>>);

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
    Request(Box<At<EndpointFile>>),
    Think(ThinkFile),
    Repeat(RepeatFile),
    If(IfFile),
    Random(RandomFile),
    Poll(Box<PollFile>),
    Burst(BurstFile),
    Parallel(ParallelFile),
}

/// The keys of which a step has one, if it is no request.
const KINDS: [&str; 7] = [
    "think", "repeat", "if", "random", "poll", "burst", "parallel",
];
/// The keys of which a request has one.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

impl StepFile {
    /// The schemas of all kinds of steps.
    pub(crate) fn definition() -> Value {
        json!({"anyOf": [
            String::schema(),
            EndpointFile::schema_reference(),
            ThinkFile::schema(),
            RepeatFile::schema(),
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
        let Some(kind) = KINDS.into_iter().find(has) else {
            if METHODS.iter().any(has) {
                return At::decode(node, findings).map(|file| Self::Request(Box::new(file)));
            }
            let mut diagnostic = Diagnostic::new("this is no step").help(format!(
                "a step is a name, a request such as `get: /health`, or one of {}",
                list(KINDS)
            ));
            let known = || KINDS.into_iter().chain(METHODS);
            if let Some(close) = entries
                .iter()
                .find_map(|(key, _)| did_you_mean(&key.text, known()))
            {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            findings.report(Some(node.at), diagnostic);
            return None;
        };
        match kind {
            "think" => ThinkFile::decode(node, findings).map(Self::Think),
            "repeat" => RepeatFile::decode(node, findings).map(Self::Repeat),
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
    /// A wait that is no part of the flow's time.
    ThinkFile {
        /// How long: `2s`, `constant(2s)` or `between(1s, 3s)`.
        think(required): Wait,
    }
}

mapping! {
    /// Steps done several times.
    RepeatFile {
        /// How often; or a list, for each value of which the steps are done.
        repeat(required): Repetitions,
        /// The variable that has the value of the list; `item` by default.
        variable: String,
        /// An expression that is asked before each time; the first time that it does not hold is
        /// the end.
        condition["while"]: At<String>,
        /// What is done.
        steps(required): StepsFile,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

/// How often steps are done.
#[derive(Debug, Clone)]
pub(crate) enum Repetitions {
    Count(u32),
    Values(Vec<Node>),
}

impl Decode for Repetitions {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::List(_)) {
            return Vec::decode(node, findings).map(Self::Values);
        }
        u32::decode(node, findings).map(Self::Count)
    }

    fn schema() -> Value {
        json!({"anyOf": [u32::schema(), {"type": "array"}]})
    }
}

mapping! {
    /// Steps done if something holds.
    IfFile {
        /// An expression, which can ask for the `status` of the last response as well.
        condition["if"](required): At<String>,
        /// What is done if it holds.
        then(required): StepsFile,
        /// What is done otherwise; nothing by default.
        otherwise["else"]: StepsFile,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// One of several, chosen by weight.
    RandomFile {
        /// The choices.
        random(required): Vec<At<BranchFile>>,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// A choice.
    BranchFile {
        /// How often it is chosen, relative to the others; 1 by default.
        weight: Weight,
        /// What is done.
        steps(required): StepsFile,
    }
}

mapping! {
    /// A request that is sent until its answer is as awaited.
    PollFile {
        /// The request: a name, or a request of its own.
        poll(required): At<RequestFile>,
        /// What is awaited, beside the request's own `check`.
        until(required): OneOrMany<At<CheckFile>>,
        /// From the end of one request to the start of the next; `1s` by default.
        every: Duration,
        /// When to give up; the step has then failed. `30s` by default.
        timeout: Duration,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Requests sent several times at once.
    BurstFile {
        /// How often each is sent, all at once.
        burst(required): u32,
        /// The requests: names, or requests of their own.
        requests(required): OneOrMany<At<RequestFile>>,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

mapping! {
    /// Requests sent at once, each over a connection of its own.
    ParallelFile {
        /// The requests: names, or requests of their own.
        parallel(required): Vec<At<RequestFile>>,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
    }
}

/// A request by name, or one of its own.
#[derive(Debug, Clone)]
pub(crate) enum RequestFile {
    Name(String),
    Request(Box<At<EndpointFile>>),
}

impl Decode for RequestFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
            return At::decode(node, findings).map(|file| Self::Request(Box::new(file)));
        }
        String::decode(node, findings).map(Self::Name)
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), EndpointFile::schema_reference()]})
    }
}
