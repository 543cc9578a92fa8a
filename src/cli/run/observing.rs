//! Observing the service while the load goes on, on the thread that also folds and stores samples.
//!
//! Here: how often, and when it ends. Not here: what is observed (`observation`).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until};

use crate::metrics::{Observation, ObservedInfo};
use crate::observation::{Observer, Sighting};
use crate::plan::{Observe, Plan};

/// A run whose service is observed.
pub(super) struct RunObservation {
    sightings: UnboundedReceiver<Sighting>,
    /// What observes, and what ends it.
    task: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    started: Instant,
    /// When the load began, as soon as that is known.
    epoch: Option<Instant>,
    before_ms: Option<u64>,
    infos: Vec<ObservedInfo>,
}

impl RunObservation {
    /// Begins now.
    pub(super) fn new(observer: Observer, plan: &Plan) -> Self {
        let observe = plan.observe.as_deref();
        let every = observe.map_or(Observe::DEFAULT_EVERY, |observe| observe.every);
        let (sender, sightings) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        Self {
            task: Some((
                stop,
                spawn_local(observe_every(every, observer, sender, stopped)),
            )),
            sightings,
            started: Instant::now(),
            epoch: None,
            before_ms: None,
            infos: ObservedInfo::all(observe),
        }
    }

    /// What is new at the end of this second of the load, from 1; and sentences about what cannot be observed.
    pub(super) fn take(&mut self, second: u64) -> (Vec<Observation>, Vec<String>) {
        let epoch = Instant::now().checked_sub(Duration::from_secs(second));
        let epoch = epoch.unwrap_or(self.started).max(self.started);
        self.epoch.get_or_insert(epoch);
        self.take_all()
    }

    /// Observes once more, and ends.
    pub(super) async fn finish(mut self) -> (Vec<Observation>, Vec<String>) {
        if let Some((stop, task)) = self.task.take() {
            // Nobody receives it if the task has ended by a panic, which was printed. The numbers of the load are
            // there all the same.
            let _ = stop.send(());
            drop(task.await);
        }
        self.take_all()
    }

    fn take_all(&mut self) -> (Vec<Observation>, Vec<String>) {
        let epoch = self.epoch.unwrap_or(self.started);
        let (mut observations, mut notes) = (Vec::new(), Vec::new());
        while let Ok(sighting) = self.sightings.try_recv() {
            let at = sighting.at.saturating_duration_since(epoch);
            let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
            let length_ms = at_ms - self.before_ms.replace(at_ms).unwrap_or(at_ms);
            let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (position, why) in &sighting.failures {
                let name = self
                    .infos
                    .get(*position)
                    .map_or("", |info| info.name.as_str());
                reasons.entry(why).or_default().push(format!("`{name}`"));
            }
            notes.extend(reasons.into_iter().map(|(why, names)| {
                format!(
                    "not observed: {}: {why}; the load continues",
                    names.join(", ")
                )
            }));
            observations.push(Observation {
                at_ms,
                length_ms,
                values: sighting.values,
                failures: sighting.failures,
            });
        }
        (observations, notes)
    }
}

/// Observes at once, then every so often, and once more at the end.
async fn observe_every(
    every: Duration,
    mut observer: Observer,
    sightings: UnboundedSender<Sighting>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut due = Instant::now();
    loop {
        let sighting = observer.observe(false).await;
        let at = sighting.at;
        // The receiver is there as long as the run is.
        let _ = sightings.send(sighting);
        while due <= Instant::now() {
            due += every;
        }
        tokio::select! {
            biased;
            _ = &mut stopped => {
                // Over a moment, a rate says nothing.
                if at.elapsed() >= every / 2 {
                    let _ = sightings.send(observer.observe(true).await);
                }
                return;
            }
            () = sleep_until(due) => {}
        }
    }
}
