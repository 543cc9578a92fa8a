//! OpenTelemetry's protocol (OTLP): all metrics as one message.
//!
//! Not here: how it is sent, which may be by HTTP or gRPC (`sink`).

mod messages;

use prost::Message;

use self::messages::{
    AnyValue, Buckets, Data, ExponentialHistogram, ExponentialHistogramDataPoint,
    ExportMetricsServiceRequest, ExportMetricsServiceResponse, Gauge, Histogram,
    HistogramDataPoint, InstrumentationScope, KeyValue, Metric, NumberDataPoint, Resource,
    ResourceMetrics, ScopeMetrics, Sum,
};
use crate::exporters::buckets::{BOUNDS_US, Exponential, classic};
use crate::exporters::counts::Counts;
use crate::exporters::destination::OtlpPoints;
use crate::exporters::family::{Family, FamilyKind, Series, Unit, Value};

/// What the points of a message have in common: how they count, and from when until when; nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Points {
    kind: OtlpPoints,
    start_ns: u64,
    now_ns: u64,
}

/// A request with everything that was counted from a time on until now; nanoseconds since 1970.
pub(super) fn body(counts: &Counts, kind: OtlpPoints, (start_ns, now_ns): (u64, u64)) -> Vec<u8> {
    let points = Points {
        kind,
        start_ns,
        now_ns,
    };
    let families = Family::all(counts);
    // What is run is said of the resource.
    let families = families
        .iter()
        .filter(|family| family.kind != FamilyKind::Info);
    let scope_metrics = ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: "perfctl".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
        metrics: families.map(|family| points.metric(family)).collect(),
    };
    let attributes = [
        ("service.name", "perfctl"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &counts.run),
        ("perfctl.profile", &counts.profile),
        ("perfctl.build", &counts.build),
    ];
    let attributes = attributes.iter().filter(|(_, value)| !value.is_empty());
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: attributes
                    .map(|(key, value)| attribute(key, value))
                    .collect(),
            }),
            scope_metrics: vec![scope_metrics],
        }],
    };
    request.encode_to_vec()
}

/// Checks the response to a request that was accepted.
///
/// # Errors
/// What the collector did not take, for people.
pub(super) fn check_response(body: &[u8]) -> Result<(), String> {
    // Some collectors respond with JSON, or something else.
    let response = ExportMetricsServiceResponse::decode(body).unwrap_or_default();
    match response.partial_success {
        Some(partial) if partial.rejected_data_points > 0 => Err(format!(
            "{} points were rejected: {}",
            partial.rejected_data_points, partial.error_message
        )),
        _ => Ok(()),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            string_value: Some(value.to_owned()),
        }),
    }
}

fn attributes(series: &Series<'_>) -> Vec<KeyValue> {
    let labels = series.labels.iter();
    labels.map(|(name, value)| attribute(name, value)).collect()
}

impl Points {
    fn metric(self, family: &Family<'_>) -> Metric {
        let unit = match family.unit {
            Unit::One | Unit::Ratio => "1",
            Unit::Seconds => "s",
            Unit::Bytes => "By",
        };
        let aggregation_temporality = if self.kind.is_delta { 1 } else { 2 };
        let numbers = || {
            family
                .series
                .iter()
                .filter_map(|series| self.number(series))
                .collect()
        };
        let data = match family.kind {
            FamilyKind::Counter => Data::Sum(Sum {
                data_points: numbers(),
                aggregation_temporality,
                is_monotonic: true,
            }),
            FamilyKind::Gauge | FamilyKind::Info => Data::Gauge(Gauge {
                data_points: numbers(),
            }),
            FamilyKind::Histogram if self.kind.is_exponential => {
                let points = family.series.iter();
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: points
                        .filter_map(|series| self.exponential(series))
                        .collect(),
                    aggregation_temporality,
                })
            }
            FamilyKind::Histogram => {
                let points = family.series.iter();
                Data::Histogram(Histogram {
                    data_points: points.filter_map(|series| self.explicit(series)).collect(),
                    aggregation_temporality,
                })
            }
        };
        Metric {
            name: format!("perfctl.{}", family.short_name()),
            description: family.help.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
        }
    }

    fn number(self, series: &Series<'_>) -> Option<NumberDataPoint> {
        let (as_double, as_int) = match series.value {
            Value::Count(count) => (None, i64::try_from(count).ok()),
            Value::Number(number) => (Some(number), None),
            Value::Times(_) => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(series),
            start_time_unix_nano: self.start_ns,
            time_unix_nano: self.now_ns,
            as_double,
            as_int,
        })
    }

    fn explicit(self, series: &Series<'_>) -> Option<HistogramDataPoint> {
        let Value::Times(times) = series.value else {
            return None;
        };
        Some(HistogramDataPoint {
            attributes: attributes(series),
            start_time_unix_nano: self.start_ns,
            time_unix_nano: self.now_ns,
            count: times.count(),
            sum: Some(seconds(times.sum_us)),
            bucket_counts: classic(times).into(),
            explicit_bounds: BOUNDS_US.map(seconds).into(),
            min: Some(seconds(times.min_us)),
            max: Some(seconds(times.max_us)),
        })
    }

    fn exponential(self, series: &Series<'_>) -> Option<ExponentialHistogramDataPoint> {
        let Value::Times(times) = series.value else {
            return None;
        };
        let buckets = Exponential::of(times);
        Some(ExponentialHistogramDataPoint {
            attributes: attributes(series),
            start_time_unix_nano: self.start_ns,
            time_unix_nano: self.now_ns,
            count: times.count(),
            sum: Some(seconds(times.sum_us)),
            scale: buckets.scale,
            zero_count: buckets.zeros,
            positive: Some(Buckets {
                offset: buckets.first,
                bucket_counts: buckets.counts,
            }),
            min: Some(seconds(times.min_us)),
            max: Some(seconds(times.max_us)),
        })
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;

    fn metrics(is_exponential: bool) -> Vec<Metric> {
        let points = OtlpPoints {
            is_delta: is_exponential,
            is_exponential,
        };
        let body = body(&counts(), points, (1, 2));
        let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
        let [resource] = &request.resource_metrics[..] else {
            panic!("{request:?}");
        };
        resource.scope_metrics[0].metrics.clone()
    }

    #[test]
    fn buckets_add_up_to_the_count() {
        for metric in metrics(false) {
            if let Some(Data::Histogram(histogram)) = metric.data {
                assert_eq!(histogram.aggregation_temporality, 2);
                for point in histogram.data_points {
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                }
            }
        }
        let mut histograms = 0;
        for metric in metrics(true) {
            if let Some(Data::ExponentialHistogram(histogram)) = metric.data {
                assert_eq!(histogram.aggregation_temporality, 1);
                for point in histogram.data_points {
                    let buckets: u64 = point.positive.unwrap().bucket_counts.iter().sum();
                    assert_eq!(buckets + point.zero_count, point.count);
                    histograms += 1;
                }
            }
        }
        assert_eq!(histograms, 4);
    }

    #[test]
    fn what_a_collector_rejects_is_said() {
        let partial_success = Some(messages::PartialSuccess {
            rejected_data_points: 3,
            error_message: "too old".to_owned(),
        });
        let response = ExportMetricsServiceResponse { partial_success };
        let said = check_response(&response.encode_to_vec());
        assert_eq!(said, Err("3 points were rejected: too old".to_owned()));
        assert_eq!(check_response(b""), Ok(()));
        assert_eq!(check_response(b"{}"), Ok(()));
    }
}
