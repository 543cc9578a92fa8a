//! The keys of scenario and profile files, version 1. The doc comments are what editors show.
//!
//! Here: which keys there are and the form of their values. Adding a key is one line here, and
//! its use in the module that compiles it. Not here: what the values mean together.

use std::time::Duration;

use serde_json::{Value, json};

use super::flow::{FlowFile, StepsFile, UserFile};
use super::values::{DataFile, ExtractFile, SecretFile};
use super::wire::{AuthChoice, Compress, Part, ProxyFile, TlsFile};
use crate::plan::{Arrivals, ClientChoice, HttpChoice, ThinkTime};
use crate::scenario::load::shapes::{SineShapeFile, StepsShapeFile, SweepFile, has_shape};
use crate::scenario::yaml::decode::{
    At, Decode, Field, OneOrMany, Pairs, Size, describe, entries, key_text, mapping, missing_key,
    object, parse, unknown_key,
};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Kind, Node};
use crate::units;

mapping! {
    /// A scenario: what virtual users do, and what is asked of the target.
    ScenarioFile {
        /// The scenario's name, shown in reports. The file's name by default.
        name: String,
        /// Base URL of the target, such as `http://localhost:8000`, or `demo` for the built-in target.
        host: String,
        /// What holds for all endpoints unless they say otherwise.
        defaults: DefaultsFile,
        /// Values for `{{ name }}`; each may use those before it.
        variables: Pairs<String>,
        /// Values for `{{ name }}` that are shown nowhere, from the environment or a file.
        secrets: Pairs<SecretFile>,
        /// Data that users are fed with, by name; `{{ name.column }}` is a value of the user's row.
        data: Pairs<DataFile>,
        /// The requests, chosen by weight.
        endpoints: Vec<At<EndpointFile>>,
        /// Kinds of virtual users, by name.
        users: Pairs<UserFile>,
        /// Steps that are measured as one transaction, by name; chosen by weight beside the endpoints.
        flows: Pairs<FlowFile>,
        /// Steps by name, to be used in flows.
        steps: Pairs<StepsFile>,
        /// Files with further endpoints, flows and steps, in the scenario's folder or below.
        include: OneOrMany<At<String>>,
        /// Targets for all requests together.
        slo: Pairs<SloFile>,
        /// Profiles of this scenario: overrides of known ones, key by key, or new ones.
        profiles: Pairs<ProfileFile>,
        /// Hosts beyond the scenario's own that redirects may lead to, as `host` or `host:port`.
        allow_redirects_to: Vec<At<String>>,
        /// What carries the requests: `reqwest` (the default) or `direct`.
        client: ClientChoice,
        /// Whom to trust in TLS handshakes, and what to show.
        tls: TlsFile,
        /// The proxy that requests go through; none by default, whatever the environment says.
        proxy: ProxyFile,
        /// Addresses of this machine that users connect from, in turn; any by default.
        local_address: OneOrMany<At<String>>,
    }
}

mapping! {
    /// What holds for all endpoints.
    DefaultsFile {
        /// From sending to the last byte; `30s` by default.
        timeout: Duration,
        /// For name resolution, TCP and TLS; `10s` by default, at most `timeout`.
        connect_timeout: Duration,
        /// Headers of every request.
        headers: Pairs<String>,
        /// The wait between iterations: `between(1s, 3s)`, `constant(1s)`, `constant_pacing(1s)`, `constant_throughput(2)` or `none`.
        think_time: ThinkTime,
        /// How many redirects are followed, 0 to 100; 10 by default.
        max_redirects: u32,
        /// The largest response body on the wire; a larger one is cut off and fails as `body_too_large`. `100MB` by default; a body that a check looks into may have 10 MB, decoded too.
        max_body: Size,
        /// How requests prove who sends them.
        auth: AuthChoice,
        /// The version of HTTP: `auto` (the default), `1.1` or `2`.
        http_version: HttpChoice,
        /// Whether connections are kept open for the next request; `true` by default.
        keep_alive: bool,
    }
}

mapping! {
    /// One kind of request. Exactly one method key names the path or URL.
    EndpointFile {
        /// The key of its statistics; method and path by default.
        name: String,
        /// Path or URL of a GET request.
        get: String,
        /// Path or URL of a HEAD request.
        head: String,
        /// Path or URL of a POST request.
        post: String,
        /// Path or URL of a PUT request.
        put: String,
        /// Path or URL of a PATCH request.
        patch: String,
        /// Path or URL of a DELETE request.
        delete: String,
        /// Path or URL of an OPTIONS request.
        options: String,
        /// How often it is chosen, relative to the others; 1 by default, 0 is never.
        weight: u32,
        /// The wait after it, in place of that of its user.
        think_time: ThinkTime,
        /// Targets for this endpoint.
        slo: Pairs<SloFile>,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
        /// What a response must be like; without `status`, 2xx and 3xx pass.
        check: OneOrMany<At<CheckFile>>,
        /// Variables of the user that are taken out of a response that passed.
        extract: Pairs<ExtractFile>,
        /// Headers beside the defaults'.
        headers: Pairs<String>,
        /// A JSON body, written as YAML.
        json: Node,
        /// The fields of a URL-encoded form.
        form: Pairs<String>,
        /// A text body.
        body: String,
        /// A file whose content is the body, relative to the scenario.
        body_file: String,
        /// The parts of a multipart body: texts and files, by name.
        multipart: Pairs<OneOrMany<At<Part>>>,
        /// How the body is compressed: `gzip`.
        compress: Compress,
        /// From sending to the last byte.
        timeout: Duration,
        /// For name resolution, TCP and TLS; at most `timeout`.
        connect_timeout: Duration,
        /// How many redirects are followed, 0 to 100.
        max_redirects: u32,
        /// The largest response body on the wire; a larger one is cut off and fails as `body_too_large`.
        max_body: Size,
        /// How requests prove who sends them; `none` where the defaults say otherwise.
        auth: AuthChoice,
        /// The version of HTTP: `auto`, `1.1` or `2`.
        http_version: HttpChoice,
        /// Whether connections are kept open for the next request.
        keep_alive: bool,
    }
}

mapping! {
    /// Conditions on a response.
    CheckFile {
        /// Codes (`200`), ranges (`200-299`) or classes (`2xx`).
        status: OneOrMany<At<String>>,
        /// The longest response time that passes.
        max_duration: Duration,
        /// The fewest bytes of the body, on the wire.
        min_size: Size,
        /// The most bytes of the body, on the wire.
        max_size: Size,
        /// By header: `exists`, `absent`, the value that must stand there, or what it must be like.
        headers: Pairs<Node>,
        /// Text that the body must contain.
        body_contains: OneOrMany<At<String>>,
        /// Regular expression that the body must match somewhere.
        body_matches: OneOrMany<At<String>>,
        /// By JSONPath: `exists`, `absent`, the value that must stand there, or what it must be like.
        json: Pairs<Node>,
        /// Expression that must hold; it knows the user's variables, those extracted as well, and `status`.
        that: OneOrMany<At<String>>,
        /// Conditions of which none may hold.
        not: NotFile,
        /// What a failure of these conditions is called; it is counted under this key.
        fail_with: String,
    }
}

/// Conditions within conditions.
#[derive(Debug, Clone)]
pub(crate) struct NotFile(pub Box<CheckFile>);

impl Decode for NotFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        CheckFile::decode(node, findings).map(|file| Self(Box::new(file)))
    }

    fn schema() -> Value {
        // Not spelled out again, or it would never end.
        json!({"type": "object"})
    }
}

mapping! {
    /// How much load a run puts on its target, and for how long.
    ProfileFile {
        /// The profile's name.
        name: String,
        /// What it is for, in a few words.
        purpose: String,
        /// Virtual users of a closed load; with `stages`, the highest stage is scaled to it.
        users: u32,
        /// Users started per second; by default all within 10 s.
        spawn_rate: Rate,
        /// Arrivals per second of an open load; with `stages`, the highest stage is scaled to it.
        rate: Rate,
        /// Most requests in flight of an open load.
        max_users: u32,
        /// How the arrivals of an open load are spaced: `uniform` (the default) or `poisson`.
        arrivals: Arrivals,
        /// Levels run one after the other.
        stages: Vec<At<StageFile>>,
        /// Levels in even steps, in place of `stages`.
        steps: StepsShapeFile,
        /// A level that goes up and down, in place of `stages`.
        sine: SineShapeFile,
        /// Levels run one after the other to find the knee, in place of `stages`.
        sweep: SweepFile,
        /// Full load that is not measured, before the first level.
        warmup: Duration,
        /// How long the load is held, counted from the end of the ramp; with `stages`, they are scaled to it.
        duration: Duration,
        /// How long requests in flight may go on at the end; `30s` by default.
        stop_timeout: Duration,
        /// Targets, unless the scenario has its own.
        slo: Pairs<SloFile>,
    }
}

impl ProfileFile {
    /// This profile over `base`, key by key. A load of the other kind takes the whole load of
    /// `base` out of force, and SLOs are added, so that each replaces the one of its metric.
    pub fn over(self, base: Self) -> Self {
        let shape = has_shape(&self);
        let stages = shape || !self.stages.is_missing();
        let open = stages || !self.rate.is_missing();
        let closed = stages || !self.users.is_missing();
        let slo = match (self.slo, base.slo) {
            (Field::Given(over, key), Field::Given(base, _)) => {
                let pairs = [base.value.0, over.value.0].concat();
                Field::Given(
                    At {
                        value: Pairs(pairs),
                        at: over.at,
                    },
                    key,
                )
            }
            (over, base) => over.or(base),
        };
        Self {
            name: self.name.or(base.name),
            purpose: self.purpose.or(base.purpose),
            users: self.users.or(base.users.unless(open)),
            spawn_rate: self.spawn_rate.or(base.spawn_rate.unless(open)),
            rate: self.rate.or(base.rate.unless(closed)),
            max_users: self.max_users.or(base.max_users.unless(closed)),
            arrivals: self.arrivals.or(base.arrivals.unless(closed)),
            stages: self.stages.or(base.stages.unless(shape)),
            steps: self.steps.or(base.steps.unless(stages)),
            sine: self.sine.or(base.sine.unless(stages)),
            sweep: self.sweep.or(base.sweep.unless(stages)),
            warmup: self.warmup.or(base.warmup),
            duration: self.duration.or(base.duration.unless(stages)),
            stop_timeout: self.stop_timeout.or(base.stop_timeout),
            slo,
        }
    }
}

mapping! {
    /// A level of the load.
    StageFile {
        /// Shown in the report.
        name: String,
        /// Virtual users at this level (closed load).
        users: u32,
        /// Arrivals per second at this level (open load).
        rate: Rate,
        /// The user classes that run in it, from the start of its ramp on; all by default.
        user_classes: OneOrMany<At<String>>,
        /// How long the change to this level takes; 0 is a jump.
        ramp: Duration,
        /// In place of `ramp`: users started or ended per second.
        spawn_rate: Rate,
        /// How long the level is held.
        duration(required): Duration,
    }
}

mapping! {
    /// A target with its circumstances.
    SloLimitFile {
        /// The bound: a duration, a share or a rate.
        limit(required): String,
        /// Weight in the score, above 0; 1 by default.
        weight: Weight,
        /// Counts in the score, but cannot fail the verdict.
        advisory: bool,
        /// The profiles it holds for; all by default.
        profiles: OneOrMany<At<String>>,
    }
}

/// A target: the bound alone, or a mapping.
#[derive(Debug, Clone)]
pub(crate) struct SloFile(pub SloLimitFile);

impl Decode for SloFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return SloLimitFile::decode(node, findings).map(Self);
        }
        let target = At::decode(node, findings)?;
        Some(Self(SloLimitFile {
            limit: Field::Given(target, node.at),
            ..SloLimitFile::default()
        }))
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), SloLimitFile::schema()]})
    }
}

/// A rate per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate(pub f64);

impl Decode for Rate {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a rate", node, findings, units::parse_rate).map(Self)
    }

    fn schema() -> Value {
        json!({"type": ["number", "string"], "examples": [100, "100/s", "6000/m"]})
    }
}

/// A weight in the score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight(pub f64);

impl Decode for Weight {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a number", node, findings, |text| {
            let weight = text.parse().ok().filter(|w: &f64| *w > 0.0 && *w <= 1000.0);
            weight.ok_or_else(|| {
                format!("`{text}` is not a weight: write a number above 0 and at most 1000")
            })
        })
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1000})
    }
}

impl Decode for Arrivals {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse(
            "`uniform` or `poisson`",
            node,
            findings,
            |text| match text {
                "uniform" => Ok(Self::Uniform),
                "poisson" => Ok(Self::Poisson),
                _ => Err(format!(
                    "`{text}` is no spacing of arrivals: write `uniform` or `poisson`"
                )),
            },
        )
    }

    fn schema() -> Value {
        json!({"enum": ["uniform", "poisson"]})
    }
}

impl Decode for ThinkTime {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a think time", node, findings, parse_think_time)
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": [
            "between(1s, 3s)", "constant(1s)", "constant_pacing(1s)", "constant_throughput(2)", "poisson(2)",
            "none",
        ]})
    }
}

fn parse_think_time(text: &str) -> Result<ThinkTime, String> {
    let allowed = || {
        let quote = match text.contains('(') && !text.contains(')') {
            true => "; between `{` and `}` a comma ends the value, so put it in quotes",
            false => "",
        };
        format!(
            "`{text}` is not a think time: write `between(1s, 3s)`, `constant(1s)`, \
             `constant_pacing(1s)`, `constant_throughput(2)`, `poisson(2)` or `none`{quote}"
        )
    };
    if text.trim() == "none" {
        return Ok(ThinkTime::None);
    }
    let (name, rest) = text.trim().split_once('(').ok_or_else(allowed)?;
    let inside = rest.strip_suffix(')').ok_or_else(allowed)?;
    let arguments: Vec<&str> = inside.split(',').map(str::trim).collect();
    match (name.trim(), arguments.as_slice()) {
        ("constant", [wait]) => Ok(ThinkTime::Constant(units::parse_duration(wait)?)),
        ("constant_pacing", [wait]) => Ok(ThinkTime::Pacing(units::parse_duration(wait)?)),
        (name @ ("constant_throughput" | "poisson"), [rate]) => {
            let mean = Duration::try_from_secs_f64(1.0 / units::parse_rate(rate)?).ok();
            let mean = mean.filter(|mean| *mean <= units::MAX_DURATION);
            mean.map(match name {
                "poisson" => ThinkTime::Poisson,
                _ => ThinkTime::Pacing,
            })
            .ok_or_else(allowed)
        }
        ("between", [low, high]) => {
            let (low, high) = (units::parse_duration(low)?, units::parse_duration(high)?);
            if low > high {
                return Err(format!(
                    "`{text}`: the first wait is longer than the second"
                ));
            }
            Ok(ThinkTime::Between(low, high))
        }
        _ => Err(allowed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_as_locust_names_them() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("none", ThinkTime::None),
            ("constant(1.5)", ThinkTime::Constant(ms(1500))),
            ("between(1s,3s)", ThinkTime::Between(ms(1000), ms(3000))),
            ("constant_pacing( 1s )", ThinkTime::Pacing(ms(1000))),
            ("constant_throughput(2)", ThinkTime::Pacing(ms(500))),
            ("poisson(4/s)", ThinkTime::Poisson(ms(250))),
        ] {
            assert_eq!(parse_think_time(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "1s",
            "between(3s, 1s)",
            "between(1s)",
            "constant(1s",
            "constant_throughput(0)",
            "poisson(0)",
            "p(101)",
        ] {
            assert!(parse_think_time(bad).is_err(), "{bad}");
        }
        let cut = parse_think_time("between(1s").unwrap_err();
        assert!(cut.contains("in quotes"), "{cut}");
    }

    /// Every mapping of a schema, with its path.
    fn mappings(schema: &Value, path: &str, found: &mut Vec<(String, Vec<String>)>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.push((path.to_owned(), properties.keys().cloned().collect()));
            for (key, value) in properties {
                assert!(
                    value["description"].is_string(),
                    "{path}.{key} has no description"
                );
                mappings(value, &format!("{path}.{key}"), found);
            }
        }
        for part in ["items", "additionalProperties"] {
            if schema[part].is_object() {
                mappings(&schema[part], path, found);
            }
        }
        for choice in schema["anyOf"].as_array().into_iter().flatten() {
            mappings(choice, path, found);
        }
    }

    #[test]
    fn the_schema_knows_every_mapping() {
        let mut found = Vec::new();
        mappings(&ScenarioFile::schema(), "", &mut found);
        let mut paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        // One or many of the same.
        paths.dedup();
        assert_eq!(
            paths,
            [
                "",
                ".defaults",
                ".defaults.auth",
                ".defaults.auth.basic",
                ".defaults.auth.api_key",
                ".defaults.auth.oauth2",
                ".defaults.auth.digest",
                ".secrets",
                ".data",
                ".endpoints",
                ".endpoints.slo",
                ".endpoints.check",
                ".endpoints.extract",
                ".endpoints.multipart",
                ".endpoints.auth",
                ".endpoints.auth.basic",
                ".endpoints.auth.api_key",
                ".endpoints.auth.oauth2",
                ".endpoints.auth.digest",
                ".users",
                ".users.endpoints",
                ".users.flows",
                ".flows",
                ".flows.slo",
                ".slo",
                ".profiles",
                ".profiles.stages",
                ".profiles.steps",
                ".profiles.steps.users",
                ".profiles.steps.rate",
                ".profiles.sine",
                ".profiles.sine.users",
                ".profiles.sine.rate",
                ".profiles.sweep",
                ".profiles.slo",
                ".tls",
                ".proxy",
            ]
        );
    }
}
