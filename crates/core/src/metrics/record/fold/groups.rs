//! The samples of one second, in groups that become cells.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::metrics::record::cell::OTHER;
use crate::metrics::record::recorder::MAX_COMPONENTS;
use crate::metrics::{
    Cell, CommitCell, ComponentCounts, ComponentSample, ConnectionSample, FailureCause,
    FailureCount, FailureTexts, MeasureCounts, OriginSample, Outcome, Responder, Sample,
    SparseHistogram,
};
use crate::plan::{CheckName, MeasureUnit};

/// Samples of one endpoint and second of intended start, by histogram.
#[derive(Default)]
pub(super) struct CellSamples {
    pub(super) cell: Cell,
    /// Few, so that looking through them beats a map.
    statuses: Vec<(u16, u64)>,
    response: Vec<u64>,
    censored: Vec<u64>,
    failed: Vec<u64>,
    service: Vec<u64>,
    scheduling_delay: Vec<u64>,
    ttfb: Vec<u64>,
    download: Vec<u64>,
    dns: Vec<u64>,
    connect: Vec<u64>,
    tls: Vec<u64>,
    /// Few, too.
    components: Vec<(Arc<str>, ComponentSamples)>,
    instances: BTreeMap<String, Vec<u64>>,
    pub(super) measures: BTreeMap<Arc<str>, (MeasureUnit, Vec<u64>)>,
    pub(super) failures: BTreeMap<FailureCause, FailureSamples>,
}

/// What a component took, and what else the service said of it.
#[derive(Default)]
struct ComponentSamples {
    times_us: Vec<u64>,
    /// Without the times.
    counts: ComponentCounts,
}

/// Samples that failed in the same way.
#[derive(Default)]
pub(super) struct FailureSamples {
    pub(super) count: u64,
    pub(super) texts: Option<FailureTexts>,
}

impl CellSamples {
    pub(super) fn add(&mut self, sample: &Sample) {
        if sample.outcome == Outcome::Ok {
            self.response.push(sample.response_us);
            self.service.push(sample.service_us);
            self.ttfb.extend(sample.ttfb_us);
            self.download.extend(sample.download_us);
        } else {
            *self.cell.outcomes.entry(sample.outcome).or_default() += 1;
            self.failures.entry(sample.cause()).or_default().count += 1;
            if !sample.outcome.is_started() {
                return;
            }
            if sample.outcome.is_censored() {
                self.censored.push(sample.response_us);
            } else {
                self.failed.push(sample.response_us);
            }
        }
        let status = sample.status.map_or(0, NonZeroU16::get);
        match self.statuses.iter_mut().find(|(of, _)| *of == status) {
            Some((_, count)) => *count += 1,
            None => self.statuses.push((status, 1)),
        }
        self.scheduling_delay.push(sample.scheduling_delay_us());
        self.cell.bytes_in += sample.bytes_in;
        self.cell.bytes_out += sample.bytes_out;
        self.cell.connections += u64::from(sample.connections);
        self.cell.reused += u64::from(sample.reused);
        self.cell.redirects += u64::from(sample.redirects);
        let is_failure = u64::from(sample.outcome.is_failure());
        match (sample.connections, sample.reused) {
            (0, 0) => {}
            (0, _) => {
                self.cell.kept += 1;
                self.cell.kept_failures += is_failure;
            }
            _ => {
                self.cell.opening += 1;
                self.cell.opening_failures += is_failure;
            }
        }
    }

    /// Counts a component under its name, or with all others that are not kept apart.
    pub(super) fn add_component(&mut self, sample: &ComponentSample, is_kept: bool) {
        let place = match is_kept {
            true => position_of(&sample.name, self.components.iter().map(|(name, _)| name)),
            false => self
                .components
                .iter()
                .position(|(name, _)| &**name == OTHER),
        };
        let place = place.unwrap_or_else(|| {
            let name = match is_kept {
                true => sample.name.clone(),
                false => OTHER.into(),
            };
            self.components.push((name, ComponentSamples::default()));
            self.components.len() - 1
        });
        let component = &mut self.components[place].1;
        let counts = &mut component.counts;
        counts.hits += u64::from(sample.hit == Some(true));
        counts.misses += u64::from(sample.hit == Some(false));
        if let Some(uses) = sample.count {
            counts.add_uses(uses, sample.bytes_in);
        }
        component.times_us.extend(sample.duration_us);
    }

    pub(super) fn add_origin(&mut self, sample: &OriginSample) {
        let name = match &sample.origin {
            Responder::Address(address) => {
                let address = address.to_string();
                return self.cell.add_failed_remote(&address, 1);
            }
            Responder::Instance(name) => name,
        };
        self.cell.add_instance(name, |counts| {
            counts.responses += 1;
            counts.failures += u64::from(sample.is_failed);
        });
        if sample.is_failed {
            return;
        }
        match self.instances.get_mut(name) {
            Some(times) => times.push(sample.response_us),
            None => {
                let times = vec![sample.response_us];
                self.instances.insert(name.clone(), times);
            }
        }
    }

    pub(super) fn add_connection(&mut self, sample: &ConnectionSample) {
        self.dns.extend(sample.dns_us);
        self.connect.extend(sample.connect_us);
        self.tls.extend(sample.tls_us);
        self.cell.tls_handshakes += u64::from(sample.tls_handshakes);
        self.cell.tls_resumed += u64::from(sample.tls_resumed);
        if let Some(remote) = sample.remote {
            self.cell.add_remote(&remote.to_string(), 1);
        }
        if let Some(version) = sample.version {
            *self.cell.versions.entry(version).or_default() += 1;
        }
    }

    /// The cell of an endpoint with these checks.
    fn into_cell(mut self, checks: &[CheckName]) -> Cell {
        let mut cell = self.cell;
        if !self.response.is_empty() {
            // Not counted one by one, since most requests have this outcome.
            cell.outcomes
                .insert(Outcome::Ok, self.response.len() as u64);
        }
        let statuses = self.statuses.into_iter();
        cell.statuses = statuses.filter(|(status, _)| *status > 0).collect();
        cell.response = SparseHistogram::of(&mut self.response);
        cell.censored = SparseHistogram::of(&mut self.censored);
        cell.failed = SparseHistogram::of(&mut self.failed);
        cell.service = SparseHistogram::of(&mut self.service);
        cell.scheduling_delay = SparseHistogram::of(&mut self.scheduling_delay);
        cell.ttfb = SparseHistogram::of(&mut self.ttfb);
        cell.download = SparseHistogram::of(&mut self.download);
        cell.dns = SparseHistogram::of(&mut self.dns);
        cell.connect = SparseHistogram::of(&mut self.connect);
        cell.tls = SparseHistogram::of(&mut self.tls);
        for (cause, samples) in self.failures {
            let failures = failure_count(cause, samples, checks);
            cell.failure_counts.add(failures);
        }
        for (name, mut samples) in self.components {
            let time = SparseHistogram::of(&mut samples.times_us);
            let counts = ComponentCounts {
                time,
                ..samples.counts
            };
            cell.components.insert(name.as_ref().to_owned(), counts);
        }
        for (name, mut times) in self.instances {
            let times = SparseHistogram::of(&mut times);
            cell.add_instance(&name, |counts| counts.time.merge(&times));
        }
        for (name, (unit, mut values)) in self.measures {
            let values = SparseHistogram::of(&mut values);
            cell.measures
                .insert(name.to_string(), MeasureCounts { unit, values });
        }
        cell
    }
}

/// The names of the components that are counted under them, of which there are only so many.
#[derive(Debug, Default)]
pub(super) struct KeptNames(Vec<Arc<str>>);

impl KeptNames {
    /// Whether a component is counted under its own name.
    pub(super) fn keep(&mut self, name: &Arc<str>) -> bool {
        let is_known = position_of(name, self.0.iter()).is_some();
        let is_kept = is_known || self.0.len() < MAX_COMPONENTS;
        if is_kept && !is_known {
            self.0.push(name.clone());
        }
        is_kept
    }
}

/// Where a name is among others. Most are the very same text in memory, which takes no look at it.
fn position_of<'a>(
    name: &Arc<str>,
    mut names: impl Iterator<Item = &'a Arc<str>>,
) -> Option<usize> {
    names.position(|one| Arc::ptr_eq(one, name) || one == name)
}

/// The failures of an endpoint with these checks that have this cause.
fn failure_count(
    cause: FailureCause,
    samples: FailureSamples,
    checks: &[CheckName],
) -> FailureCount {
    let name = cause.check.and_then(|check| checks.get(usize::from(check)));
    let (key, check) = match name {
        Some(CheckName::Key(key)) => (Some(key.clone()), None),
        Some(CheckName::Subject(check)) => (None, Some(check.clone())),
        None => (None, None),
    };
    let (example, excerpt) = match samples.texts {
        Some(texts) => (Some(texts.text), texts.excerpt),
        None => (None, None),
    };
    FailureCount {
        outcome: cause.outcome,
        status: cause.status.map(NonZeroU16::get),
        key,
        check,
        count: samples.count,
        example,
        excerpt,
    }
}

/// What is being folded.
#[derive(Default)]
pub(super) struct Groups {
    /// Phase and second of intended start, and the endpoints by their positions.
    places: Vec<(PhaseSecond, Vec<Option<Box<CellSamples>>>)>,
    /// The position of each in `places`.
    known: BTreeMap<PhaseSecond, usize>,
    /// The one used last, which is usually the next one too.
    last: usize,
}

/// Phase, and second within it.
pub(super) type PhaseSecond = (usize, u64);

impl Groups {
    pub(super) fn at(&mut self, place: PhaseSecond, endpoint: u16) -> &mut CellSamples {
        if self
            .places
            .get(self.last)
            .is_none_or(|(last, _)| *last != place)
        {
            self.last = *self.known.entry(place).or_insert(self.places.len());
            if self.last == self.places.len() {
                self.places.push((place, Vec::new()));
            }
        }
        let endpoints = &mut self.places[self.last].1;
        let endpoint = usize::from(endpoint);
        if endpoint >= endpoints.len() {
            endpoints.resize_with(endpoint + 1, || None);
        }
        endpoints[endpoint].get_or_insert_default()
    }

    /// The samples of an endpoint.
    pub(super) fn of(&mut self, endpoint: u16) -> impl Iterator<Item = &mut CellSamples> {
        let places = self.places.iter_mut();
        places.filter_map(move |(_, endpoints)| {
            let values = endpoints.get_mut(usize::from(endpoint))?;
            values.as_deref_mut()
        })
    }

    /// The cells of endpoints and flows, whose checks are asked for by position.
    pub(super) fn into_cells<'a>(
        mut self,
        checks: impl Fn(usize) -> &'a [CheckName],
    ) -> Vec<CommitCell> {
        self.places.sort_by_key(|(place, _)| *place);
        let mut cells = Vec::new();
        for ((phase, second), endpoints) in self.places {
            for (endpoint, values) in endpoints.into_iter().enumerate() {
                cells.extend(values.map(|values| CommitCell {
                    phase,
                    second,
                    endpoint,
                    cell: values.into_cell(checks(endpoint)),
                }));
            }
        }
        cells
    }
}
