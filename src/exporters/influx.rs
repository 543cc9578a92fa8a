//! InfluxDB's line protocol: one line for each series, about the time since the lines before.
//!
//! Not here: how it is sent (`sink`).

use std::fmt::Write;

use crate::exporters::counts::Counts;
use crate::exporters::family::{Family, FamilyKind, Value};
use crate::exporters::quantiles::quantiles;

/// The lines of everything that was counted, with this time; nanoseconds since 1970.
pub(super) fn lines(counts: &Counts, now_ns: u64) -> String {
    let mut out = String::new();
    for family in Family::all(counts) {
        if family.kind == FamilyKind::Info {
            continue;
        }
        let name = family.base_name();
        for series in &family.series {
            let _ = write!(out, "{name}");
            let labels = series.labels.iter().copied();
            let tags = labels.chain([("run", counts.run.as_str()), ("profile", &counts.profile)]);
            let mut tags: Vec<_> = tags.collect();
            // As InfluxDB advises.
            tags.sort_unstable();
            for (key, value) in tags {
                let _ = write!(out, ",{key}={}", escaped(value));
            }
            let _ = match series.value {
                Value::Count(count) => write!(out, " count={count}i"),
                Value::Number(number) => write!(out, " value={number}"),
                Value::Times(times) => {
                    let _ = write!(
                        out,
                        " count={}i,sum={}",
                        times.count(),
                        times.sum_us as f64 / 1e6
                    );
                    let mut parts = quantiles(times).into_iter();
                    parts.try_for_each(|(name, seconds)| write!(out, ",{name}={seconds}"))
                }
            };
            let _ = writeln!(out, " {now_ns}");
        }
    }
    out
}

/// The value of a tag. A backslash cannot be escaped, and must not stand at the end.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            ',' | '=' | ' ' => out.extend(['\\', c]),
            '\\' => out.push('/'),
            c if c.is_control() => out.push('_'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;

    #[test]
    fn lines_have_tags_fields_and_a_time() {
        let lines = lines(&counts(), 5);
        let tags = r#"class=ok,endpoint=list\ "a\,\ b"\=/\ 1,measured=true,phase=steady,profile=smoke,run=20261127-shop,scenario=shop"#;
        let times = format!(
            "perfctl_response_time_seconds,{tags} count=3i,sum=0.2525,min=0.001,mean=0.08416666666666667,p50=0.0015,\
             p90=0.25,p95=0.25,p99=0.25,max=0.25 5\n"
        );
        assert!(lines.contains(&times), "{lines}");
        let users = "perfctl_users,profile=smoke,run=20261127-shop,scenario=shop value=5 5\n";
        assert!(lines.starts_with(users), "{lines}");
        assert!(lines.contains(",measured=true,outcome=http_5xx,phase=steady,profile=smoke,run=20261127-shop,scenario=shop count=1i 5\n"));
        assert!(lines.contains("perfctl_received_bytes,"), "{lines}");
    }
}
