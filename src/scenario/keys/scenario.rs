//! The keys of scenario files, version 1, and of the files they include. The doc comments are what
//! editors show.
//!
//! Here: the keys at the top and under `defaults`. Not here: what they mean together (`compile`).

pub(crate) mod hook;

use self::hook::{FindingHookFile, VerdictHookFile};
use super::auth::AuthChoice;
use super::connection::{ProxyFile, TlsFile};
use super::data::{DataFile, SecretFile, SharedFile};
use super::endpoint::EndpointFile;
use super::flow::{FlowFile, StepsFile};
use super::observe::{ObserveFile, TraceFile};
use super::profile::ProfileFile;
use super::slo::SloFile;
use super::think_time::ThinkTimeFile;
use super::user::UserFile;
use crate::plan::{ClientChoice, HttpChoice};
use crate::scenario::yaml::decode::{AnyValue, Located, OneOrMany, Pairs, Size, TimeLimit};
use crate::scenario::yaml::mapping::mapping;

mapping! {
    /// A scenario: what virtual users do, and the SLOs that the service must meet.
    ScenarioFile {
        /// Name of the scenario, shown in reports. Defaults to the name of the file.
        name: String,
        /// Base URL of the service under test, such as `http://localhost:8000`, or `demo` for the built-in service.
        host: String,
        /// Environments, by name, of which `--environment` chooses one: each replaces what it names.
        environments: Pairs<EnvironmentFile>,
        /// Defaults for all endpoints.
        defaults: DefaultsFile,
        /// Variables, used as `{{ name }}`. Each can use those defined before it.
        variables: Pairs<AnyValue>,
        /// Secrets, used as `{{ name }}`: values from the environment or a file that are never shown.
        secrets: Pairs<SecretFile>,
        /// Data files that feed users, by name. `{{ name.column }}` is a value from the user's current row.
        data: Pairs<DataFile>,
        /// Counters and lists that all users of the process share, by name: the first number of a counter, or the items of a list. Used as `{{ shared.next("orders") }}`.
        shared: Pairs<SharedFile>,
        /// Script in JavaScript, whose exported functions are used as `{{ js.name() }}` and in `run` steps: its file in the scenario's folder or below.
        script: ScriptFile,
        /// Requests, chosen by weight.
        endpoints: Vec<Located<EndpointFile>>,
        /// User classes, by name.
        users: Pairs<UserFile>,
        /// Flows, by name: steps that are measured together as one transaction. Chosen by weight, like endpoints.
        flows: Pairs<FlowFile>,
        /// Named steps, for use in flows.
        steps: Pairs<StepsFile>,
        /// Steps that run once before the load, not measured. All users have the values that they set. If one fails, there is no load.
        setup: StepsFile,
        /// Steps that run once after the load, not measured. If one fails, the run fails.
        teardown: StepsFile,
        /// Files with more endpoints, flows, steps and SLOs, in the scenario's folder or below.
        include: OneOrMany<Located<String>>,
        /// SLOs for all requests together.
        slo: Pairs<SloFile>,
        /// Limits that end a run early when they are broken for a while, such as `error_rate: "> 20% for 10s"`.
        abort: Pairs<String>,
        /// Budgets for all requests together: SLOs whose violations are listed by themselves.
        budgets: Pairs<SloFile>,
        /// What to observe of the service during the load, besides its responses: metrics that it exports, and its processes.
        observe: ObserveFile,
        /// Tracing of requests by the header `traceparent` of W3C Trace Context: `true`, a share such as `10%`, or a mapping.
        trace: TraceFile,
        /// Whom to tell about findings, once the run is over.
        on_finding: FindingHookFile,
        /// Whom to tell about the verdict, once the run is over.
        on_verdict: VerdictHookFile,
        /// Profiles for this scenario: new ones, or existing ones with some keys overridden.
        profiles: Pairs<ProfileFile>,
        /// Hosts that redirects and links may lead to in addition to the scenario's own, as `host` or `host:port`.
        allow_redirects_to: Vec<Located<String>>,
        /// HTTP client: `reqwest` (default) or `direct`.
        client: ClientChoice,
        /// Trusted CAs and client certificate.
        tls: TlsFile,
        /// Proxy for all requests. Defaults to none; proxy settings in the environment are ignored.
        proxy: ProxyFile,
        /// Addresses of this machine that users connect from, assigned in turn. Defaults to any.
        local_address: OneOrMany<Located<String>>,
        /// Where to connect instead, by the host and port of URLs: `{"shop.example.org:443": "10.0.0.7:8443"}`. Names in TLS, headers and cookies stay those of the URLs.
        connect_to: Pairs<String>,
    }
}

impl ScenarioFile {
    /// The names for templates whose definitions are bad, which was reported.
    pub fn broken_names(&self) -> impl Iterator<Item = &str> {
        let variables = self.variables.get().map_or(&[][..], |pairs| &pairs.1);
        let secrets = self.secrets.get().map_or(&[][..], |pairs| &pairs.1);
        let data = self.data.get().map_or(&[][..], |pairs| &pairs.1);
        let all = variables.iter().chain(secrets).chain(data);
        all.map(String::as_str)
    }
}

mapping! {
    /// A script. A file alone needs no mapping.
    ScriptFile or file {
        /// File of the script, in the scenario's folder or below.
        file(required): String,
        /// Processor time that a call may take, or an asynchronous function between two waits. Defaults to `100ms`.
        time_limit: TimeLimit,
        /// Memory that the script may use in each worker, `1MB` to `4GB`. Defaults to `256MB`.
        memory_limit: Size,
    }
}

mapping! {
    /// What is different in one environment.
    EnvironmentFile {
        /// Base URL of the service there.
        host: String,
        /// Variables, one by one.
        variables: Pairs<AnyValue>,
        /// Secrets, one by one.
        secrets: Pairs<SecretFile>,
        /// Headers of every request, one by one.
        headers: Pairs<String>,
        /// Trusted CAs and client certificate, key by key.
        tls: TlsFile,
    }
}

mapping! {
    /// Defaults for all endpoints.
    DefaultsFile {
        /// Time limit of a request, from sending to the last byte. Defaults to `30s`.
        timeout: TimeLimit,
        /// Time limit of name resolution, TCP and TLS handshake; at most `timeout`. Defaults to `10s`.
        connect_timeout: TimeLimit,
        /// Headers of every request.
        headers: Pairs<String>,
        /// Wait between iterations: `between(1s, 3s)`, `constant(1s)`, `constant_pacing(1s)`, `constant_throughput(2)`, `poisson(2)`, `gaussian(2s, 500ms)`, `none`, or a template that is seconds, such as `{{ wait_s }}`.
        think_time: ThinkTimeFile,
        /// How many redirects to follow, 0 to 100. Defaults to 10.
        max_redirects: u32,
        /// Largest response body on the wire. A larger one is cut off, and the request fails as `body_too_large`. Defaults to `100MB`. A body that a check reads can have at most 10 MB, also when decoded.
        max_body: Size,
        /// Authentication.
        auth: AuthChoice,
        /// HTTP version: `auto` (default), `1.1` or `2`.
        http_version: HttpChoice,
        /// Whether to keep connections open for the next request. Defaults to `true`.
        keep_alive: bool,
    }
}

mapping! {
    /// Endpoints, flows and steps shared by several scenarios.
    IncludedFile {
        /// Requests that scenarios can use by name.
        endpoints: Vec<Located<EndpointFile>>,
        /// Flows that scenarios can use by name.
        flows: Pairs<FlowFile>,
        /// Named steps, for use in flows.
        steps: Pairs<StepsFile>,
        /// SLOs for all requests together, unless the scenario has its own.
        slo: Pairs<SloFile>,
        /// Budgets, unless the scenario has its own.
        budgets: Pairs<SloFile>,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::scenario::yaml::counterparts;
    use crate::scenario::yaml::decode::Decode;

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
                ".environments",
                ".environments.secrets",
                ".environments.tls",
                ".defaults",
                ".defaults.auth",
                ".defaults.auth.basic",
                ".defaults.auth.api_key",
                ".defaults.auth.oauth2",
                ".defaults.auth.digest",
                ".secrets",
                ".data",
                ".script",
                ".endpoints",
                ".endpoints.slo",
                ".endpoints.check",
                ".endpoints.extract",
                ".endpoints.extract.between",
                ".endpoints.measure",
                ".endpoints.multipart",
                ".endpoints.auth",
                ".endpoints.auth.basic",
                ".endpoints.auth.api_key",
                ".endpoints.auth.oauth2",
                ".endpoints.auth.digest",
                ".users",
                ".users.auth",
                ".users.auth.basic",
                ".users.auth.api_key",
                ".users.auth.oauth2",
                ".users.auth.digest",
                ".users.endpoints",
                ".users.flows",
                ".flows",
                ".flows.slo",
                ".slo",
                ".budgets",
                ".observe",
                ".trace",
                ".on_finding",
                ".on_verdict",
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

    #[test]
    fn what_is_said_of_keys_of_other_tools_names_keys_that_there_are() {
        let mut found = Vec::new();
        let step = crate::scenario::keys::flow::StepFile::definition();
        for schema in [ScenarioFile::schema(), EndpointFile::schema(), step] {
            mappings(&schema, "", &mut found);
        }
        let known: Vec<&String> = found.iter().flat_map(|(_, keys)| keys).collect();
        let key = regex::Regex::new("`([a-z_]+)[:`]|[{,] ?([a-z_]+): ").unwrap();
        for (others, within, says) in counterparts::all() {
            assert!(
                within.is_empty() || known.iter().any(|known| known == within),
                "{within}"
            );
            for found in key.captures_iter(says) {
                let name = found.get(1).or(found.get(2)).unwrap().as_str();
                // A part of a body, a name of a value, an SLO.
                let is_own = ["file", "token", "error_rate"].contains(&name);
                assert!(
                    is_own || known.iter().any(|known| *known == name),
                    "{others:?}: {name}"
                );
            }
        }
    }
}
