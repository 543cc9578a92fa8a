//! The scenario and its load, shared by the commands that run them.
//!
//! Here: how arguments become plans. Not here: the options of the load (`load`), those of a request
//! (`request`), or what a scenario means (`scenario`).

use std::sync::Arc;

use clap::Args;

use super::load::LoadArgs;
use super::request::RequestArgs;
use crate::error::Error;
use crate::plan::Plan;
use crate::scenario::{self, Options, Source};

/// The scenario to run, and its load.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    request: RequestArgs,
}

impl PlanArgs {
    /// Whether Locust's statistics are to be printed as JSON (`--json` without a value).
    pub fn wants_locust_json(&self) -> bool {
        self.request.wants_locust_json()
    }

    /// The plan of a command that prints no report.
    ///
    /// # Errors
    /// As [`PlanArgs::plan_of_run`], and for `--json` without a value.
    pub fn plan(&self) -> Result<Arc<Plan>, Error> {
        self.refuse_locust_json()?;
        self.plan_of_run()
    }

    fn refuse_locust_json(&self) -> Result<(), Error> {
        match self.wants_locust_json() {
            true => Err(Error::usage(
                "`--json` takes the JSON body of a quick look; without a value, it is an option of `perfctl run`",
            )),
            false => Ok(()),
        }
    }

    /// The plan of a run.
    ///
    /// # Errors
    /// Everything that is wrong with the arguments, the scenario or the profile.
    pub fn plan_of_run(&self) -> Result<Arc<Plan>, Error> {
        let source = self.source()?;
        let options = self.options(&source)?;
        let profile = self.load.profile_of(&source);
        Ok(Arc::new(scenario::compile(&source, profile, &options)?))
    }

    /// The plans of two services under the same load. `a` is `--host`, or the host of the scenario
    /// or the URL, if it is not given.
    ///
    /// # Errors
    /// As [`PlanArgs::plan`].
    pub fn plans(&self, a: Option<&str>, b: &str) -> Result<[Arc<Plan>; 2], Error> {
        self.refuse_locust_json()?;
        let source = self.source()?;
        let profile = self.load.profile_of(&source);
        let mut options = self.options(&source)?;
        options.host = a.map(str::to_owned).or(options.host);
        let a = scenario::compile(&source, profile, &options)?;
        // Both get the same requests in the same order.
        options.seed = Some(a.seed);
        options.host = Some(b.to_owned());
        let b = scenario::compile(&source, profile, &options)?;
        Ok([a, b].map(Arc::new))
    }

    /// The scenario, or the request in its place.
    fn source(&self) -> Result<Source, Error> {
        let among_tags = self.load.sending.tags.scenarios();
        let given = match (&self.scenario, among_tags.as_slice()) {
            (Some(given), []) => Some(given.as_str()),
            (None, []) => None,
            (None, [given]) => Some(*given),
            _ => return Err(Error::usage("more than one scenario is given")),
        };
        if self.request.is_curl() {
            if given.is_some() {
                return Err(Error::usage_help(
                    "a curl command cannot be used with a scenario or a URL",
                    "write the URL into the command",
                ));
            }
            self.load
                .sending
                .refuse_headers("write it into the curl command")?;
            return self.request.curl();
        }
        let mut source = match scenario::find(given) {
            Ok(source) => source,
            // `--json` may have taken the scenario for its value.
            Err(error) => return Err(self.request.refuse().err().unwrap_or(error)),
        };
        match &mut source {
            Source::File(_) => self.request.refuse()?,
            Source::Request(request) => {
                request.headers = self.load.sending.headers();
                self.request.complete(request)?;
            }
        }
        Ok(source)
    }

    fn options(&self, source: &Source) -> Result<Options, Error> {
        let mut options = match source {
            Source::File(_) => self.load.options()?,
            Source::Request(_) => self.load.options_of_request()?,
        };
        if let Source::Request(_) = source {
            self.load.sending.refuse_host()?;
            // That of the environment is for scenarios.
            options.host = None;
        }
        if let Some(count) = self.request.requests() {
            options.iterations = Some(count);
            // No more users than requests.
            let default = u32::try_from(count).unwrap_or(u32::MAX).clamp(1, 50);
            if options.rate.is_none() && self.load.profile.is_none() {
                options.users = options.users.or(Some(default));
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::plan::Service;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        plan: PlanArgs,
    }

    fn arguments(words: &str) -> PlanArgs {
        let words = ["perfctl"].into_iter().chain(words.split(' '));
        Arguments::parse_from(words).plan
    }

    #[test]
    fn two_services_get_the_request_of_a_url() {
        let given = arguments("http://a.example/x?y=1 -X POST -t 1s");
        let [a, b] = given.plans(None, "http://b.example:81").unwrap();
        assert_eq!(a.service, Service::Url("http://a.example".into()));
        assert_eq!(b.service, Service::Url("http://b.example:81".into()));
        for plan in [a, b] {
            assert_eq!(plan.endpoints[0].name, "POST /x");
            assert_eq!(plan.endpoints[0].url.source(), "/x?y=1");
        }
    }

    #[test]
    fn requests_are_shared_out_among_no_more_users() {
        for (words, iterations, users) in [
            ("http://h/ -n 3", 3, 3.0),
            ("http://h/ -n 900", 900, 50.0),
            ("http://h/ -n 900 -c 70", 900, 70.0),
            ("-n 900 -- curl h", 900, 50.0),
        ] {
            let load = &arguments(words).plan().unwrap().load;
            assert_eq!(
                (load.iterations, load.peak()),
                (Some(iterations), users),
                "{words}"
            );
        }
        let open = arguments("http://h/ -n 900 --rate 20").plan().unwrap();
        assert_eq!((open.load.iterations, open.load.peak()), (Some(900), 20.0));
    }
}
