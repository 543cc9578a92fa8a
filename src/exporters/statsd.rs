//! StatsD, and DogStatsD with tags: counters and gauges in packets, about the time since the packets before.
//!
//! Not here: how they are sent (`sink`).

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::exporters::counts::Counts;
use crate::exporters::family::{Family, FamilyKind, Series, Value};
use crate::exporters::quantiles::quantiles;
use crate::metrics::exported;

/// The largest packet that is sent in one piece over most networks; bytes.
const MAX_PACKET_BYTES: usize = 1_432;

/// The packets of everything that was counted. Labels are tags, or parts of the name.
pub(super) fn packets(counts: &Counts, is_tagged: bool) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = String::new();
    let measured = counts.phases.iter().filter(|phase| phase.measured);
    let measured: BTreeSet<_> = measured.map(|phase| name_part(&phase.name)).collect();
    for family in Family::all(counts) {
        if family.kind == FamilyKind::Info {
            continue;
        }
        for series in &family.series {
            for line in lines(&family, series, &measured, is_tagged) {
                if !packet.is_empty() && packet.len() + line.len() + 1 > MAX_PACKET_BYTES {
                    packets.push(std::mem::take(&mut packet).into_bytes());
                }
                if !packet.is_empty() {
                    packet.push('\n');
                }
                packet += &line;
            }
        }
    }
    if !packet.is_empty() {
        packets.push(packet.into_bytes());
    }
    packets
}

/// Lines of a series. `measured` are the parts of names that measured phases have: without a tag that tells them apart,
/// gauges of the warm-up would be those of a stage with its name.
fn lines(
    family: &Family<'_>,
    series: &Series<'_>,
    measured: &BTreeSet<String>,
    is_tagged: bool,
) -> Vec<String> {
    let mut name = "perfctl".to_owned();
    let mut tags = String::new();
    // The scenario and the endpoint come first, as the folders of a tree.
    for wanted in [
        exported::SCENARIO,
        exported::ENDPOINT,
        exported::FLOW,
        exported::PHASE,
        exported::MEASURED,
        exported::CLASS,
        exported::OUTCOME,
    ] {
        let Some((key, value)) = series.labels.iter().find(|(key, _)| *key == wanted) else {
            continue;
        };
        let is_of_name = match *key {
            exported::MEASURED => false,
            exported::CLASS => family.kind == FamilyKind::Histogram,
            _ => true,
        };
        if is_tagged {
            let separator = if tags.is_empty() { "|#" } else { "," };
            let _ = write!(tags, "{separator}{key}:{}", clean(value, ",|\n"));
        } else if is_of_name {
            let part = name_part(value);
            let is_taken = *key == exported::PHASE
                && series.labels.contains(&(exported::MEASURED, "false"))
                && measured.contains(&part);
            let _ = write!(name, ".{part}");
            name += if is_taken { ".unmeasured" } else { "" };
        }
    }
    let _ = write!(name, ".{}", family.short_name());
    match series.value {
        Value::Count(0) => Vec::new(),
        Value::Count(count) => vec![format!("{name}:{count}|c{tags}")],
        Value::Number(number) => vec![format!("{name}:{number}|g{tags}")],
        Value::Times(times) => {
            let gauges = quantiles(times).into_iter();
            let gauges = gauges.map(|(part, seconds)| format!("{name}.{part}:{seconds}|g{tags}"));
            let count = format!("{name}.count:{}|c{tags}", times.count());
            std::iter::once(count).chain(gauges).collect()
        }
    }
}

/// A label as part of a name.
fn name_part(value: &str) -> String {
    clean(value, ".:|@/ \n")
}

/// Without these characters, which have a meaning.
fn clean(value: &str, special: &str) -> String {
    let cleaned = value.chars().map(|c| match c {
        c if special.contains(c) || c.is_control() => '_',
        c => c,
    });
    cleaned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::counts::PhaseLabels;
    use crate::exporters::fixture::counts;

    fn text(is_tagged: bool) -> String {
        let packets = packets(&counts(), is_tagged);
        assert!(
            packets
                .iter()
                .all(|packet| packet.len() <= MAX_PACKET_BYTES)
        );
        let texts = packets
            .into_iter()
            .map(|packet| String::from_utf8(packet).unwrap());
        texts.map(|text| text + "\n").collect()
    }

    #[test]
    fn a_stage_with_the_name_of_the_warm_up_has_names_of_its_own() {
        let phases = [
            ("after the load", false),
            ("warmup", false),
            ("ramp", false),
            ("warmup", true),
            ("after/the load", true),
        ];
        let mut counts = counts();
        let cell = counts.cells[&(0, 0)].clone();
        counts.cells = (0..phases.len())
            .map(|phase| ((0, phase), cell.clone()))
            .collect();
        counts.phases = Vec::from(phases.map(|(name, measured)| PhaseLabels {
            name: name.to_owned(),
            measured,
        }));
        let text = |is_tagged| {
            let packets = packets(&counts, is_tagged).concat();
            String::from_utf8(packets).unwrap()
        };
        for part in [
            "after_the_load.unmeasured",
            "warmup.unmeasured",
            "ramp",
            "warmup",
            "after_the_load",
        ] {
            let name = format!(".list_\"a,_b\"=\\_1.{part}.ok.response_time.p95:");
            assert_eq!(text(false).matches(&name).count(), 1, "{part}");
        }
        assert!(!text(true).contains("unmeasured"));
    }

    #[test]
    fn labels_are_parts_of_the_name_or_tags() {
        let plain = text(false);
        for line in [
            "perfctl.shop.users:5|g\n",
            "perfctl.shop.list_\"a,_b\"=\\_1.steady.ok.requests:3|c\n",
            "perfctl.shop.list_\"a,_b\"=\\_1.steady.ok.response_time.p95:0.25|g\n",
            "perfctl.shop.buy.steady.ok.flow_time.count:1|c\n",
        ] {
            assert!(plain.contains(line), "{line}{plain}");
        }
        let tagged = text(true);
        let line = "perfctl.requests:1|c|#scenario:shop,endpoint:list \"a_ b\"=\\ 1,phase:steady,measured:true,\
                    class:failed,outcome:http_5xx\n";
        assert!(tagged.contains(line), "{tagged}");
    }
}
