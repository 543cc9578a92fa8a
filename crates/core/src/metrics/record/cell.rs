//! Everything counted of some requests of one endpoint, and how such counts are added up.
//!
//! Not here: numbers derived from it, such as percentiles (`statistics`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{FailureCounts, HttpVersion, Outcome, SparseHistogram};
use crate::plan::MeasureUnit;

/// Everything counted of some requests of one endpoint. Adding cells loses nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Planned requests by how they ended.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Requests by the status of their last response; those without a response are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<u16, u64>,
    /// Response times of successes: intended start to last byte.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub response: SparseHistogram,
    /// Ages of timed-out and interrupted requests: lower bounds of their response times.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub censored: SparseHistogram,
    /// Response times of all other failures.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub failed: SparseHistogram,
    /// Service times of successes: actual send to last byte.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub service: SparseHistogram,
    /// Scheduling delay, how late a request started: actual minus intended start, of all started
    /// requests.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub scheduling_delay: SparseHistogram,
    /// Time to first byte of successes: actual send to the response's head.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub ttfb: SparseHistogram,
    /// The response's head to its last byte, of successes.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub download: SparseHistogram,
    /// Name resolution, of requests that opened a connection and were given a name.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub dns: SparseHistogram,
    /// TCP, of requests that opened a connection.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub connect: SparseHistogram,
    /// TLS handshakes, of requests that opened a TLS connection.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub tls: SparseHistogram,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections: u64,
    /// Requests, redirects included, that went over a connection opened before.
    pub reused: u64,
    /// TLS handshakes done.
    pub tls_handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u64,
    /// By remote address: requests that opened a connection and got a response. At most
    /// [`Cell::MAX_REMOTES`] addresses; further ones are counted as `other`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub remotes: BTreeMap<String, u64>,
    /// By remote address, as in `remotes`: failed requests of any connection that got a response.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_remotes: BTreeMap<String, u64>,
    /// Requests that opened a connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub opening: u64,
    /// Failures among the requests that opened a connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub opening_failures: u64,
    /// Requests that went only over connections opened before. Those that never had a connection are neither these nor
    /// `opening`.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u64,
    /// Failures among the requests that went only over connections opened before.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept_failures: u64,
    /// By instance of the service, as it names itself in `Server-Timing`: what it responded. At most
    /// [`Cell::MAX_INSTANCES`]; further ones are counted as `other`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instances: BTreeMap<String, InstanceCounts>,
    /// By HTTP version: requests that opened a connection and got a response.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<HttpVersion, u64>,
    /// Redirects followed; each is a further request to the service.
    pub redirects: u64,
    /// By name: what the service reported of its components in `Server-Timing`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, ComponentCounts>,
    /// By name: what the scenario measured itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, MeasureCounts>,
    /// The planned requests that did not succeed, by how they ended.
    #[serde(skip_serializing_if = "FailureCounts::is_empty")]
    pub failure_counts: FailureCounts,
}

/// What the service reported of one of its components.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComponentCounts {
    /// The `dur` values.
    pub time: SparseHistogram,
    /// `desc=hit`.
    pub hits: u64,
    /// `desc=miss`.
    pub misses: u64,
    /// How often responses used it (`desc="n=37"`), by the length of the response: the key is how many bits the
    /// number of its bytes takes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<u8, UseCounts>,
}

impl ComponentCounts {
    /// How often a response used it, of those that say so; `None` without any.
    pub fn mean_uses(&self) -> Option<f64> {
        let mut all = UseCounts::default();
        self.uses.values().for_each(|counts| all.merge(counts));
        (all.responses > 0).then(|| all.uses as f64 / all.responses as f64)
    }

    /// Counts the uses of one response with this many bytes.
    pub(super) fn add_uses(&mut self, uses: u64, bytes_in: u64) {
        let length = (u64::BITS - bytes_in.leading_zeros()) as u8;
        let counts = self.uses.entry(length).or_default();
        counts.responses += 1;
        counts.uses += uses;
        counts.bytes += bytes_in;
    }
}

/// How often responses of about one length used a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UseCounts {
    /// Responses that said so.
    pub responses: u64,
    /// The sum of what they said.
    pub uses: u64,
    /// The sum of their lengths; bytes.
    pub bytes: u64,
}

impl UseCounts {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.responses += other.responses;
        self.uses += other.uses;
        self.bytes += other.bytes;
    }
}

/// What one instance of the service responded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceCounts {
    /// Responses, those of failed requests included.
    pub responses: u64,
    /// Failed requests among them.
    pub failures: u64,
    /// Response times of the others.
    pub time: SparseHistogram,
}

impl InstanceCounts {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.responses += other.responses;
        self.failures += other.failures;
        self.time.merge(&other.time);
    }
}

/// The values of one measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeasureCounts {
    /// Their unit.
    pub unit: MeasureUnit,
    /// The values, as the unit keeps them.
    pub values: SparseHistogram,
}

/// The name of all remote addresses beyond the first [`Cell::MAX_REMOTES`].
pub const OTHER: &str = "other";

impl Cell {
    /// How many remote addresses are kept apart.
    pub const MAX_REMOTES: usize = 16;
    /// How many instances of the service are kept apart.
    pub const MAX_INSTANCES: usize = 32;

    /// Counts requests that opened a connection to `remote` and got a response.
    pub(super) fn add_remote(&mut self, remote: &str, count: u64) {
        let add = |known: &mut u64| *known += count;
        with_name(&mut self.remotes, remote, Self::MAX_REMOTES, add);
    }

    /// Counts failed requests with a response from `remote`.
    pub(super) fn add_failed_remote(&mut self, remote: &str, count: u64) {
        let add = |known: &mut u64| *known += count;
        with_name(&mut self.failed_remotes, remote, Self::MAX_REMOTES, add);
    }

    /// Adds to what is counted of an instance.
    pub(super) fn add_instance(&mut self, name: &str, add: impl FnOnce(&mut InstanceCounts)) {
        with_name(&mut self.instances, name, Self::MAX_INSTANCES, add);
    }

    /// Adds all of `other`; the first example of each failure stays.
    pub fn merge(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.response.merge(&other.response);
        self.censored.merge(&other.censored);
        self.failed.merge(&other.failed);
        self.service.merge(&other.service);
        self.scheduling_delay.merge(&other.scheduling_delay);
        self.ttfb.merge(&other.ttfb);
        self.download.merge(&other.download);
        self.dns.merge(&other.dns);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.connections += other.connections;
        self.reused += other.reused;
        self.tls_handshakes += other.tls_handshakes;
        self.tls_resumed += other.tls_resumed;
        for (remote, count) in &other.remotes {
            self.add_remote(remote, *count);
        }
        for (remote, count) in &other.failed_remotes {
            self.add_failed_remote(remote, *count);
        }
        self.opening += other.opening;
        self.opening_failures += other.opening_failures;
        self.kept += other.kept;
        self.kept_failures += other.kept_failures;
        for (name, instance) in &other.instances {
            self.add_instance(name, |mine| mine.merge(instance));
        }
        for (version, count) in &other.versions {
            *self.versions.entry(*version).or_default() += count;
        }
        self.redirects += other.redirects;
        for (name, component) in &other.components {
            let mine = self.components.entry(name.clone()).or_default();
            mine.time.merge(&component.time);
            mine.hits += component.hits;
            mine.misses += component.misses;
            for (length, counts) in &component.uses {
                mine.uses.entry(*length).or_default().merge(counts);
            }
        }
        for (name, measure) in &other.measures {
            let mine = self.measures.entry(name.clone()).or_default();
            mine.unit = measure.unit;
            mine.values.merge(&measure.values);
        }
        self.failure_counts.merge(&other.failure_counts);
    }

    /// How many planned requests had an outcome that `select` takes.
    pub fn count(&self, select: impl Fn(Outcome) -> bool) -> u64 {
        self.outcomes
            .iter()
            .filter(|(outcome, _)| select(**outcome))
            .map(|(_, count)| count)
            .sum()
    }

    /// Every counter that is ever summed up.
    pub(in crate::metrics) fn counts(&self) -> impl Iterator<Item = u64> {
        let buckets = self.histograms().map(SparseHistogram::count);
        let components = self.components.values();
        let uses = components.clone().flat_map(|one| one.uses.values());
        [
            self.bytes_in,
            self.bytes_out,
            self.connections,
            self.reused,
            self.tls_handshakes,
            self.tls_resumed,
            self.redirects,
            self.opening,
            self.opening_failures,
            self.kept,
            self.kept_failures,
        ]
        .into_iter()
        .chain(self.outcomes.values().copied())
        .chain(self.statuses.values().copied())
        .chain(self.failure_counts.iter().map(|failures| failures.count))
        .chain(self.remotes.values().copied())
        .chain(self.failed_remotes.values().copied())
        .chain(self.versions.values().copied())
        .chain((self.instances.values()).flat_map(|one| [one.responses, one.failures]))
        .chain(uses.flat_map(|counts| [counts.responses, counts.uses, counts.bytes]))
        .chain(components.flat_map(|component| [component.hits, component.misses]))
        .chain(buckets)
    }

    pub(in crate::metrics) fn histograms(&self) -> impl Iterator<Item = &SparseHistogram> {
        [
            &self.response,
            &self.censored,
            &self.failed,
            &self.service,
            &self.scheduling_delay,
            &self.ttfb,
            &self.download,
            &self.dns,
            &self.connect,
            &self.tls,
        ]
        .into_iter()
        .chain(self.components.values().map(|component| &component.time))
        .chain(self.measures.values().map(|measure| &measure.values))
        .chain(self.instances.values().map(|instance| &instance.time))
    }
}

/// Adds to what is kept under a name, of which there are at most `most`, and then `other`.
fn with_name<T: Default>(
    of: &mut BTreeMap<String, T>,
    name: &str,
    most: usize,
    add: impl FnOnce(&mut T),
) {
    if let Some(known) = of.get_mut(name) {
        return add(known);
    }
    let others = usize::from(of.contains_key(OTHER));
    let key = if of.len() - others < most {
        name
    } else {
        OTHER
    };
    add(of.entry(key.to_owned()).or_default());
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
