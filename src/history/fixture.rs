//! A hand-made history for the tests of all formats.

use super::{History, HistoryRun, series_of};
use crate::metrics::{Outcome, fixture};

/// A series of a run against another service; and one of 27 runs, of which that at position 17 did not
/// finish. From position 11 on, the second endpoint is a third slower. Names and builds are hostile.
pub fn history() -> History {
    let runs = (0..28).map(|number: u64| {
        let noise = number * 7 % 11 * 100;
        let slow = if number >= 12 { 120_000 } else { 90_000 };
        let mut result = fixture::run(&[
            ("list", &[(Outcome::Ok, 50_000 + noise, 90)]),
            (
                "<b>\u{202e}::error",
                &[(Outcome::Ok, slow + noise, 90), (Outcome::Http5xx, 100, 1)],
            ),
        ]);
        let run = &mut result.run;
        run.started_at = format!("2026-11-{:02}T10:00:00Z", number + 1);
        run.id = format!("202611{:02}T100000Z-ap-intake-smoke", number + 1);
        run.build = Some(format!("1.{number}"));
        match number {
            3 => run.service = "http://other:8000".into(),
            12 => run.machine.host = "new".into(),
            13 => run.build = Some("=cmd()<script>\u{1b}[31m::error".repeat(1_000)),
            18 => run.ending.as_mut().unwrap().signal = Some(2),
            _ => {}
        }
        HistoryRun::of(run.id.clone().into(), result)
    });
    History {
        series: series_of(runs.collect(), None, 30),
        unreadable: vec!["`x/result.json` is not a usable result: <i>\u{1b}[2J".to_owned()],
    }
}
