//! From the keys of a scenario and a profile to a plan.
//!
//! Here: what the parts mean together: variables, hosts, SLOs. Not here: single requests
//! (`request`), who does what (`flow::classes`), the load (`load`), how SLOs are written (`slo`).

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::flow::classes::{self, ClassCompiler};
use super::flow::include;
use super::flow::index::Index;
use super::flow::positions::Selection;
use super::flow::steps::{ITEM, run};
use super::flow::waits;
use super::keys::scenario::ScenarioFile;
use super::load::{self, profile};
use super::names::template::refuse_template;
use super::names::{Names, data, given, shared};
use super::options::Options;
use super::request::{self, RequestDefaults, body, extract};
use super::service::address::{self, EndpointUrl};
use super::service::{base, hooks, observe, trace, transport};
use super::source::{Source, environment, script, stem};
use super::yaml::decode::{AnyValue, Decode, Located, missing_key};
use super::yaml::findings::Findings;
use super::yaml::tree::{self, NodeKind};
use crate::error::{Diagnostic, Error};
use crate::plan::{
    Endpoint, Hooks, Model, Plan, Secrets, Service, Template, ThinkTime, Transport, Variable,
    is_secret_header,
};
use crate::units::format_rate;

/// Resolves a scenario under a profile, which is a name or the path of a file.
///
/// # Errors
/// Everything that is wrong in scenario, profile and options, at once.
pub fn compile(source: &Source, profile: &str, options: &Options) -> Result<Plan, Error> {
    compile_in(Path::new(""), source, profile, options)
}

/// As [`compile`], with the profiles of `dir`.
pub(super) fn compile_in(
    dir: &Path,
    source: &Source,
    profile: &str,
    options: &Options,
) -> Result<Plan, Error> {
    let mut findings = Findings::default();
    let scenario = read(source, options.environment.as_deref(), &mut findings)?;
    let mut known = profile::known(dir);
    let quick_look = matches!(source, Source::Request(_));
    if quick_look {
        known.push(profile::quick_look());
    }
    let overrides = scenario
        .as_ref()
        .and_then(|scenario| scenario.file.profiles.get());
    let resolved = profile::resolve(
        profile,
        &known,
        overrides.map(|pairs| &pairs.value),
        &mut findings,
    )?;
    let plan = scenario.and_then(|scenario| {
        let known = known.iter().map(|profile| profile.name.as_str()).collect();
        PlanCompiler {
            scenario: &scenario,
            options,
            quick_look,
            known,
            findings: &mut findings,
        }
        .plan(resolved)
    });
    // Without findings there is a plan; the message is for a mistake of this module.
    findings.into_result(plan)?.ok_or(Error::Bug(
        "there is no plan, and no error that explains it",
    ))
}

/// A decoded scenario and its folder.
pub(super) struct Scenario {
    /// Its keys.
    pub file: ScenarioFile,
    /// Its name, from the file if it does not say one.
    pub name: String,
    /// The position of the file that it is in.
    position: usize,
    /// Where body files are.
    folder: PathBuf,
    /// Whether there is nothing in its list of endpoints.
    has_empty_list: bool,
}

/// Reads and decodes a scenario, as it is in an environment; `None` after a finding.
///
/// # Errors
/// A file that cannot be used.
pub(super) fn read(
    source: &Source,
    chosen: Option<&str>,
    findings: &mut Findings,
) -> Result<Option<Scenario>, Error> {
    let (position, name, folder) = match source {
        Source::File(path) => {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            (findings.read_file(path)?, stem(path), folder)
        }
        Source::Request(request) => {
            // Parsed first, since what is wrong with the URL is best said of the URL.
            let url = address::parse_url(&request.url)
                .map_err(|diagnostic| Error::Invalid(vec![diagnostic]))?;
            let name = address::authority(&url).unwrap_or_default();
            let secrets = request.headers.iter();
            for (_, value) in secrets.filter(|(name, _)| is_secret_header(&name.to_lowercase())) {
                for part in value.split("{{") {
                    // What stands around the templates.
                    let written = part.rsplit("}}").next().unwrap_or(part);
                    findings.hide_literal(written.trim());
                }
            }
            if let Some(auth) = &request.auth {
                findings.hide_literal(&auth.password);
            }
            let file = findings.add_file("the command line", request.to_yaml(&name));
            // The user names its files, so they may be anywhere.
            (file, name, PathBuf::from("/"))
        }
    };
    let Some(mut node) = tree::parse(position, findings) else {
        return Ok(None);
    };
    if let Some(name) = chosen {
        environment::choose(&mut node, name, findings);
    }
    Ok(ScenarioFile::decode(&node, findings).map(|file| {
        let sources = [&node.get("flows"), &node.get("users"), &node.get("include")];
        if file.endpoints.is_missing() && sources.iter().all(|source| source.is_none()) {
            missing_key(&node, "endpoints", "required", findings);
        }
        let name = file.name.get().map_or(name, |name| name.value.clone());
        let list = node.get("endpoints").map(|endpoints| &endpoints.kind);
        Scenario {
            file,
            name,
            position,
            folder,
            has_empty_list: matches!(list, Some(NodeKind::List(items)) if items.is_empty()),
        }
    }))
}

/// What a plan is made from.
struct PlanCompiler<'a> {
    scenario: &'a Scenario,
    options: &'a Options,
    /// Whether it is a request of the command line.
    quick_look: bool,
    /// The names of the profiles that do not come from the scenario.
    known: Vec<&'a str>,
    findings: &'a mut Findings,
}

impl PlanCompiler<'_> {
    /// What came from the environment or by `-e`, and what headers with credentials say.
    fn secrets(
        &self,
        names: &Names<'_>,
        endpoints: &[&Endpoint],
        transport: &Transport,
        hooks: Option<&Hooks>,
    ) -> Secrets {
        let taken = names.taken.borrow();
        let headers = endpoints.iter().flat_map(|endpoint| &endpoint.headers);
        // `Bearer` and the like before the credentials are no secret.
        let written = headers
            .filter(|header| is_secret_header(&header.name))
            .filter_map(|header| header.value.as_constant()?.split(' ').next_back());
        let credentials = endpoints
            .iter()
            .filter_map(|endpoint| endpoint.auth.as_ref());
        let credentials = credentials.filter_map(|auth| auth.secret());
        let proxy = transport.proxy.iter().flat_map(|proxy| &proxy.credentials);
        let credentials = credentials.chain(proxy.map(|(_, password)| password.as_str()));
        let credentials = credentials.chain(hooks.into_iter().flat_map(Hooks::secrets));
        let given = self.options.env.values().chain(taken.iter());
        let given = given.chain(names.secrets.iter().map(|(_, value)| value));
        Secrets::new(given.map(String::as_str).chain(written).chain(credentials))
    }

    fn plan(mut self, resolved: Option<profile::ResolvedProfile>) -> Option<Plan> {
        let file = &self.scenario.file;
        let mut names = Names::new(&self.options.env);
        names.visible_env = self.options.visible_env.as_ref();
        let folder = &self.scenario.folder;
        names.broken = file.broken_names().map(str::to_owned).collect();
        shared::define(&file.shared, &mut names, self.findings);
        data::secrets(&file.secrets, folder, &mut names, self.findings);
        let mut data = data::feeders(&file.data, folder, &mut names, self.findings);
        names.script = script::script(file, folder, self.findings);
        if !file.script.is_missing() && names.script.is_none() {
            names.broken.insert("js".to_owned());
        }
        let included = include::included(file, folder, self.findings);
        let scripted = match names.script {
            None => Vec::new(),
            Some(_) => run::requests(self.findings),
        };
        let mut index = Index::new(file, &included, &scripted, self.findings);
        self.variables(&mut names, &index);
        for flow in &index.flows {
            let help = "all runs of a flow are counted under one name";
            refuse_template(&flow.key.text, flow.key.at, help, self.findings);
            request::refuse_in_tags(&flow.file.tags, self.findings);
        }
        if let Some(name) = file.name.get() {
            refuse_template(
                &name.value,
                name.at,
                "a scenario has one name",
                self.findings,
            );
        }
        let defaults = file
            .defaults
            .get()
            .map(|defaults| defaults.value.clone())
            .unwrap_or_default();
        let client = transport::client(file, self.options.client);
        let common = RequestDefaults::new(
            &defaults,
            &names,
            &self.scenario.folder,
            self.options.timeout,
            client,
            self.findings,
        )
        .with_classes(
            (file.users.get().into_iter())
                .flat_map(|users| &users.0)
                .map(|(_, user)| &user.value),
        );
        index.compile(&common, self.findings);
        index.add_variants(file, &common, self.options, self.findings);
        index.open_scripted();
        if index.requests.is_empty() && (self.findings.len() == 0 || self.scenario.has_empty_list) {
            let diagnostic = Diagnostic::new("the scenario has no endpoints");
            self.findings.report(file.endpoints.key(), diagnostic);
        }
        let folder = &self.scenario.folder;
        let transport =
            transport::transport(file, self.options, client, &names, folder, self.findings);
        let service = base::service(file, &index, self.options, self.findings);
        let mut allowed_hosts = base::allowed_hosts(file, self.findings);
        for (_, place) in index.requests.iter().filter_map(|r| r.compiled.as_ref()) {
            if let EndpointUrl::Absolute(url) = place {
                allowed_hosts.extend(address::authority(url));
            }
        }
        if let Some(Service::Url(url)) = &service {
            allowed_hosts.extend(
                url::Url::parse(url)
                    .ok()
                    .as_ref()
                    .and_then(address::authority),
            );
        }
        let compiler = ClassCompiler {
            file,
            index: &index,
            names: &names,
            options: self.options,
            think_time: waits::of_field(&defaults.think_time, &names, self.findings)
                .unwrap_or(ThinkTime::None),
        };
        let Selection {
            classes,
            endpoints,
            flows,
            lifecycle,
        } = compiler.selection(self.findings);
        let profile = resolved.unwrap_or_default();
        let slos = self.slos(
            &index,
            &included,
            &profile.name,
            &profile.file.slo,
            names.measures.take(),
        );
        let mut abort = slos.abort_rules(&file.abort, &self.options.abort, self.findings);
        // What is wrong with a profile that could not be read was reported.
        let mut load = match profile.name.is_empty() {
            true => None,
            false => load::load(
                &profile.file,
                profile.at,
                self.options,
                common.timeout(),
                self.findings,
            ),
        };
        if let Some(load) = &mut load {
            classes::check_stages(&profile.file, &file.users, &classes, load, self.findings);
            data::check_load(&file.data, &data, load, self.findings);
        }
        for (position, feeder) in data.iter_mut().enumerate() {
            feeder.columns = names.columns(position);
        }
        let around = lifecycle.iter().flat_map(|one| &one.endpoints);
        let sent: Vec<&Endpoint> = endpoints.iter().chain(around).collect();
        let waits = match self.options.think_time {
            Some(_) => Vec::new(),
            None => names
                .waits
                .take()
                .into_iter()
                .map(|(_, item)| item)
                .collect(),
        };
        let hooks = hooks::hooks(file, &names, self.findings);
        let secrets = self.secrets(&names, &sent, &transport, hooks.as_deref());
        let shared = shared::values(&names).map(Arc::new);
        let observe = observe::observe(&file.observe, self.findings);
        let (all_names, cookies) = (names.all(), names.cookies());
        let script = names.script.take();
        let variables = names.variables.into_iter();
        let mut plan = Plan {
            scenario: self.scenario.name.clone(),
            profile: profile.name,
            quick_look: self.quick_look,
            environment: self.options.environment.clone(),
            service: service?,
            transport,
            allowed_hosts,
            seed: self.options.seed.unwrap_or_else(random_seed),
            workers: self.options.workers.unwrap_or_else(cores),
            variables: variables
                .map(|(name, value)| Variable { name, value })
                .collect(),
            names: all_names,
            cookies,
            script,
            data,
            classes,
            endpoints,
            flows,
            waits,
            shared,
            observe,
            trace: trace::trace(&file.trace, self.findings),
            lifecycle,
            hooks,
            given: Vec::new(),
            load: load?,
            slos: Vec::new(),
            abort: Vec::new(),
            skipped_slos: Vec::new(),
            secrets,
        };
        // What could not be understood has no rate.
        let rate = match plan.classes.is_empty() {
            true => None,
            false => plan.highest_rate_per_s(),
        };
        let offered = rate.map(|rate| (offered(&plan, rate), rate));
        let of_endpoints = plan.endpoints.iter().map(Endpoint::row);
        let of_flows = plan.flows.iter().map(|flow| flow.name.as_str());
        let names: Vec<&str> = of_endpoints.chain(of_flows).collect();
        abort.retain(|rule| rule.scope.endpoint().is_none_or(|one| names.contains(&one)));
        (plan.slos, plan.skipped_slos) = slos.finish(&names, offered);
        plan.abort = abort;
        Some(plan)
    }

    fn variables(&mut self, names: &mut Names<'_>, index: &Index<'_>) {
        let pairs = self
            .scenario
            .file
            .variables
            .get()
            .map_or(&[][..], |pairs| &pairs.0);
        let extracted = (0..index.requests.len()).flat_map(|request| index.extracted_by(request));
        let assigned = index.assigned.iter().map(|key| key.text.as_str());
        names.later = extracted.chain(assigned).map(str::to_owned).collect();
        if let Some(script) = &names.script {
            let set = script.assigned_variables().into_iter();
            let set = set.filter(|name| pairs.iter().all(|(key, _)| key.text != *name));
            names.later.extend(set.map(str::to_owned));
        }
        names.defining = true;
        for (key, text) in pairs {
            if let Err(message) = names.check_new(&key.text) {
                self.findings.report(Some(key.at), Diagnostic::new(message));
                names.broken.insert(key.text.clone());
                continue;
            }
            let value = self.variable(&key.text, text, names);
            names.variables.push((key.text.clone(), value));
        }
        given::check(&self.options.variables, &names.variables, self.findings);
        names.defining = false;
        for request in &index.requests {
            for name in extract::variables(&request.file.extract, names, self.findings) {
                names.declare(name);
            }
        }
        for key in &index.assigned {
            match names.check_new(&key.text) {
                Ok(()) => drop(names.declare(&key.text)),
                Err(message) => self.findings.report(Some(key.at), Diagnostic::new(message)),
            }
        }
        for name in &index.items {
            match names.check_new(name) {
                Ok(()) => drop(names.declare(name)),
                Err(message) => self
                    .findings
                    .report(Some(name.at), Diagnostic::new(message)),
            }
        }
        if let Some(script) = names.script.clone() {
            for name in script.assigned_variables() {
                if names.check_new(name).is_ok() {
                    names.declare(name);
                }
            }
        }
        if index.has_items && names.check_new(ITEM).is_ok() {
            names.declare(ITEM);
        }
    }

    /// The value of a variable: that of the command line, or the scenario's.
    fn variable(&mut self, name: &str, value: &Located<AnyValue>, names: &Names<'_>) -> Template {
        let given = self.options.variables.get(name);
        match (&value.value, given) {
            (AnyValue::Scalar(_), Some(given)) => names.given_template(name, given, self.findings),
            (AnyValue::Scalar(scalar), None) => {
                let at = value.at;
                let value = scalar.clone();
                names.value_template(&Located { value, at }, self.findings)
            }
            (AnyValue::Tree(node), None) => body::json(node, names, self.findings).of_json(),
            // In place of a list or a mapping, another one.
            (AnyValue::Tree(_), Some(given)) => {
                let file = self.findings.add_file("--var", given.clone());
                match tree::parse(file, self.findings) {
                    Some(node) => body::json(&node, names, self.findings).of_json(),
                    None => Template::literal(""),
                }
            }
        }
    }
}

/// Why a throughput is out of reach.
fn offered(plan: &Plan, rate_per_s: f64) -> String {
    let rate = format_rate(rate_per_s);
    match plan.load.model {
        Model::Open { .. } => format!("the load can reach at most {rate}"),
        Model::Closed if plan.load.throttle == Some(rate_per_s) => {
            format!("the throttle allows at most {rate}")
        }
        Model::Closed => {
            format!(
                "{} users with this think time can reach at most {rate}",
                plan.load.peak()
            )
        }
    }
}

/// A seed that is short enough to be typed again.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

mod slos;
#[cfg(test)]
mod tests;
