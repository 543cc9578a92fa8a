//! The report of `perfctl capacity`: its formats.
//!
//! Not here: what was found (`capacity`), its sentences (`view`), and the page for terminals (`console`).

mod json;
mod markdown;
pub(super) mod view;

use std::io::{self, Write};

use crate::capacity::Study;

/// The formats of a capacity; the first one is the default.
pub const CAPACITY_FORMATS: [&str; 3] = ["console", "json", "markdown"];

/// Writes what a search found in one of [`CAPACITY_FORMATS`], for people in at most `columns`.
///
/// # Errors
/// When `out` fails, or there is no such format.
pub fn write_capacity(
    study: &Study,
    format: &str,
    columns: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        "console" => super::console::write_capacity(study, columns, out),
        "json" => json::write(study, out),
        "markdown" => markdown::write(study, out),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// What a search found, in a line that begins with the verdict.
pub fn capacity_line(study: &Study) -> String {
    let text = format!("{} {}", study.verdict().name(), view::headline(study));
    super::text::harmless(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Outcome;
    use crate::capacity::fixture::{capacity, study};

    fn written(study: &Study, format: &str) -> String {
        let mut out = Vec::new();
        write_capacity(study, format, 80, &mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn people_read_the_answer_first_and_then_what_follows() {
        let text = written(&study(Outcome::Found(capacity()), Some(100.0)), "console");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "PASS the capacity is 170/s (between 162/s and 177/s); p95 gives way first",
            "- confirmed: at 163/s, every SLO was met for 60 s",
            "- headroom: 1.7 times today's load (100/s)",
            "- knee: 80.0/s (80.0/s successes, p95 25.0 ms)",
            "- moved with it: db p95",
            "Universal Scalability Law: at most",
            "shop · http://shop.example · poisson arrivals · took 5m 12s",
            "320/s missed",
            "`throughput_rps` is not searched for",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn every_outcome_has_a_sentence() {
        let unknown = |held, missed| Outcome::Unknown { held, missed };
        for (outcome, part) in [
            (Outcome::Open(capacity()), "wider than asked for"),
            (Outcome::AtLeast(50.0), "every SLO holds at 50.0/s"),
            (
                Outcome::Generator(Some(50.0), 100.0),
                "the capacity is at least 50.0/s: at 100/s, the load generator was the limit",
            ),
            (
                Outcome::Generator(None, 100.0),
                "the load generator was the limit at 100/s already",
            ),
            (Outcome::Below(10.0), "the capacity is below 10.0/s"),
            (
                unknown(Some(40.0), None),
                "every SLO held up to 40.0/s, and then the time was over",
            ),
            (unknown(None, Some(5.0)), "missed at 5.00/s already"),
            (unknown(None, None), "nothing was found"),
        ] {
            let study = study(outcome, None);
            let text = written(&study, "console")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            assert!(text.contains(part), "{part} is not in\n{text}");
            let markdown = written(&study, "markdown");
            assert!(
                markdown.starts_with("## ") && markdown.contains("| level |"),
                "{markdown}"
            );
        }
    }

    #[test]
    fn programs_read_the_same() {
        let json: serde_json::Value =
            serde_json::from_str(&written(&study(Outcome::Found(capacity()), None), "json"))
                .unwrap();
        assert_eq!(json["outcome"], "found");
        assert_eq!(json["interval"], serde_json::json!([162.0, 177.0]));
        assert_eq!(json["limiting_slo"], "p95");
        assert_eq!(json["levels"].as_array().unwrap().len(), 8);
        assert_eq!(json["moved"][0]["name"], "db p95");
    }

    #[test]
    fn what_moved_from_nothing_has_no_factor() {
        let mut study = study(Outcome::Found(capacity()), None);
        for level in &mut study.levels {
            for gauge in &mut level.gauges {
                gauge.value = if level.level > 100.0 { 5.0 } else { 0.0 };
                gauge.text = gauge.value.to_string();
            }
        }
        let json: serde_json::Value = serde_json::from_str(&written(&study, "json")).unwrap();
        let moved = serde_json::json!([
            {"name": "db p95", "from": "0", "to": "5", "factor": null}
        ]);
        assert_eq!(json["moved"], moved);
    }
}
