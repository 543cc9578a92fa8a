//! From what is asked for to the command line of a run, or to everything that is wrong with it.
//!
//! Here: scenarios by name, the options that may be given, and the limits of the operator. Not here: starting it
//! (`supervisor`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::access::target;
use super::answer::Problem;
use super::options::{Limits, ServeOptions};
use crate::error::did_you_mean;
use crate::plan::{Model, Plan};
use crate::scenario::{self, Options, Source};
use crate::units::{format_duration, parse_duration, parse_rate};

/// What a run is to be. Whatever is left out, the scenario and the profile say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    /// The name of a file in the folder of the scenarios, without its ending.
    pub scenario: String,
    /// The name of a profile; `smoke` without one.
    #[serde(default)]
    profile: Option<String>,
    /// The environment of the scenario.
    #[serde(default)]
    environment: Option<String>,
    /// The base URL of the service, or `demo`.
    #[serde(default)]
    host: Option<String>,
    /// Virtual users at the highest level.
    #[serde(default)]
    users: Option<u32>,
    /// Users started per second.
    #[serde(default)]
    spawn_rate: Option<f64>,
    /// Arrivals per second.
    #[serde(default)]
    rate: Option<f64>,
    /// How long the load is held, such as `5m`.
    #[serde(default)]
    run_time: Option<String>,
    /// Ends the run after so many iterations.
    #[serde(default)]
    iterations: Option<u64>,
    /// Only endpoints with one of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// No endpoints with one of these tags.
    #[serde(default)]
    exclude_tags: Vec<String>,
    /// The build of the service.
    #[serde(default)]
    build: Option<String>,
    /// Whether it waits while another run goes on.
    #[serde(default)]
    pub queue: bool,
}

/// A run that can be started.
#[derive(Debug)]
pub(super) struct PreparedRun {
    pub plan: Plan,
    /// The command line, behind the name of the program.
    pub arguments: Vec<String>,
    /// When it is ended at the latest, from its start.
    pub longest: Option<Duration>,
}

impl StartRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body cannot be read: {error}")))?;
        let single = [
            Some(&request.scenario),
            request.profile.as_ref(),
            request.environment.as_ref(),
            request.host.as_ref(),
            request.run_time.as_ref(),
            request.build.as_ref(),
        ];
        let lists = request.tags.iter().chain(&request.exclude_tags);
        let mut texts = single.into_iter().flatten().chain(lists);
        let is_harmful = texts.any(|text| text.chars().any(char::is_control));
        drop(texts);
        match is_harmful {
            true => Err(bad("a text contains a control character".to_owned())),
            false => Ok(request),
        }
    }

    /// Whether a run of this is also one of `later`, which may have other users. If `may_leave_out`, it need not say
    /// again what this one says of profile, host and time; otherwise, what it leaves out is left out here, too.
    pub fn goes_on_as(&self, later: &Self, may_leave_out: bool) -> bool {
        let rest = |one: &Self| Self {
            profile: None,
            host: None,
            users: None,
            spawn_rate: None,
            run_time: None,
            queue: false,
            ..one.clone()
        };
        let left_out = |is_some: bool| may_leave_out && !is_some;
        let time = |one: &Self| one.run_time.as_deref().map(parse_duration);
        rest(self) == rest(later)
            && (left_out(later.profile.is_some()) || self.profile() == later.profile())
            && (left_out(later.host.is_some()) || self.host == later.host)
            && (left_out(later.run_time.is_some()) || time(self) == time(later))
    }

    /// The profile's name.
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("smoke")
    }

    /// The file of the scenario, and the plan of the run, whatever the limits of the server. Reads files, and resolves no
    /// names.
    pub fn compile(&self, server: &ServeOptions) -> Result<(PathBuf, Plan), Problem> {
        let path = find(&self.scenario, &server.scenarios)?;
        if self.profile().contains(['/', '\\', '.']) {
            let problem = Problem::unprocessable("a profile is chosen by its name, not by a path");
            return Err(problem.help("`GET .../scenarios` lists the profiles"));
        }
        if let Some(host) = &self.host {
            target::check_named(host, &server.allowed_targets)?;
        }
        let options = self.options(server)?;
        let plan = scenario::compile(&Source::File(path.clone()), self.profile(), &options)?;
        Ok((path, plan))
    }

    /// Checks everything. Reads files and resolves names.
    pub fn prepare(&self, server: &ServeOptions) -> Result<PreparedRun, Problem> {
        let (path, plan) = self.compile(server)?;
        target::check_addresses(&plan)?;
        let throttle = check_limits(&plan, &server.limits)?;
        let has_end = plan.load.iterations.is_none();
        Ok(PreparedRun {
            arguments: self.arguments(&path, throttle),
            longest: server.limits.max_duration.filter(|_| !has_end),
            plan,
        })
    }

    fn options(&self, server: &ServeOptions) -> Result<Options, Problem> {
        let unprocessable =
            |key: &str, why: String| Problem::unprocessable(format!("`{key}`: {why}"));
        for (key, rate) in [("spawn_rate", self.spawn_rate), ("rate", self.rate)] {
            if let Some(rate) = rate {
                parse_rate(&rate.to_string()).map_err(|why| unprocessable(key, why))?;
            }
        }
        // Words that the command line would take for something else.
        let is_tag = |tag: &String| {
            let is_file = tag.ends_with(".yaml") || tag.ends_with(".yml");
            !tag.is_empty() && !is_file && !tag.contains([',', '/', ' '])
        };
        if let Some(tag) = self
            .tags
            .iter()
            .chain(&self.exclude_tags)
            .find(|tag| !is_tag(tag))
        {
            return Err(unprocessable("tags", format!("`{tag}` is not a tag")));
        }
        let run_time = self.run_time.as_deref().map(parse_duration).transpose();
        Ok(Options {
            environment: self.environment.clone(),
            host: self.host.clone(),
            users: self.users,
            spawn_rate: self.spawn_rate,
            rate: self.rate,
            run_time: run_time.map_err(|why| unprocessable("run_time", why))?,
            iterations: self.iterations,
            tags: self.tags.clone(),
            exclude_tags: self.exclude_tags.clone(),
            visible_env: Some(server.visible_env()),
            ..Options::default()
        })
    }

    /// Each value in one word with its option, so that none can be taken for another option.
    fn arguments(&self, path: &Path, throttle: Option<f64>) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), path.display().to_string()];
        let text = |number: Option<f64>| number.map(|number| number.to_string());
        for (option, value) in [
            ("profile", Some(self.profile().to_owned())),
            ("environment", self.environment.clone()),
            ("host", self.host.clone()),
            ("users", self.users.map(|users| users.to_string())),
            ("spawn-rate", text(self.spawn_rate)),
            ("rate", text(self.rate)),
            ("throttle", text(throttle)),
            ("run-time", self.run_time.clone()),
            ("iterations", self.iterations.map(|count| count.to_string())),
            (
                "build",
                self.build.clone().filter(|build| !build.is_empty()),
            ),
        ] {
            arguments.extend(value.map(|value| format!("--{option}={value}")));
        }
        let tags = [("tags", &self.tags), ("exclude-tags", &self.exclude_tags)];
        for (option, tags) in tags {
            arguments.extend(tags.iter().map(|tag| format!("--{option}={tag}")));
        }
        arguments
    }
}

/// The file of a scenario. The name is looked up among those there are, never made a path of.
pub(super) fn find(name: &str, folder: &Path) -> Result<PathBuf, Problem> {
    let known = scenarios(folder);
    let found = known.iter().find(|(one, _)| one == name);
    found.map(|(_, path)| path.clone()).ok_or_else(|| {
        let names = || known.iter().map(|(name, _)| name.as_str());
        let problem = Problem::unprocessable(format!("there is no scenario `{name}`"));
        match did_you_mean(name, names()) {
            Some(close) => problem.help(format!("did you mean `{close}`?")),
            None => problem.help(format!(
                "there are: {}",
                names().collect::<Vec<_>>().join(", ")
            )),
        }
    })
}

/// The scenarios in a folder: names and paths.
pub(super) fn scenarios(folder: &Path) -> Vec<(String, PathBuf)> {
    let files = scenario::yaml_files(folder).into_iter();
    let named = files.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        Some((name, path))
    });
    named.collect()
}

/// Checks a load against the limits. Returns the limit that the run itself has to keep: how many requests users make per
/// second is not known before.
fn check_limits(plan: &Plan, limits: &Limits) -> Result<Option<f64>, Problem> {
    let load = &plan.load;
    let above = |what: &str, asked: String, most: String| {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("the load has {asked}, and this server allows at most {most} {what}"),
        ))
    };
    let is_open = load.model != Model::Closed;
    let users = match load.model {
        Model::Closed => load.peak().ceil(),
        Model::Open { max_users } => f64::from(max_users),
    };
    if let Some(most) = limits.max_users.filter(|most| users > f64::from(*most)) {
        return above("users", format!("{users}"), most.to_string());
    }
    if let Some(most) = limits
        .max_rate
        .filter(|most| is_open && load.peak() > *most)
    {
        let asked = format!("{} arrivals per second", load.peak());
        return above("per second", asked, most.to_string());
    }
    let length = load.total();
    let has_end = load.iterations.is_none();
    if let Some(most) = limits.max_duration.filter(|most| has_end && length > *most) {
        return above("of load", format_duration(length), format_duration(most));
    }
    let throttle = limits.max_rate.filter(|_| !is_open);
    Ok(throttle.filter(|most| load.throttle.is_none_or(|own| own > *most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_as_another_one_only_if_all_but_its_users_is_the_same() {
        let request = |fields: &str| {
            let text = format!(r#"{{"scenario": "s"{fields}}}"#);
            StartRequest::parse(text.as_bytes()).unwrap()
        };
        let goes_on = |now: &str, later: &str| {
            [true, false]
                .map(|may_leave_out| request(now).goes_on_as(&request(later), may_leave_out))
        };
        let (users, long) = (r#", "users": 3, "spawn_rate": 1"#, r#", "profile": "long""#);
        assert_eq!(goes_on("", users), [true, true]);
        assert_eq!(goes_on("", r#", "profile": "smoke""#), [true, true]);
        assert_eq!(goes_on(long, users), [true, false], "it is left out");
        assert_eq!(goes_on(long, long), [true, true]);
        assert_eq!(goes_on("", long), [false, false]);
        let time = |text: &str| format!(r#", "run_time": "{text}""#);
        assert_eq!(goes_on(&time("120s"), &time("2m")), [true, true]);
        assert_eq!(goes_on(&time("120s"), &time("3m")), [false, false]);
        assert_eq!(goes_on(&time("120s"), ""), [true, false]);
        for other in [
            r#", "environment": "staging""#,
            r#", "rate": 5"#,
            r#", "iterations": 5"#,
            r#", "tags": ["a"]"#,
            r#", "exclude_tags": ["a"]"#,
            r#", "build": "b""#,
        ] {
            assert_eq!(goes_on(other, users), [false, false], "{other}");
        }
    }
}
