//! What all virtual users of one worker share.
//!
//! Here: the plan with what is computed from it once, the recorder, and the source of random numbers.
//! Not here: what one user knows (`values`).

pub(crate) mod row_names;
mod trace_ids;

use std::cell::LazyCell;
use std::rc::Rc;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::alias_table::AliasTable;
use super::trial::event::TrialEvent;
use super::values::feeding::Feeding;
use crate::engine::halt::Halt;
use crate::engine::health::Meter;
use crate::engine::schedule::throttle::Throttle;
use crate::metrics::{FLOW_CHECKS, Recorder};
use crate::plan::{Endpoint, Model, Phase, Plan, Step, UserClass, first_request};
use crate::script::Script;
use crate::units::as_ns;
use row_names::RowNames;
use trace_ids::TraceIds;

/// The stream of random numbers of arrival k is k; the streams of users lie in the upper half.
pub(super) const USER_STREAMS: u64 = 1 << 63;
/// The stream of the user that carries out set-up and tear-down.
pub(super) const LIFECYCLE_STREAM: u64 = u64::MAX;

/// Why a user ends the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EarlyEnd {
    /// There is no more data.
    OutOfData,
    /// A step says so.
    Stopped,
}

/// What all virtual users of a worker share.
pub(crate) struct WorkerState {
    pub(crate) plan: Arc<Plan>,
    pub(crate) recorder: Rc<Recorder>,
    /// Measures the worker.
    pub(crate) meter: Meter,
    /// The start of the load; all times count from here.
    pub(crate) epoch: Instant,
    /// The phases of the load.
    phases: Vec<Phase>,
    /// Picks the class of an arrival.
    class_table: AliasTable,
    /// For each user class: picks a task.
    task_tables: Vec<AliasTable>,
    /// For each endpoint: whether anything is filled in for each request.
    is_rendered: Vec<bool>,
    /// For each endpoint, by position: whether its headers and credentials are filled in last.
    is_rendered_in_order: Vec<bool>,
    /// Which data the users take their values from.
    pub(super) feeding: Rc<Feeding>,
    /// The rows that templates have named so far.
    pub(crate) row_names: RowNames,
    /// The ids of traces.
    pub(super) trace_ids: LazyCell<TraceIds>,
    /// Told of what happens in a trial, and with `--debug`; other runs have none.
    pub(crate) observer: Option<UnboundedSender<TrialEvent>>,
    /// Whether this is a trial, which does everything once.
    pub(super) is_trial: bool,
    /// When the turn of a request comes, if the load has a ceiling, and what tells that the load is over.
    pub(crate) throttle: Option<(Throttle, Rc<Halt>)>,
    /// Set by a user who found that the run must end.
    early_end: watch::Sender<Option<EarlyEnd>>,
    /// The texts that steps fail with, by their positions behind the checks of flows.
    failure_texts: Vec<Arc<str>>,
    /// The generator that all others are streams of.
    rng: ChaCha12Rng,
}

impl WorkerState {
    pub(crate) fn new(plan: Arc<Plan>, recorder: Rc<Recorder>, epoch: Instant) -> Self {
        let class_weights: Vec<u32> = plan.classes.iter().map(|class| class.weight).collect();
        let task_table = |class: &UserClass| {
            let weights: Vec<u32> = class.tasks.iter().map(|task| task.weight).collect();
            AliasTable::new(&weights)
        };
        Script::begin_run();
        Self {
            class_table: AliasTable::new(&class_weights),
            task_tables: plan.classes.iter().map(task_table).collect(),
            is_rendered: plan.endpoints.iter().map(is_rendered).collect(),
            is_rendered_in_order: (plan.endpoints.iter())
                .map(|endpoint| endpoint.is_link() || endpoint.signs_request())
                .collect(),
            feeding: Rc::new(Feeding::new(plan.clone())),
            row_names: RowNames::new(plan.endpoints.len() + plan.flows.len(), (0, 1)),
            trace_ids: LazyCell::new(TraceIds::default),
            observer: None,
            is_trial: false,
            throttle: None,
            early_end: watch::Sender::new(None),
            failure_texts: plan.failure_texts(),
            rng: ChaCha12Rng::seed_from_u64(plan.seed),
            phases: plan.phases(),
            plan,
            recorder,
            meter: Meter::new(epoch),
            epoch,
        }
    }

    /// Returns once a user found that the run must end.
    pub(crate) async fn ended_early(&self) {
        // The sender cannot go away: it is a field of this.
        let _ = self.early_end.subscribe().wait_for(Option::is_some).await;
    }

    /// Why the run must end, as a user found first.
    pub(crate) fn early_end(&self) -> Option<EarlyEnd> {
        *self.early_end.borrow()
    }

    /// What a flow counts its failure by the step `fail` with this text as.
    pub(super) fn failure_check(&self, text: &Arc<str>) -> u8 {
        let position = self.failure_texts.iter().position(|known| known == text);
        let check = position.map_or(2, |position| FLOW_CHECKS.len() + position);
        u8::try_from(check).unwrap_or(2)
    }

    /// Tells the observer of a trial, if there is one.
    pub(super) fn tell(&self, event: impl FnOnce() -> TrialEvent) {
        if let Some(observer) = &self.observer {
            // The receiver is there as long as the trial is.
            let _ = observer.send(event());
        }
    }

    /// Whether arrivals decide what is sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.plan.load.model, Model::Open { .. })
    }

    /// Ends the run for this reason, unless it ends for another.
    pub(super) fn end_early(&self, reason: EarlyEnd) {
        self.early_end.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert(reason);
            is_first
        });
    }

    /// Whether what is due then, from the start of the load, belongs to the measured numbers.
    pub(crate) fn is_measured(&self, due_us: u64) -> bool {
        let mut phases = self.phases.iter();
        phases.any(|phase| phase.measured && (phase.start_us..phase.end_us).contains(&due_us))
    }

    /// How long after the epoch this is; ns.
    pub(super) fn ns(&self, at: Instant) -> u64 {
        as_ns(at.saturating_duration_since(self.epoch))
    }

    /// The random numbers of the user that carries out set-up and tear-down, which are those of nobody else.
    pub(super) fn lifecycle_rng(&self) -> ChaCha12Rng {
        self.rng(LIFECYCLE_STREAM)
    }

    /// The random numbers of the user with this number, from 0.
    pub(super) fn user_rng(&self, number: u64) -> ChaCha12Rng {
        self.rng(USER_STREAMS | number)
    }

    fn rng(&self, stream: u64) -> ChaCha12Rng {
        let mut rng = self.rng.clone();
        rng.set_stream(stream);
        rng
    }

    /// The class and the task of arrival `k`, and the random numbers it goes on with. They depend on
    /// the arrival alone, so that a seed gives the same requests whichever user takes it.
    pub(crate) fn arrival(&self, k: u64) -> (usize, usize, ChaCha12Rng) {
        let mut rng = self.rng(k);
        let class = match self.task_tables.len() {
            1 => 0,
            _ => self.class_table.pick(&mut rng),
        };
        let task = self.pick_task(class, &mut rng);
        (class, task, rng)
    }

    /// The random numbers of arrival `k`, for the task it runs.
    pub(super) fn arrival_rng(&self, k: u64) -> ChaCha12Rng {
        self.rng(k)
    }

    /// A task of the class at this position.
    pub(super) fn pick_task(&self, class: usize, rng: &mut ChaCha12Rng) -> usize {
        self.task_tables[class].pick(rng)
    }

    /// Whether anything of this endpoint is filled in for each request.
    pub(super) fn is_rendered(&self, endpoint: usize) -> bool {
        self.is_rendered[endpoint]
    }

    /// Whether headers and credentials of this endpoint are filled in last, because they or its URL depend on
    /// more than variables.
    pub(super) fn is_rendered_in_order(&self, endpoint: usize) -> bool {
        self.is_rendered_in_order[endpoint]
    }

    /// What a dropped arrival counts as: the first request of its task, and the flow that the task
    /// is, if it is one.
    pub(crate) fn first_subjects(&self, class: usize, task: usize) -> impl Iterator<Item = u16> {
        let steps = &self.plan.classes[class].tasks[task].steps;
        let flow = match steps.first() {
            Some(Step::Flow { flow, .. }) => Some(self.flow_subject(*flow)),
            _ => None,
        };
        // The compiler of scenarios allows no more endpoints than fit.
        first_request(steps)
            .map(|endpoint| endpoint as u16)
            .into_iter()
            .chain(flow)
    }

    /// The position of a flow in samples.
    pub(super) fn flow_subject(&self, flow: usize) -> u16 {
        (self.plan.endpoints.len() + flow) as u16
    }
}

fn is_rendered(endpoint: &Endpoint) -> bool {
    let mut templates = endpoint.templates();
    !endpoint.variables.is_empty() || templates.any(|template| template.as_constant().is_none())
}
