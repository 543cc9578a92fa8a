//! The metrics of one page: which series a selector chooses, and of which kind they are.

use std::collections::{BTreeMap, HashMap};

use super::exposition::{self, Line, MetricKind};
use super::reading::{Buckets, Reading};
use crate::plan::Selector;

/// What the names of samples add to that of their metric.
const SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// Labels and value of a series.
type Series = (Vec<(String, String)>, f64);

/// A page, of which the wanted metrics were read.
pub(super) struct Page {
    kinds: HashMap<String, MetricKind>,
    samples: HashMap<String, Vec<Series>>,
    /// The label `instance` of its series, where they have none.
    instance: String,
}

impl Page {
    /// Reads what these selectors may choose.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    pub(super) fn read(
        text: &str,
        instance: &str,
        selectors: &[&Selector],
    ) -> Result<Self, String> {
        let mut samples: HashMap<String, Vec<Series>> = HashMap::new();
        for selector in selectors {
            for suffix in SUFFIXES.into_iter().chain([""]) {
                samples
                    .entry(format!("{}{suffix}", selector.name))
                    .or_default();
            }
        }
        let mut kinds = HashMap::new();
        let mut found = Vec::new();
        exposition::read(
            text,
            |name| samples.contains_key(name),
            |line| match line {
                Line::Kind(name, kind) => drop(kinds.insert(name.to_owned(), kind)),
                Line::Sample(sample) => found.push(sample),
            },
        )?;
        for sample in found {
            let labels = sample.labels.into_iter();
            let mut labels: Vec<_> = labels
                .map(|(label, value)| (label.to_owned(), value))
                .collect();
            labels.sort();
            let series = samples.entry(sample.name.to_owned()).or_default();
            series.push((labels, sample.value));
        }
        Ok(Self {
            kinds,
            samples,
            instance: instance.to_owned(),
        })
    }

    /// What the chosen series show together.
    ///
    /// # Errors
    /// That the page has none, or no numbers, for people.
    pub(super) fn reading(&self, selector: &Selector) -> Result<Reading, String> {
        let name = selector.name.as_str();
        let chosen = |suffix: &str| {
            let all = self.samples.get(&format!("{name}{suffix}"));
            let all = all.map_or(&[][..], |series| series.as_slice());
            all.iter().filter(|(labels, _)| {
                selector.takes(|wanted| {
                    let found = labels.iter().find(|(label, _)| label == wanted);
                    let value = found.map(|(_, value)| value.as_str());
                    value.or((wanted == "instance").then_some(self.instance.as_str()))
                })
            })
        };
        let kind = self.kind(name);
        let reading = match kind {
            MetricKind::Histogram => histogram(chosen("_bucket"), chosen("_sum"), chosen("_count")),
            MetricKind::Summary => summary(chosen(""), chosen("_sum"), chosen("_count")),
            MetricKind::Counter => {
                // OpenMetrics names the metric without `_total`.
                let series: Vec<_> = match chosen("").next() {
                    Some(_) => chosen("").collect(),
                    None => chosen("_total").collect(),
                };
                let finite = series.iter().filter(|(_, value)| value.is_finite());
                let series: BTreeMap<String, f64> = finite
                    .map(|(labels, value)| (key(labels), *value))
                    .collect();
                (!series.is_empty()).then_some(Reading::Counter(series))
            }
            MetricKind::Gauge | MetricKind::Unknown => {
                let finite = chosen("")
                    .map(|(_, value)| *value)
                    .filter(|value| value.is_finite());
                finite.reduce(|a, b| a + b).map(Reading::Gauge)
            }
        };
        reading.ok_or_else(|| {
            let suffixes = || SUFFIXES.into_iter().chain([""]);
            if suffixes().any(|suffix| chosen(suffix).next().is_some()) {
                format!("`{selector}` has no number there")
            } else if suffixes().any(|suffix| {
                let all = self.samples.get(&format!("{name}{suffix}"));
                all.is_some_and(|series| !series.is_empty())
            }) {
                format!("no series of `{name}` there has the labels of `{selector}`")
            } else {
                format!("there is no `{name}`")
            }
        })
    }

    /// The kind of a metric, or of a part of one, by what the page says of it, or else by its name.
    fn kind(&self, name: &str) -> MetricKind {
        let said = |name: &str| {
            self.kinds
                .get(name)
                .copied()
                .filter(|kind| *kind != MetricKind::Unknown)
        };
        let has = |suffix: &str| {
            let series = self.samples.get(&format!("{name}{suffix}"));
            series.is_some_and(|series| !series.is_empty())
        };
        if let Some(kind) = said(name) {
            return kind;
        }
        match SUFFIXES
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix))
        {
            Some(metric) if said(metric) == Some(MetricKind::Gauge) => MetricKind::Gauge,
            // Of a histogram or a summary, or a counter by its name.
            Some(_) => MetricKind::Counter,
            None if has("_bucket") => MetricKind::Histogram,
            None if !has("") && has("_total") => MetricKind::Counter,
            None => MetricKind::Gauge,
        }
    }
}

/// Tells series apart.
fn key<'a>(labels: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let mut key = String::new();
    for (label, value) in labels {
        key.extend([label, "\0", value, "\0"]);
    }
    key
}

/// The labels without this one, and its value.
fn without<'a>(labels: &'a [(String, String)], label: &str) -> (String, Option<&'a str>) {
    let rest = labels.iter().filter(|(name, _)| name != label);
    let value = labels.iter().find(|(name, _)| name == label);
    (key(rest), value.map(|(_, value)| value.as_str()))
}

fn histogram<'a>(
    buckets: impl Iterator<Item = &'a Series>,
    sums: impl Iterator<Item = &'a Series>,
    counts: impl Iterator<Item = &'a Series>,
) -> Option<Reading> {
    let mut all: BTreeMap<String, Buckets> = BTreeMap::new();
    for (labels, count) in buckets.filter(|(_, count)| count.is_finite()) {
        let (key, end) = without(labels, "le");
        let Some(end) = end.and_then(|end| end.parse::<f64>().ok()) else {
            continue;
        };
        let one = all.entry(key).or_default();
        match end.is_finite() {
            true => one.counts.push((end, *count)),
            false => one.count = *count,
        }
    }
    for (labels, sum) in sums.filter(|(_, sum)| sum.is_finite()) {
        if let Some(one) = all.get_mut(&key(labels)) {
            one.sum = *sum;
        }
    }
    for (labels, count) in counts.filter(|(_, count)| count.is_finite()) {
        if let Some(one) = all.get_mut(&key(labels)) {
            one.count = *count;
        }
    }
    for one in all.values_mut() {
        one.counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        one.counts.dedup_by(|a, b| a.0 == b.0);
    }
    (!all.is_empty()).then_some(Reading::Histogram(all))
}

fn summary<'a>(
    quantiles: impl Iterator<Item = &'a Series>,
    sums: impl Iterator<Item = &'a Series>,
    counts: impl Iterator<Item = &'a Series>,
) -> Option<Reading> {
    let mut percentiles = [None; 3];
    for (labels, value) in quantiles.filter(|(_, value)| value.is_finite()) {
        let (_, quantile) = without(labels, "quantile");
        let quantile: Option<f64> = quantile.and_then(|quantile| quantile.parse().ok());
        let at = [0.5, 0.95, 0.99]
            .iter()
            .position(|one| Some(*one) == quantile);
        if let Some(at) = at {
            // Those of several series cannot be joined: the worst.
            percentiles[at] = percentiles[at].into_iter().chain([*value]).reduce(f64::max);
        }
    }
    let mut totals: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (labels, sum) in sums.filter(|(_, sum)| sum.is_finite()) {
        totals.entry(key(labels)).or_default().0 = *sum;
    }
    for (labels, count) in counts.filter(|(_, count)| count.is_finite()) {
        totals.entry(key(labels)).or_default().1 = *count;
    }
    let is_there = !totals.is_empty() || percentiles.iter().any(Option::is_some);
    is_there.then_some(Reading::Summary {
        percentiles,
        totals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading(page: &str, selector: &str) -> Result<Reading, String> {
        let selector = Selector::parse(selector).unwrap();
        Page::read(page, "host:9100", &[&selector])?.reading(&selector)
    }

    fn counters(values: &[f64]) -> impl Fn(Result<Reading, String>) -> bool {
        let values = values.to_vec();
        move |reading| match reading {
            Ok(Reading::Counter(series)) => series.into_values().collect::<Vec<_>>() == values,
            _ => false,
        }
    }

    #[test]
    fn kinds_come_from_the_page_or_else_from_the_name() {
        let page = "# TYPE hits counter\nhits{a=\"1\"} 3\nhits{a=\"2\"} 4\n\
            # TYPE sent counter\nsent_total 5\nsent_created 9\n\
            # TYPE odd_total gauge\nodd_total 6\n\
            plain_total 7\nfree 8\nfree{a=\"1\"} NaN\n";
        assert!(counters(&[3.0, 4.0])(reading(page, "hits")));
        assert!(counters(&[4.0])(reading(page, "hits{a=\"2\"}")));
        assert!(counters(&[5.0])(reading(page, "sent_total")));
        assert!(counters(&[5.0])(reading(page, "sent")));
        assert!(counters(&[7.0])(reading(page, "plain_total")));
        assert_eq!(reading(page, "odd_total"), Ok(Reading::Gauge(6.0)));
        assert_eq!(reading(page, "free"), Ok(Reading::Gauge(8.0)));
        let instance = "free{instance=~\"host:.*\"}";
        assert_eq!(reading(page, instance), Ok(Reading::Gauge(8.0)));
        for (selector, why) in [
            ("gone", "there is no `gone`"),
            ("free{a=\"1\"}", "`free{a=\"1\"}` has no number there"),
            (
                "hits{a=\"3\"}",
                "no series of `hits` there has the labels of `hits{a=\"3\"}`",
            ),
        ] {
            assert_eq!(reading(page, selector), Err(why.to_owned()));
        }
    }

    #[test]
    fn histograms_and_summaries_are_read_whole_and_by_their_parts() {
        let page = "# TYPE took histogram\n\
            took_bucket{p=\"/\",le=\"+Inf\"} 9\ntook_bucket{le=\"0.5\",p=\"/\"} 8\n\
            took_bucket{p=\"/\",le=\"0.1\"} 5\ntook_sum{p=\"/\"} 3.5\ntook_count{p=\"/\"} 9\n\
            # TYPE size summary\nsize{quantile=\"0.5\"} 10\nsize{a=\"b\",quantile=\"0.5\"} 30\n\
            size{quantile=\"0.99\"} NaN\nsize_sum 200\nsize_count 12\n";
        let buckets = Buckets {
            counts: vec![(0.1, 5.0), (0.5, 8.0)],
            sum: 3.5,
            count: 9.0,
        };
        let expected = Reading::Histogram([("p\0/\0".to_owned(), buckets)].into());
        assert_eq!(reading(page, "took"), Ok(expected.clone()));
        assert_eq!(reading(page, "took{p=\"/\"}"), Ok(expected));
        // Also where nobody says what it is.
        let untyped = page.replace("# TYPE took", "# HELP took");
        assert!(matches!(
            reading(&untyped, "took"),
            Ok(Reading::Histogram(_))
        ));
        assert!(counters(&[3.5])(reading(page, "took_sum")));
        assert!(counters(&[8.0])(reading(page, "took_bucket{le=\"0.5\"}")));
        let expected = Reading::Summary {
            percentiles: [Some(30.0), None, None],
            totals: [(String::new(), (200.0, 12.0))].into(),
        };
        assert_eq!(reading(page, "size"), Ok(expected));
        assert!(counters(&[12.0])(reading(page, "size_count")));
    }

    proptest! {
        #[test]
        fn any_page_has_a_reading_or_a_reason(
            lines in prop::collection::vec(
                "(# TYPE a (counter|gauge|histogram|summary)|a(_bucket|_sum|_count|_total|)(\\{(le|quantile|x)=\"[0-9.]{0,3}\"\\}|) [0-9Nef.+-]{1,4})",
                0..8,
            ),
        ) {
            let page = lines.join("\n");
            let readings: Vec<_> = ["a", "a_sum", "a_bucket"].map(|name| reading(&page, name)).into();
            for reading in readings.iter().flatten() {
                if let Some(change) = reading.since(Some(reading)) {
                    prop_assert!(change.value(5.0).is_sound());
                }
            }
        }
    }
}
