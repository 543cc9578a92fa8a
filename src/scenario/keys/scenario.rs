//! The keys of scenario files, version 1, and of the files they include. The doc comments are what
//! editors show.
//!
//! Here: the keys at the top and under `defaults`. Not here: what they mean together (`compile`).

use std::time::Duration;

use super::auth::AuthChoice;
use super::connection::{ProxyFile, TlsFile};
use super::data::{DataFile, SecretFile};
use super::endpoint::EndpointFile;
use super::flow::{FlowFile, StepsFile};
use super::profile::ProfileFile;
use super::slo::SloFile;
use super::user::UserFile;
use crate::plan::{ClientChoice, HttpChoice, ThinkTime};
use crate::scenario::yaml::decode::{At, OneOrMany, Pairs, Size};
use crate::scenario::yaml::mapping::mapping;

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
    /// Endpoints, flows and steps for several scenarios.
    IncludedFile {
        /// Requests, to be named in the scenario.
        endpoints: Vec<At<EndpointFile>>,
        /// Flows, to be named in the scenario.
        flows: Pairs<FlowFile>,
        /// Steps, to be named in flows.
        steps: Pairs<StepsFile>,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
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
