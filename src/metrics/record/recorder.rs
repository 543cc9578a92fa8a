//! Where the virtual users of one worker record what happened, until the worker hands it over once
//! a second. Belongs to one thread; nothing in it is shared or locked.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::metrics::{
    ComponentSample, ConnectionSample, Example, FailureCause, FailureTexts, Sample, Tick,
};

/// The records of one worker.
#[derive(Debug, Default)]
pub struct Recorder {
    tick: RefCell<Tick>,
    /// Failures for which an example was recorded.
    shown: RefCell<HashSet<(u16, FailureCause)>>,
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

    /// The `on_start` of a virtual user failed. `is_measured` says whether an arrival that was due in a
    /// measured phase is dropped for that.
    pub fn start_failed(&self, is_measured: bool) {
        let counts = &mut self.tick.borrow_mut().totals;
        counts.failed_starts += 1;
        counts.failed_starts_measured += u64::from(is_measured);
    }

    /// perfctl itself panicked with this message, while it did the work of a virtual user.
    pub fn panicked(&self, text: String) {
        let mut tick = self.tick.borrow_mut();
        tick.totals.panics += 1;
        tick.panic.get_or_insert(text);
    }

    /// A planned request or a flow ended. `texts` say why it failed; only the first of each endpoint
    /// and cause are kept.
    pub fn record(&self, sample: Sample, texts: Option<FailureTexts>) {
        let mut tick = self.tick.borrow_mut();
        tick.samples.push(sample);
        if let Some(texts) = texts
            && self
                .shown
                .borrow_mut()
                .insert((sample.endpoint, sample.cause()))
        {
            tick.examples.push(Example {
                endpoint: sample.endpoint,
                cause: sample.cause(),
                texts,
            });
        }
    }

    /// Whether the text of such a failure would be kept.
    pub fn wants(&self, endpoint: u16, cause: FailureCause) -> bool {
        !self.shown.borrow().contains(&(endpoint, cause))
    }

    /// A request opened connections.
    pub fn record_connection(&self, sample: ConnectionSample) {
        self.tick.borrow_mut().connections.push(sample);
    }

    /// The service reported the time of a component.
    pub fn record_component(&self, sample: ComponentSample) {
        self.tick.borrow_mut().components.push(sample);
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
    fn one_example_of_each_endpoint_and_cause_is_kept() {
        let recorder = Recorder::default();
        let sample = |endpoint, outcome, status| Sample {
            status: NonZeroU16::new(status),
            ..Sample::new(endpoint, outcome, 0)
        };
        let (gone, invalid) = (
            sample(0, Outcome::Http4xx, 404),
            sample(0, Outcome::Http4xx, 422),
        );
        for sample in [gone, gone, invalid] {
            recorder.started();
            recorder.record(sample, Some("why".to_owned().into()));
            assert!(!recorder.wants(0, sample.cause()));
        }
        recorder.users_changed(2);
        recorder.users_changed(-1);
        assert!(recorder.wants(1, gone.cause()));
        assert!(recorder.wants(0, sample(0, Outcome::Http4xx, 400).cause()));
        let tick = recorder.take();
        assert_eq!((tick.samples.len(), tick.examples.len()), (3, 2));
        assert_eq!((tick.totals.planned, tick.totals.started), (3, 3));
        let next = recorder.take();
        assert!(next.samples.is_empty());
        assert_eq!(next.totals.planned, 3, "the counts run on");
        assert_eq!((tick.users, next.users), (1, 1), "and so do the users");
    }
}
