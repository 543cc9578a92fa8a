//! Prometheus remote write 1.0: all series with their newest values, as protobuf compressed with Snappy.
//!
//! Not here: how and when it is sent (`delivery`).

use prost::Message;

use crate::exporters::buckets::{BOUNDS_US, classic};
use crate::exporters::counts::Counts;
use crate::exporters::family::{Family, Value};
use crate::exporters::prometheus::text::seconds;

/// The most series of a request, as Prometheus itself has it.
const MOST: usize = 2_000;

/// The bodies of requests with everything that was counted until this time; milliseconds since 1970.
pub(crate) fn bodies(counts: &Counts, now_ms: i64) -> Vec<Vec<u8>> {
    let mut series = series(counts, now_ms).into_iter().peekable();
    let mut bodies = Vec::new();
    while series.peek().is_some() {
        let timeseries = series.by_ref().take(MOST).collect();
        let message = WriteRequest { timeseries }.encode_to_vec();
        // Fails only for more than 4 GB.
        bodies.extend(snap::raw::Encoder::new().compress_vec(&message));
    }
    bodies
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp_ms: i64,
}

fn series(counts: &Counts, now_ms: i64) -> Vec<TimeSeries> {
    let mut timeseries = Vec::new();
    for family in Family::all(counts) {
        let name = family.name;
        for series in &family.series {
            let mut push = |ending: &str, le: Option<String>, value: f64| {
                let label = |name: &str, value: &str| Label {
                    name: name.to_owned(),
                    value: value.to_owned(),
                };
                // Runs that go on at the same time must not share a series.
                let mut labels = vec![
                    label("__name__", &format!("{name}{ending}")),
                    label("run", &counts.run),
                ];
                let given = series.labels.iter().filter(|(name, _)| *name != "run");
                labels.extend(given.map(|(name, value)| label(name, value)));
                labels.extend(le.map(|le| label("le", &le)));
                labels.sort_unstable();
                timeseries.push(TimeSeries {
                    labels,
                    samples: vec![Sample {
                        value,
                        timestamp_ms: now_ms,
                    }],
                });
            };
            match series.value {
                Value::Count(count) => push("", None, count as f64),
                Value::Number(number) => push("", None, number),
                Value::Times(times) => {
                    let mut below = 0;
                    for (place, count) in classic(times).into_iter().enumerate() {
                        below += count;
                        let bound = BOUNDS_US.get(place);
                        let le = bound.map_or("+Inf".to_owned(), |us| seconds(*us, false));
                        push("_bucket", Some(le), below as f64);
                    }
                    push("_sum", None, times.sum_us as f64 / 1e6);
                    push("_count", None, below as f64);
                }
            }
        }
    }
    timeseries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::exporters::fixture::counts;
    use crate::metrics::EndpointInfo;

    fn read(body: &[u8]) -> WriteRequest {
        let message = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        WriteRequest::decode(&message[..]).unwrap()
    }

    #[test]
    fn many_series_are_several_requests() {
        let mut counts = counts();
        let (row, cell) = (counts.rows[0].clone(), counts.cells[&(0, 0)].clone());
        for number in 2..100 {
            counts.rows.push(EndpointInfo {
                name: format!("endpoint {number}"),
                ..row.clone()
            });
            counts.cells.insert((number, 0), cell.clone());
        }
        let requests = bodies(&counts, 1);
        let series = requests.iter().map(|body| read(body).timeseries);
        let series: Vec<Vec<TimeSeries>> = series.collect();
        assert!(
            series.len() > 2 && series[0].len() == MOST,
            "{}",
            series.len()
        );
        let all = series.concat();
        let known: BTreeSet<_> = all.iter().map(|one| one.labels.clone()).collect();
        assert_eq!(known.len(), all.len());
        assert_eq!(all.len(), super::series(&counts, 1).len());
    }

    #[test]
    fn series_are_told_apart_by_sorted_labels_without_empty_values() {
        let request = read(&bodies(&counts(), 1_700_000_000_123)[0]);
        let mut known = BTreeSet::new();
        for series in &request.timeseries {
            let labels = &series.labels;
            assert!(labels.is_sorted_by(|a, b| a.name < b.name), "{labels:?}");
            assert!(
                labels.iter().all(|label| !label.value.is_empty()),
                "{labels:?}"
            );
            assert!(labels.iter().any(|label| label.name == "run"), "{labels:?}");
            assert_eq!(series.samples.len(), 1);
            assert_eq!(series.samples[0].timestamp_ms, 1_700_000_000_123);
            assert!(known.insert(labels.clone()), "twice: {labels:?}");
        }
        let value = |name: &str, value: &str| {
            let has = |labels: &[Label], name: &str, value: &str| {
                labels
                    .iter()
                    .any(|one| one.name == name && one.value == value)
            };
            let mut all = request.timeseries.iter();
            let found = all.find(|series| {
                has(&series.labels, "__name__", name) && has(&series.labels, "class", value)
            });
            found.unwrap().samples[0].value
        };
        assert_eq!(value("perfctl_requests_total", "ok"), 3.0);
        assert_eq!(value("perfctl_response_time_seconds_count", "ok"), 3.0);
        assert_eq!(value("perfctl_response_time_seconds_sum", "failed"), 2.0);
    }
}
