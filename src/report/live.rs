//! The live display of a run: a progress area on a terminal, otherwise a line every ten seconds.
//! It goes to stderr, so that stdout holds only the report.

mod area;

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use self::area::LiveArea;
use super::text::{harmless, is_ascii_wanted, on_screen, terminal_columns, width};
use crate::metrics::LiveSnapshot;
use crate::units::{
    format_count, format_counted, format_duration, format_latency_us, format_percent, format_rate,
    format_users,
};

/// The width of the bar; columns.
const LONGEST_BAR: usize = 30;
/// A shorter bar is left out; columns.
const LEAST_BAR: usize = 8;
/// How often a line is written if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayMode {
    /// A progress area that is redrawn every second.
    Area,
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
            // A dumb terminal cannot remove what it shows.
            false
                if stderr().is_terminal()
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb") =>
            {
                Self::Area
            }
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
    area: RefCell<LiveArea>,
    next_line: Duration,
}

impl LiveDisplay {
    /// A display for a load of this length or this many iterations, whichever ends first.
    pub fn new(total: Option<Duration>, iterations: Option<u64>, mode: DisplayMode) -> Self {
        Self {
            total,
            iterations,
            mode,
            area: RefCell::default(),
            next_line: LINE_EVERY,
        }
    }

    /// Shows the state of a second.
    pub fn update(&mut self, update: &Update) {
        match self.mode {
            DisplayMode::Off => {}
            DisplayMode::Area => {
                let columns = terminal_columns(&stderr());
                let lines = self.area_lines(update, columns);
                // A closed stderr must not stop a run.
                let _ = self.area.get_mut().draw(lines, columns, &mut stderr());
            }
            DisplayMode::Lines if update.elapsed >= self.next_line => {
                while self.next_line <= update.elapsed {
                    self.next_line += LINE_EVERY;
                }
                let numbers = numbers(update).join("  ");
                write_line(&format!("{}  {numbers}", self.time(update)));
            }
            DisplayMode::Lines => {}
        }
    }

    /// Shows a note above the progress area; in every mode.
    pub fn note(&self, text: &str) {
        let columns = terminal_columns(&stderr());
        let mut area = self.area.borrow_mut();
        let lines = area.clear(columns, &mut stderr()).unwrap_or_default();
        write_line(&harmless(text));
        let _ = area.draw(lines, columns, &mut stderr());
    }

    /// Removes the progress area.
    pub fn finish(&self) {
        let columns = terminal_columns(&stderr());
        let _ = self.area.borrow_mut().clear(columns, &mut stderr());
    }

    /// How far the run is, and its numbers, as wide as the terminal.
    fn area_lines(&self, update: &Update, columns: usize) -> Vec<String> {
        let share = self.share_done(update);
        let percent = (share * 100.0).floor();
        let progress = format!("{percent}%  {}", self.time(update));
        let left = columns.saturating_sub(width(&progress) + 2);
        let mut lines = vec![match left {
            0..LEAST_BAR => progress,
            left => format!("{} {progress}", bar(share, left.min(LONGEST_BAR))),
        }];
        let mut line = String::new();
        for part in numbers(update) {
            // One less than there are: a full line could be broken by the terminal.
            if !line.is_empty() && width(&line) + 2 + width(&part) >= columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(&part);
        }
        lines.push(line);
        lines
            .iter()
            .map(|line| on_screen(line).into_owned())
            .collect()
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

/// `5 users`, `1,000 requests`, `480/s`, `p95 41.2 ms in 10 s`, `990 ok`, `10 failed (1%)`.
fn numbers(update: &Update) -> Vec<String> {
    let live = &update.live;
    let mut parts = vec![
        match update.is_open {
            true => format!("{} in flight", format_count(live.users.into())),
            false => format_users(live.users.into()),
        },
        format_counted(live.requests, "request"),
        format_rate(live.rate_per_s),
    ];
    parts.extend(live.p95_us.map(|p95| {
        let window = Duration::from_secs(live.p95_window_s as u64);
        format!(
            "p95 {} in {}",
            format_latency_us(p95),
            format_duration(window)
        )
    }));
    parts.push(format!("{} ok", format_count(live.successes)));
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
    parts
}

/// A bar of `columns`, of which `share` (0..=1) is drawn thick.
fn bar(share: f64, columns: usize) -> String {
    let done = (share * columns as f64) as usize;
    let (thick, thin) = match is_ascii_wanted() {
        true => ("#", "-"),
        false => ("━", "─"),
    };
    thick.repeat(done) + &thin.repeat(columns - done)
}

fn stderr() -> std::io::Stderr {
    std::io::stderr()
}

/// A closed stderr must not stop a run.
fn write_line(text: &str) {
    let _ = writeln!(stderr(), "{}", on_screen(text));
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
                p95_window_s: 10,
                requests: 1_000,
                successes: 990,
                failures: 10,
                dropped: 0,
            },
            phase: "steady".into(),
            is_open: false,
            elapsed: Duration::from_millis(elapsed_ms),
        }
    }

    #[test]
    fn the_numbers_are_told_in_a_line() {
        assert_eq!(
            numbers(&update(0)).join("  "),
            "50 users  1,000 requests  480/s  p95 41.2 ms in 10s  990 ok  10 failed (1%)"
        );
        let mut idle = update(0);
        (idle.live.p95_us, idle.live.failures, idle.live.dropped) = (None, 0, 7);
        assert_eq!(
            numbers(&idle).join("  "),
            "50 users  1,000 requests  480/s  990 ok  0 failed  7 dropped"
        );
        idle.is_open = true;
        assert_eq!(numbers(&idle)[0], "50 in flight");
    }

    #[test]
    fn the_area_is_as_wide_as_the_terminal() {
        let display = LiveDisplay::new(Some(Duration::from_secs(120)), None, DisplayMode::Off);
        let lines = |columns| display.area_lines(&update(60_000), columns);
        assert_eq!(
            lines(50),
            [
                "━━━━━━━━━━━━━━────────────── 50%  1m left  steady",
                "50 users  1,000 requests  480/s",
                "p95 41.2 ms in 10s  990 ok  10 failed (1%)",
            ]
        );
        assert_eq!(lines(200).len(), 2);
        for columns in [20, 30, 40, 79, 80] {
            let fits = |line: &String| width(line) < columns.max(26);
            assert!(lines(columns).iter().all(fits), "{:?}", lines(columns));
        }
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
