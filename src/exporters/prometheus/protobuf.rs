//! The protobuf format of Prometheus (`io.prometheus.client`), the only one with native histograms.
//!
//! Not here: who is served it (`page`).

use prost::Message;

use crate::exporters::buckets::{BOUNDS_US, Exponential, classic};
use crate::exporters::counts::Counts;
use crate::exporters::family::{Family, FamilyKind, Series, Value};

/// What is nearer to 0 than this counts as 0, as in the libraries of Prometheus: 2^-128.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// All metrics, each message after its length.
pub(crate) fn families(counts: &Counts) -> Vec<u8> {
    let families = Family::all(counts);
    let messages = families.iter().map(MetricFamily::of);
    messages.fold(Vec::new(), |mut out, message| {
        out.extend(message.encode_length_delimited_to_vec());
        out
    })
}

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    /// 0 is a counter, 1 a gauge, 4 a histogram.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// The value of a gauge or of a counter.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    /// From the end of the span before; of the first one, from 0.
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

impl MetricFamily {
    fn of(family: &Family<'_>) -> Self {
        Self {
            name: Some(family.name.to_owned()),
            help: Some(family.help.to_owned()),
            kind: Some(match family.kind {
                FamilyKind::Counter => 0,
                FamilyKind::Gauge | FamilyKind::Info => 1,
                FamilyKind::Histogram => 4,
            }),
            metric: family.series.iter().map(Metric::of).collect(),
        }
    }
}

impl Metric {
    fn of(series: &Series<'_>) -> Self {
        let labels = series.labels.iter();
        let label = labels.map(|(name, value)| LabelPair {
            name: Some((*name).to_owned()),
            value: Some((*value).to_owned()),
        });
        let mut metric = Self {
            label: label.collect(),
            ..Self::default()
        };
        let number = |value| Some(Number { value: Some(value) });
        match series.value {
            Value::Count(count) => metric.counter = number(count as f64),
            Value::Number(value) => metric.gauge = number(value),
            Value::Times(times) => {
                let mut below = 0;
                let classic = BOUNDS_US.iter().zip(classic(times));
                let bucket = classic.map(|(bound, count)| {
                    below += count;
                    Bucket {
                        cumulative_count: Some(below),
                        upper_bound: Some(*bound as f64 / 1e6),
                    }
                });
                metric.histogram = Some(Histogram {
                    sample_count: Some(times.count()),
                    sample_sum: Some(times.sum_us as f64 / 1e6),
                    bucket: bucket.collect(),
                    ..Histogram::native(&Exponential::of(times))
                });
            }
        }
        metric
    }
}

impl Histogram {
    /// The exponential buckets, without those that are empty.
    fn native(buckets: &Exponential) -> Self {
        let mut histogram = Self {
            schema: Some(buckets.scale),
            zero_threshold: Some(ZERO_THRESHOLD),
            zero_count: Some(buckets.zeros),
            ..Self::default()
        };
        let (mut next, mut last) = (0, 0);
        // Prometheus names a bucket by its upper bound.
        for (position, count) in (buckets.first + 1..).zip(&buckets.counts) {
            if *count == 0 {
                continue;
            }
            match histogram.positive_span.last_mut() {
                Some(span) if position == next => {
                    span.length = span.length.map(|length| length + 1)
                }
                _ => histogram.positive_span.push(BucketSpan {
                    offset: Some(position - next),
                    length: Some(1),
                }),
            }
            next = position + 1;
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            histogram.positive_delta.push(count - last);
            last = count;
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;
    use crate::metrics::SparseHistogram;

    #[test]
    fn every_message_can_be_read_back() {
        let bytes = families(&counts());
        let mut rest = &bytes[..];
        let mut names = Vec::new();
        while !rest.is_empty() {
            let family = MetricFamily::decode_length_delimited(&mut rest).unwrap();
            names.extend(family.name);
        }
        assert!(
            names.contains(&"perfctl_requests_total".to_owned()),
            "{names:?}"
        );
    }

    #[test]
    fn native_buckets_are_spans_and_differences() {
        // Buckets 0 (1 s), 1 and 2 (up to 1.19 s), 8 (2 s).
        let mut values = [1_000_000, 1_050_000, 1_050_000, 1_150_000, 2_000_000, 0];
        let exponential = Exponential::of(&SparseHistogram::of(&mut values));
        let native = Histogram::native(&exponential);
        let spans: Vec<_> = (native.positive_span.iter())
            .map(|span| (span.offset.unwrap(), span.length.unwrap()))
            .collect();
        assert_eq!(spans, [(0, 3), (5, 1)]);
        assert_eq!(native.positive_delta, [1, 1, -1, 0]);
        assert_eq!((native.schema, native.zero_count), (Some(3), Some(1)));
    }
}
