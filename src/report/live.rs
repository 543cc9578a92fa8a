//! The live display of a run: a progress area on a terminal, otherwise a line every ten seconds.
//! It goes to stderr, so that stdout holds only the report.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::harmless;
use crate::metrics::LiveSnapshot;
use crate::units::{
    format_count, format_duration, format_latency_us, format_percent, format_rate, format_users,
};

/// How often a line is written if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayMode {
    /// A progress area that is redrawn every second.
    Bar,
    /// A line every ten seconds.
    Lines,
    /// Only notes.
    Off,
}

impl DisplayMode {
    /// The mode that fits stderr; `off` is what `--quiet` and `--no-progress` ask for.
    pub fn detect(off: bool) -> Self {
        match off {
            true => Self::Off,
            false if std::io::stderr().is_terminal() => Self::Bar,
            false => Self::Lines,
        }
    }
}

/// What is shown of a running test.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The numbers.
    pub live: LiveSnapshot,
    /// Name of the phase.
    pub phase: String,
    /// Since the start of the load.
    pub elapsed: Duration,
    /// Whether the load is an open model, whose users are requests in flight.
    pub is_open: bool,
}

/// The display of a running test.
pub struct LiveDisplay {
    total: Option<Duration>,
    iterations: Option<u64>,
    mode: DisplayMode,
    bar: ProgressBar,
    next_line: Duration,
}

impl LiveDisplay {
    /// A display for a load of this length or this many iterations, whichever ends first.
    pub fn new(total: Option<Duration>, iterations: Option<u64>, mode: DisplayMode) -> Self {
        let bar = match mode {
            DisplayMode::Bar => ProgressBar::new(1000),
            DisplayMode::Lines | DisplayMode::Off => {
                ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::hidden())
            }
        };
        let style = ProgressStyle::with_template("{bar:30.cyan/dim} {prefix}\n{msg}");
        // The template is constant; if it were wrong, the default would still show the progress.
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self {
            total,
            iterations,
            mode,
            bar,
            next_line: LINE_EVERY,
        }
    }

    /// Shows the state of a second.
    pub fn update(&mut self, update: &Update) {
        match self.mode {
            DisplayMode::Off => {}
            DisplayMode::Bar => {
                let share = self.share_done(update);
                self.bar.set_position((share * 1000.0) as u64);
                let percent = (share * 100.0).floor();
                self.bar
                    .set_prefix(format!("{percent}%  {}", self.time(update)));
                self.bar.set_message(numbers(update));
            }
            DisplayMode::Lines if update.elapsed >= self.next_line => {
                while self.next_line <= update.elapsed {
                    self.next_line += LINE_EVERY;
                }
                let text = format!("{}  {}", self.time(update), numbers(update));
                write_line(&text);
            }
            DisplayMode::Lines => {}
        }
    }

    /// Shows a note above the progress area; in every mode.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| write_line(&harmless(text)));
    }

    /// Removes the progress area.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// How much of the load is done; 0..=1.
    fn share_done(&self, update: &Update) -> f64 {
        let of_time = self
            .total
            .filter(|total| !total.is_zero())
            .map(|total| update.elapsed.as_secs_f64() / total.as_secs_f64());
        let of_requests = self
            .iterations
            .filter(|iterations| *iterations > 0)
            .map(|iterations| update.live.requests as f64 / iterations as f64);
        let share = of_time.into_iter().chain(of_requests).fold(0.0, f64::max);
        share.min(1.0)
    }

    /// Where in the run it is: `1m 20s left  steady`.
    fn time(&self, update: &Update) -> String {
        let whole = |time: Duration| format_duration(Duration::from_secs(time.as_secs()));
        let phase = harmless(&update.phase);
        match (self.total, self.iterations) {
            (_, Some(iterations)) => format!(
                "{} of {} iterations  {phase}",
                format_count(update.live.requests.min(iterations)),
                format_count(iterations)
            ),
            (Some(total), None) if update.elapsed >= total => {
                "waiting for the last responses".to_owned()
            }
            (Some(total), None) => {
                // Half a second more, so that a tick that comes slightly late does not show a second less.
                let left = total.saturating_sub(update.elapsed) + Duration::from_millis(500);
                format!("{} left  {phase}", whole(left))
            }
            (None, None) => format!("{}  {phase}", whole(update.elapsed)),
        }
    }
}

/// `5 users  480/s  p95 41.2 ms  12 failed (0.1%)`.
fn numbers(update: &Update) -> String {
    let live = &update.live;
    let mut parts = vec![
        match update.is_open {
            true => format!("{} in flight", format_count(live.users.into())),
            false => format_users(live.users.into()),
        },
        format_rate(live.rate_per_s),
    ];
    parts.extend(
        live.p95_us
            .map(|p95| format!("p95 {}", format_latency_us(p95))),
    );
    parts.push(match live.failures {
        0 => "0 failed".to_owned(),
        failures => format!(
            "{} failed ({})",
            format_count(failures),
            format_percent(failures as f64 / live.requests.max(1) as f64)
        ),
    });
    if live.dropped > 0 {
        parts.push(format!("{} dropped", format_count(live.dropped)));
    }
    parts.join("  ")
}

/// A closed stderr must not stop a run.
fn write_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(elapsed_ms: u64) -> Update {
        Update {
            live: LiveSnapshot {
                users: 50,
                rate_per_s: 480.0,
                p95_us: Some(41_200.0),
                requests: 1_000,
                failures: 10,
                dropped: 0,
            },
            phase: "steady".into(),
            is_open: false,
            elapsed: Duration::from_millis(elapsed_ms),
        }
    }

    #[test]
    fn the_numbers_are_on_one_line() {
        assert_eq!(
            numbers(&update(0)),
            "50 users  480/s  p95 41.2 ms  10 failed (1%)"
        );
        let mut idle = update(0);
        (idle.live.p95_us, idle.live.failures, idle.live.dropped) = (None, 0, 7);
        assert_eq!(numbers(&idle), "50 users  480/s  0 failed  7 dropped");
        idle.is_open = true;
        assert!(numbers(&idle).starts_with("50 in flight  480/s"));
    }

    #[test]
    fn time_left_by_duration_or_iterations() {
        let timed = LiveDisplay::new(Some(Duration::from_secs(120)), None, DisplayMode::Off);
        assert_eq!(timed.time(&update(40_020)), "1m 20s left  steady");
        assert_eq!(
            timed.time(&update(121_000)),
            "waiting for the last responses"
        );
        assert_eq!(timed.share_done(&update(30_000)), 0.25);
        assert_eq!(timed.share_done(&update(999_000)), 1.0);
        let counted = LiveDisplay::new(
            Some(Duration::from_secs(86_400)),
            Some(4_000),
            DisplayMode::Off,
        );
        assert_eq!(
            counted.time(&update(0)),
            "1,000 of 4,000 iterations  steady"
        );
        assert_eq!(counted.share_done(&update(0)), 0.25);
    }

    #[test]
    fn without_a_terminal_there_is_one_line_every_ten_seconds() {
        let mut display = LiveDisplay::new(None, None, DisplayMode::Lines);
        let mut lines = 0;
        for second in 1..=60 {
            let before = display.next_line;
            display.update(&update(second * 1_000));
            lines += u32::from(display.next_line != before);
        }
        assert_eq!(lines, 6);
        // A stall of the generator is not followed by a burst of lines.
        display.update(&update(300_000));
        assert_eq!(display.next_line, Duration::from_secs(310));
    }
}
