//! Where the virtual users of one worker record what happened, until the worker hands it over once
//! a second. Belongs to one thread; nothing in it is shared or locked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use crate::metrics::trace::TraceChoice;
use crate::metrics::{
    ComponentSample, ConnectionSample, Example, ExchangeText, FailureCause, FailureSample,
    FailureTexts, MeasureSample, NewSubject, OriginSample, RecordedFailure, Sample, Tick,
    TracedRequest,
};
use crate::plan::TraceId;

/// How many component names are kept apart. The names come from the service, which must not be able to fill the
/// memory with them.
pub(super) const MAX_COMPONENTS: usize = 100;

/// The records of one worker.
#[derive(Debug, Default)]
pub struct Recorder {
    tick: RefCell<Tick>,
    /// Of how many failures the texts were recorded, up to those that are kept.
    shown: RefCell<HashMap<(u16, FailureCause), usize>>,
    /// Which traced requests it hands over.
    traced: RefCell<TraceChoice>,
    /// The names of components that it has handed over.
    component_names: RefCell<Vec<Arc<str>>>,
    /// What the exchanges that were handed over so far take, about; bytes.
    exchanged: Cell<usize>,
}

impl Recorder {
    /// A request starts. Called once for each, before its sample.
    pub fn started(&self) {
        let counts = &mut self.tick.borrow_mut().totals;
        counts.planned += 1;
        counts.started += 1;
    }

    /// An arrival is dropped, or a request is left out because data ran out. Called once for each,
    /// before its sample.
    pub fn dropped(&self) {
        self.tick.borrow_mut().totals.planned += 1;
    }

    /// The arrival that is dropped was late because of the load generator. `is_measured` says whether
    /// it was due in a measured phase.
    pub fn dropped_late(&self, is_measured: bool) {
        let counts = &mut self.tick.borrow_mut().totals;
        counts.dropped_late += 1;
        counts.dropped_late_measured += u64::from(is_measured);
    }

    /// The `on_start` of a virtual user of the class at this position succeeded.
    pub fn start_succeeded(&self, class: usize) {
        let mut tick = self.tick.borrow_mut();
        tick.starts.entry(class).or_default().ended += 1;
    }

    /// It failed, for this reason. `is_measured` says whether an arrival that was due in a measured phase is dropped for
    /// that.
    pub fn start_failed(&self, class: usize, is_measured: bool, why: impl FnOnce() -> String) {
        let mut tick = self.tick.borrow_mut();
        let starts = tick.starts.entry(class).or_default();
        starts.ended += 1;
        starts.failed += 1;
        starts.failed_measured += u64::from(is_measured);
        starts.why.get_or_insert_with(why);
    }

    /// A request waited this long for its turn, because of the throttle.
    pub fn throttled(&self, waited_us: u64) {
        let counts = &mut self.tick.borrow_mut().totals;
        counts.throttled += 1;
        counts.throttled_us += waited_us;
    }

    /// A step of the scenario ended a virtual user.
    pub fn user_stopped(&self) {
        self.tick.borrow_mut().totals.stopped_users += 1;
    }

    /// perfctl itself panicked with this message, while it did the work of a virtual user.
    pub fn panicked(&self, text: String) {
        let mut tick = self.tick.borrow_mut();
        tick.totals.panics += 1;
        tick.panic.get_or_insert(text);
    }

    /// A planned request or a flow ended. `texts` say why it failed; only the first ones of each
    /// endpoint and cause are kept.
    pub fn record(&self, sample: Sample, texts: Option<FailureTexts>) {
        let mut tick = self.tick.borrow_mut();
        tick.samples.push(sample);
        let Some(texts) = texts else { return };
        let mut shown = self.shown.borrow_mut();
        let seen = shown.entry((sample.endpoint, sample.cause())).or_default();
        if *seen == 0 {
            tick.examples.push(Example {
                endpoint: sample.endpoint,
                cause: sample.cause(),
                texts,
            });
        }
        *seen += 1;
    }

    /// A request failed as `sample` says, which was sent at `started_us` from the start of the load;
    /// called before it is [recorded](Self::record). What was sent and received is asked for if it is
    /// among the first of its kind.
    pub fn record_failure(
        &self,
        sample: &Sample,
        (started_us, trace_id): (u64, Option<TraceId>),
        text: &str,
        exchange: impl FnOnce() -> Option<ExchangeText>,
    ) {
        if !self.wants(sample.endpoint, sample.cause()) {
            return;
        }
        let exchange = match self.exchanged.get() < FailureSample::MAX_BYTES {
            true => match exchange() {
                Some(exchange) => Some(exchange),
                // Nothing was sent.
                None => return,
            },
            false => None,
        };
        let size = exchange.as_ref().map_or(0, ExchangeText::size);
        self.exchanged.set(self.exchanged.get() + size);
        self.tick.borrow_mut().failures.push(RecordedFailure {
            endpoint: sample.endpoint,
            cause: sample.cause(),
            started_us,
            ended_us: sample.intended_us.saturating_add(sample.response_us),
            response_us: sample.response_us,
            text: match exchange {
                Some(_) => text.to_owned(),
                None => String::new(),
            },
            trace_id,
            exchange: exchange.map(Box::new),
        });
    }

    /// A request that was sent at `started_us` from the start of the load, and whose trace was sampled, ended;
    /// called right before it is [recorded](Self::record). `is_measured` says whether it was due in a measured
    /// phase.
    pub fn record_trace(
        &self,
        sample: &Sample,
        started_us: u64,
        trace_id: TraceId,
        is_measured: impl FnOnce() -> bool,
    ) {
        let mut tick = self.tick.borrow_mut();
        let position = tick.samples.len();
        tick.trace_ids.push((position, trace_id));
        let mut traced = self.traced.borrow_mut();
        let request = TracedRequest::new(sample, started_us, trace_id);
        let is_failure = sample.outcome.is_failure();
        if is_failure && traced.is_new((request.endpoint, request.outcome, request.status)) {
            tick.traces.failed.push(request);
        }
        if is_measured() && traced.is_slow(request.endpoint, request.response_us) {
            tick.traces.slowest.push(request);
        }
    }

    /// Whether the text of such a failure would be kept.
    pub fn wants(&self, endpoint: u16, cause: FailureCause) -> bool {
        let shown = self.shown.borrow();
        let seen = shown.get(&(endpoint, cause));
        seen.is_none_or(|seen| *seen < FailureSample::MAX_OF_A_KIND)
    }

    /// A request opened connections.
    pub fn record_connection(&self, sample: ConnectionSample) {
        self.tick.borrow_mut().connections.push(sample);
    }

    /// The name of a component for its sample, which shares it with those before.
    pub fn component_name(&self, name: &str) -> Arc<str> {
        let mut names = self.component_names.borrow_mut();
        if let Some(known) = names.iter().find(|known| ***known == *name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        if names.len() < MAX_COMPONENTS {
            names.push(new.clone());
        }
        new
    }

    /// The service reported the time of a component.
    pub fn record_component(&self, sample: ComponentSample) {
        self.tick.borrow_mut().components.push(sample);
    }

    /// A response came from a known instance of the service, or a failed one from a known address.
    pub fn record_origin(&self, sample: OriginSample) {
        self.tick.borrow_mut().origins.push(sample);
    }

    /// A number was measured.
    pub fn record_measure(&self, sample: MeasureSample) {
        self.tick.borrow_mut().measures.push(sample);
    }

    /// Samples have this position from now on.
    pub fn new_subject(&self, subject: NewSubject) {
        self.tick.borrow_mut().subjects.push(subject);
    }

    /// A virtual user started (1) or ended (-1), or a request of the open model did.
    pub fn users_changed(&self, by: i32) {
        let mut tick = self.tick.borrow_mut();
        tick.users = tick.users.saturating_add_signed(by);
    }

    /// Hands over what was recorded since the last call; the totals continue.
    pub fn take(&self) -> Tick {
        let mut tick = self.tick.borrow_mut();
        let next = Tick {
            // As much as the last second needed, so that the vector rarely grows.
            samples: Vec::with_capacity(tick.samples.len()),
            users: tick.users,
            totals: tick.totals,
            ..Tick::default()
        };
        std::mem::replace(&mut *tick, next)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::metrics::Outcome;

    #[test]
    fn one_example_of_each_endpoint_and_cause_is_kept_and_three_exchanges() {
        let recorder = Recorder::default();
        let sample = |endpoint, outcome, status| Sample {
            status: NonZeroU16::new(status),
            ..Sample::new(endpoint, outcome, 0)
        };
        let (gone, invalid) = (
            sample(0, Outcome::Http4xx, 404),
            sample(0, Outcome::Http4xx, 422),
        );
        for sample in [gone, gone, gone, gone, invalid] {
            recorder.started();
            recorder.record_failure(&sample, (7, None), "why", || Some(ExchangeText::default()));
            let is_wanted = recorder.wants(0, sample.cause());
            let texts = is_wanted.then(|| "why".to_owned().into());
            recorder.record(sample, texts);
        }
        assert!(!recorder.wants(0, gone.cause()));
        assert!(recorder.wants(0, invalid.cause()));
        recorder.users_changed(2);
        recorder.users_changed(-1);
        assert!(recorder.wants(1, gone.cause()));
        assert!(recorder.wants(0, sample(0, Outcome::Http4xx, 400).cause()));
        let tick = recorder.take();
        assert_eq!((tick.samples.len(), tick.examples.len()), (5, 2));
        assert_eq!(tick.failures.len(), 4);
        assert_eq!((tick.totals.planned, tick.totals.started), (5, 5));
        let next = recorder.take();
        assert!(next.samples.is_empty());
        assert_eq!(next.totals.planned, 5, "the counts run on");
        assert_eq!((tick.users, next.users), (1, 1), "and so do the users");
    }

    #[test]
    fn a_worker_hands_over_no_more_than_a_run_keeps() {
        let recorder = Recorder::default();
        let asked = Cell::new(0);
        for endpoint in 0..2_000 {
            let sample = Sample::new(endpoint, Outcome::Reset, 0);
            recorder.record_failure(&sample, (0, None), "why", || {
                asked.set(asked.get() + 1);
                let mut exchange = ExchangeText::default();
                exchange.request.line = "x".repeat(2_000);
                Some(exchange)
            });
            recorder.record(sample, Some("why".to_owned().into()));
        }
        let failures = recorder.take().failures;
        let kept = failures.iter().filter(|one| one.exchange.is_some()).count();
        assert_eq!((failures.len(), kept), (2_000, asked.get()));
        assert!(kept * 2_000 < FailureSample::MAX_BYTES + 2_000, "{kept}");
    }
}
