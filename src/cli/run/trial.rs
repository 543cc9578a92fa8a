//! `perfctl try`: each request of a scenario once, with all that is sent and received.
//!
//! Here: arguments, and the way to the service. Not here: in which order things are tried (`engine`),
//! or how they are shown (`show::trial`).

use std::io::Write;
use std::sync::Arc;

use clap::Args;

use super::execute::reach;
use crate::cli::args::sending::SendingArgs;
use crate::cli::show::trial::TrialPrinter;
use crate::engine::HttpEngine;
use crate::error::{Error, Exit, did_you_mean};
use crate::plan::{Plan, ThinkTime};
use crate::scenario;

/// Send each request of a scenario once, and show requests, responses and checks
///
/// One user of each class runs its `on_start`, each task once and in order, and its `on_stop`,
/// without think times. What is sent is what a run sends. The exit code is 1 if anything failed.
#[derive(Debug, Args)]
pub struct TrialArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    /// Try only this endpoint or flow, and what comes before it
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,

    /// Load profile that the scenario is checked with; its load is not used
    #[arg(
        short,
        long,
        env = "PERFCTL_PROFILE",
        value_name = "NAME|FILE",
        default_value = "smoke"
    )]
    profile: String,

    #[command(flatten)]
    sending: SendingArgs,
}

/// Tries a scenario.
///
/// # Errors
/// What kept it from being tried. A request that failed is not an error; it becomes the exit code.
pub fn run(args: &TrialArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let plan = Arc::new(args.plan()?);
    let (_demo, base) = reach(&plan, &[])?;
    let around = plan.around_load().map(Arc::new);
    let mut printer = TrialPrinter::new(&plan, around.as_deref(), &base, out);
    let engine = HttpEngine::new(&plan, &base, true);
    try_out(&plan, around.as_ref(), &engine, &mut printer)?;
    match printer.finish(args.endpoint.as_deref())? {
        true => Ok(Exit::Pass),
        false => Ok(Exit::Failed),
    }
}

impl TrialArgs {
    fn plan(&self) -> Result<Plan, Error> {
        let source = scenario::find(self.scenario.as_deref())?;
        let mut options = self.sending.options()?;
        options.think_time = Some(ThinkTime::None);
        let plan = scenario::compile(&source, &self.profile, &options)?;
        let Some(name) = &self.endpoint else {
            return Ok(plan);
        };
        plan.select(name).map_err(|names| {
            let close = did_you_mean(name, names.iter().copied());
            let close = close.map_or_else(String::new, |name| format!(": did you mean `{name}`?"));
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            Error::usage_help(
                format!("no endpoint or flow is called `{name}`{close}"),
                format!("there are {}", names.join(", ")),
            )
        })
    }
}

/// Tries a plan, after its set-up and before its tear-down; not at all if the set-up fails.
fn try_out(
    plan: &Arc<Plan>,
    around: Option<&Arc<Plan>>,
    engine: &HttpEngine,
    printer: &mut TrialPrinter<'_>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let mut print = |event| printer.print(&event);
    runtime.block_on(async {
        let Some(around) = around else {
            return engine.try_out(plan, &mut print).await;
        };
        let mut user = engine.lifecycle_user(around)?;
        let given = plan.given_by_setup();
        // What failed was printed.
        let Ok(given) = user.set_up(given, &mut print).await else {
            return Ok(());
        };
        let plan = Arc::new(plan.after_setup(given));
        engine.try_out(&plan, &mut print).await?;
        let _ = user.tear_down(&mut print).await;
        Ok(())
    })
}
