//! Failures and slow responses that depend on who responds: an instance, an address, a new or a kept connection.
//!
//! Not here: how often requests fail (`errors`). The age of a connection is only known as new or kept: to keep more
//! would cost every request.

use std::collections::{BTreeMap, BTreeSet};

use super::components::count_above;
use crate::comparison::binomial_at_least;
use crate::findings::finding::Finding;
use crate::findings::numbers::{EndpointNumbers, Numbers};
use crate::findings::rule::Rule;
use crate::findings::statistics::share_interval;
use crate::metrics::{Cell, EndpointResult, InstanceCounts, OTHER, SparseHistogram};
use crate::plan::{FindingSeverity, Percentile, Scale};
use crate::units::{format_count, format_latency_us, format_percent};

/// The error rate from which on an instance is bad, and how many times that of the others.
const BAD_INSTANCE: (f64, f64) = (0.01, 2.0);
/// The share of an instance's times above the p90 of the others, and how many times its p50 is theirs.
const SLOW_INSTANCE: (f64, f64) = (0.3, 1.5);
/// By how much its p50 is higher; µs.
const SLOWER_US: f64 = 5_000.0;
/// The fewest times of an instance.
const FEWEST_TIMES: u64 = 50;
/// The fewest failures of an instance, or of one kind of connection.
const FEWEST_FAILURES: u64 = 10;
/// The fewest failures with a response, the share of one address of them, and of the connections.
const BAD_ADDRESS: (u64, f64, f64) = (20, 0.9, 0.6);
/// How many times as often requests fail over one kind of connection.
const BAD_CONNECTION: f64 = 5.0;
/// The probability below which that is no chance.
const CHANCE: f64 = 1e-3;

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = instances(numbers);
    let hosts = hosts(numbers);
    found.extend(hosts.iter().filter_map(|host| address(numbers, host)));
    let endpoints = numbers.endpoints.iter();
    found.extend(endpoints.filter_map(|endpoint| connections(endpoint)));
    found
}

/// All instances that respond to an endpoint but one, together.
fn others(cell: &Cell, one: &str) -> InstanceCounts {
    let mut others = InstanceCounts::default();
    for (_, counts) in cell.instances.iter().filter(|(name, _)| *name != one) {
        others.merge(counts);
    }
    others
}

/// Each instance once, by the endpoint that shows it most: within one, since instances may have endpoints of their
/// own.
fn instances(numbers: &Numbers<'_>) -> Vec<Finding> {
    let named = numbers.total.instances.keys();
    let named = named.filter(|name| *name != OTHER);
    let found = named.filter_map(|name| {
        let of_endpoints = numbers.endpoints.iter().filter_map(|endpoint| {
            let one = endpoint.cell.instances.get(name)?;
            let others = others(&endpoint.cell, name);
            let found = failing(name, one, &others).or_else(|| slow(name, one, &others))?;
            let text = format!("{}: {}", endpoint.name, found.text);
            let found = Finding { text, ..found };
            Some((one.responses, found.of_endpoint(endpoint.name)))
        });
        let most = of_endpoints.max_by_key(|(count, found)| (found.severity, *count))?;
        Some(most.1)
    });
    found.collect()
}

fn failing(name: &str, one: &InstanceCounts, others: &InstanceCounts) -> Option<Finding> {
    let (least, _) = share_interval(one.failures, one.responses);
    let (_, most) = share_interval(others.failures, others.responses);
    let is_bad = least > BAD_INSTANCE.0.max(BAD_INSTANCE.1 * most);
    if !is_bad || one.failures < FEWEST_FAILURES || others.responses == 0 {
        return None;
    }
    let rate = |counts: &InstanceCounts| counts.failures as f64 / counts.responses as f64;
    let (its, theirs) = (rate(one), rate(others));
    let severity = match least > 0.2 {
        true => FindingSeverity::Critical,
        false => FindingSeverity::High,
    };
    let text = format!(
        "instance `{name}`: {} of its responses are failures, {} of those of the others",
        format_percent(its),
        format_percent(theirs)
    );
    let all = (one.failures + others.failures) as f64 / (one.responses + others.responses) as f64;
    let mut finding = Finding::new(Rule::BadInstance, severity, text)
        .of_part(name)
        .against("error_rate", (its, BAD_INSTANCE.0), Scale::Share)
        .with("error_rate_of_others", theirs, Scale::Share)
        .with("failures", one.failures as f64, Scale::Number);
    finding.improvement = Some(format!(
        "without `{name}`, {} of the responses would be failures instead of {}",
        format_percent(theirs),
        format_percent(all)
    ));
    Some(finding)
}

fn slow(name: &str, one: &InstanceCounts, others: &InstanceCounts) -> Option<Finding> {
    let percentile = |times: &SparseHistogram, p| times.percentile(Percentile::new(p)?);
    let (its, theirs) = (
        percentile(&one.time, 50.0)?,
        percentile(&others.time, 50.0)?,
    );
    let p90_us = percentile(&others.time, 90.0)?;
    let above = count_above(&one.time, p90_us);
    let count = one.time.count();
    let (least, _) = share_interval(above, count);
    let is_slow = least >= SLOW_INSTANCE.0
        && its >= SLOW_INSTANCE.1 * theirs
        && its - theirs >= SLOWER_US
        && count.min(others.time.count()) >= FEWEST_TIMES;
    is_slow.then(|| {
        let text = format!(
            "instance `{name}`: its p50 is {}, that of the others {}",
            format_latency_us(its),
            format_latency_us(theirs)
        );
        Finding::new(Rule::BadInstance, FindingSeverity::High, text)
            .of_part(name)
            .against("p50", (its, SLOW_INSTANCE.1 * theirs), Scale::Time)
            .with("p50_of_others", theirs, Scale::Time)
            .with(
                "share_above_p90_of_others",
                above as f64 / count as f64,
                Scale::Share,
            )
    })
}

/// The endpoints of each host, as far as addresses tell: those that have an address in common.
fn hosts<'a>(numbers: &'a Numbers<'_>) -> Vec<Vec<&'a EndpointResult>> {
    let mut hosts: Vec<(BTreeSet<&str>, Vec<&EndpointResult>)> = Vec::new();
    for endpoint in numbers.result.requests() {
        let cells = endpoint.phases.iter();
        let named = cells.flat_map(|cell| cell.remotes.keys().chain(cell.failed_remotes.keys()));
        let named = named.filter(|name| *name != OTHER).map(String::as_str);
        let (mut addresses, mut endpoints) = (named.collect::<BTreeSet<_>>(), vec![endpoint]);
        let (same, others): (Vec<_>, Vec<_>) =
            (hosts.into_iter()).partition(|(known, _)| !known.is_disjoint(&addresses));
        for (known, of_known) in same {
            addresses.extend(known);
            endpoints.extend(of_known);
        }
        hosts = others;
        hosts.push((addresses, endpoints));
    }
    hosts.into_iter().map(|(_, endpoints)| endpoints).collect()
}

/// Within a host, since each has addresses of its own.
fn address(numbers: &Numbers<'_>, host: &[&EndpointResult]) -> Option<Finding> {
    let mut failed = BTreeMap::<&str, u64>::new();
    // Most connections are opened in ramps.
    let mut connections = BTreeMap::<&str, u64>::new();
    let phases = &numbers.result.run.phases;
    for endpoint in host {
        for (phase, cell) in phases.iter().zip(&endpoint.phases) {
            for (address, count) in cell.failed_remotes.iter().filter(|_| phase.measured) {
                *failed.entry(address).or_default() += count;
            }
            for (address, count) in &cell.remotes {
                *connections.entry(address).or_default() += count;
            }
        }
    }
    let all: u64 = failed.values().sum();
    let named = failed.iter().filter(|(name, _)| **name != OTHER);
    let (address, count) = named.max_by_key(|(_, count)| **count)?;
    let opened: u64 = connections.values().sum();
    let own = connections.get(address)?;
    let (share, expected) = (*count as f64 / all as f64, *own as f64 / opened as f64);
    let is_bad = all >= BAD_ADDRESS.0
        && share >= BAD_ADDRESS.1
        && expected <= BAD_ADDRESS.2
        && connections.len() > 1
        && binomial_at_least(*count, all, expected) < 1e-4;
    is_bad.then(|| {
        let text = format!(
            "{} of {} failed requests with a response are of {address}, which has {} of the connections",
            format_count(*count),
            format_count(all),
            format_percent(expected)
        );
        Finding::new(Rule::BadAddress, FindingSeverity::High, text)
            .of_part(address)
            .against("share_of_failures", (share, BAD_ADDRESS.1), Scale::Share)
            .with("share_of_connections", expected, Scale::Share)
    })
}

/// Within an endpoint, since the first requests of users may be those of few endpoints.
fn connections(endpoint: &EndpointNumbers<'_>) -> Option<Finding> {
    let cell = &endpoint.cell;
    let kept = (cell.kept_failures, cell.kept);
    let new = (cell.opening_failures, cell.opening);
    let kinds = [("kept", kept, new), ("new", new, kept)];
    kinds.into_iter().find_map(|(name, bad, good)| {
        let rate = |(failures, all): (u64, u64)| failures as f64 / all.max(1) as f64;
        let (failures, all) = (bad.0 + good.0, bad.1 + good.1);
        // If the kind made no difference, each failure would be of either by their shares.
        let chance = binomial_at_least(bad.0, failures, bad.1 as f64 / all.max(1) as f64);
        let is_bad = bad.0 >= FEWEST_FAILURES
            && bad.1.min(good.1) > 0
            && rate(bad) >= BAD_CONNECTION * rate(good)
            && chance < CHANCE;
        if !is_bad {
            return None;
        }
        let text = format!(
            "{}: over {name} connections {} of {} requests failed ({}), over the others {} of {}",
            endpoint.name,
            format_count(bad.0),
            format_count(bad.1),
            format_percent(rate(bad)),
            format_count(good.0),
            format_count(good.1),
        );
        Some(
            Finding::new(Rule::ConnectionErrors, FindingSeverity::Medium, text)
                .of_endpoint(endpoint.name)
                .of_part(name)
                .with("error_rate", rate(bad), Scale::Share)
                .against("probability_by_chance", (chance, CHANCE), Scale::Share)
                .with("failures", bad.0 as f64, Scale::Number),
        )
    })
}
