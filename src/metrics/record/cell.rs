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
const OTHER: &str = "other";

impl Cell {
    /// How many remote addresses are kept apart.
    pub const MAX_REMOTES: usize = 16;

    /// Counts requests that opened a connection to `remote` and got a response.
    pub(super) fn add_remote(&mut self, remote: &str, count: u64) {
        let is_known = self.remotes.contains_key(remote);
        let others = usize::from(self.remotes.contains_key(OTHER));
        let key = match is_known || self.remotes.len() - others < Self::MAX_REMOTES {
            true => remote,
            false => OTHER,
        };
        *self.remotes.entry(key.to_owned()).or_default() += count;
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
        for (version, count) in &other.versions {
            *self.versions.entry(*version).or_default() += count;
        }
        self.redirects += other.redirects;
        for (name, component) in &other.components {
            let mine = self.components.entry(name.clone()).or_default();
            mine.time.merge(&component.time);
            mine.hits += component.hits;
            mine.misses += component.misses;
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
        [
            self.bytes_in,
            self.bytes_out,
            self.connections,
            self.reused,
            self.tls_handshakes,
            self.tls_resumed,
            self.redirects,
        ]
        .into_iter()
        .chain(self.outcomes.values().copied())
        .chain(self.statuses.values().copied())
        .chain(self.failure_counts.iter().map(|failures| failures.count))
        .chain(self.remotes.values().copied())
        .chain(self.versions.values().copied())
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
    }
}
