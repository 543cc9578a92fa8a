//! The scenario and its load, shared by the commands that run them.
//!
//! Here: how arguments become plans. Not here: the options of the load (`load`), or what a
//! scenario means (`scenario`).

use std::sync::Arc;

use clap::Args;

use super::load::LoadArgs;
use crate::error::Error;
use crate::plan::Plan;
use crate::scenario;

/// The scenario to run, and its load.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    #[command(flatten)]
    load: LoadArgs,
}

impl PlanArgs {
    /// The plan of a run.
    ///
    /// # Errors
    /// Everything that is wrong with the arguments, the scenario or the profile.
    pub fn plan(&self) -> Result<Arc<Plan>, Error> {
        let source = scenario::find(self.scenario.as_deref())?;
        let options = self.load.options()?;
        Ok(Arc::new(scenario::compile(
            &source,
            &self.load.profile,
            &options,
        )?))
    }

    /// The plans of two services under the same load. `a` is `--host`, or the scenario's host, if
    /// it is not given.
    ///
    /// # Errors
    /// As [`PlanArgs::plan`].
    pub fn plans(&self, a: Option<&str>, b: &str) -> Result<[Arc<Plan>; 2], Error> {
        let source = scenario::find(self.scenario.as_deref())?;
        let profile = &self.load.profile;
        let mut options = self.load.options()?;
        options.host = a.map(str::to_owned).or(options.host);
        let a = scenario::compile(&source, profile, &options)?;
        // Both get the same requests in the same order.
        options.seed = Some(a.seed);
        options.host = Some(b.to_owned());
        let b = scenario::compile(&source, profile, &options)?;
        Ok([a, b].map(Arc::new))
    }
}
