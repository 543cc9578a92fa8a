//! The live display of a run: a dashboard or a progress area on a terminal, otherwise a line every ten
//! seconds. It goes to stderr, so that stdout holds only the report.

mod area;
mod board;
mod dashboard;
mod screen;
mod sections;
#[cfg(test)]
mod tests;
mod update;
mod view;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};

use self::area::LiveArea;
use self::board::Board;
use self::screen::Screen;
use self::view::View;
use super::text::{harmless, is_ascii_wanted, on_screen, terminal_columns, width};
use crate::metrics::{Adjustment, Commit};
use crate::plan::Plan;
use crate::units::{
    format_count, format_counted, format_duration, format_latency_us, format_percent, format_rate,
    format_users,
};

pub use self::screen::{leave, tell, tell_of_panic};
pub use self::update::Update;
pub use self::view::Keys;

/// The width of the bar; columns.
const LONGEST_BAR: usize = 30;
/// A shorter bar is left out; columns.
const LEAST_BAR: usize = 8;
/// How often a line is written if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayMode {
    /// The whole terminal.
    Dashboard,
    /// A progress area that is redrawn every second.
    Area,
    /// A line every ten seconds.
    Lines,
    /// Only notes.
    Off,
}

impl DisplayMode {
    /// The mode that fits the terminal; `off` is what `--quiet` and `--no-progress` ask for. A dashboard only if
    /// it `may_fill` the terminal.
    pub fn detect(off: bool, may_fill: bool) -> Self {
        match off {
            true => Self::Off,
            false if may_fill && has_room_for_dashboard() => Self::Dashboard,
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

/// Whether somebody sits at a terminal that is large enough, and whose keys are ours: a program in the background
/// that asks for them is stopped.
fn has_room_for_dashboard() -> bool {
    let variable =
        |name| std::env::var_os(name).filter(|value: &std::ffi::OsString| !value.is_empty());
    let is_capable = variable("TERM").is_some_and(|term| term != OsStr::new("dumb"));
    let is_terminal = stdin().is_terminal() && stdout().is_terminal() && stderr().is_terminal();
    let is_large = tcgetwinsize(stderr()).is_ok_and(|size| {
        size.ws_col >= dashboard::LEAST_SIZE.0 && size.ws_row >= dashboard::LEAST_SIZE.1
    });
    let is_in_foreground = || tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp());
    is_capable && variable("CI").is_none() && is_terminal && is_large && is_in_foreground()
}

/// The display of a running test.
pub struct LiveDisplay {
    total: Option<Duration>,
    iterations: Option<u64>,
    mode: DisplayMode,
    area: RefCell<LiveArea>,
    next_line: Duration,
    dashboard: RefCell<Option<Dashboard>>,
}

/// The dashboard that is shown.
struct Dashboard {
    screen: Screen,
    board: Board,
    view: View,
    update: Option<Update>,
}

impl Dashboard {
    fn draw(&mut self) {
        let (board, update, view) = (&self.board, self.update.as_ref(), &self.view);
        self.screen
            .draw(|frame| dashboard::draw(frame, board, update, view));
    }
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
            dashboard: RefCell::default(),
        }
    }

    /// Fills the terminal with the dashboard, if that is the mode: of a run of this plan against the service at
    /// `base`, with keys that do this. Without it, there is the progress area. `true` if keys are to be read.
    pub fn fill(&mut self, plan: &Plan, base: &str, keys: Keys) -> bool {
        if self.mode != DisplayMode::Dashboard {
            return false;
        }
        let Ok(screen) = Screen::enter() else {
            self.mode = DisplayMode::Area;
            return false;
        };
        let mut dashboard = Dashboard {
            screen,
            board: Board::new(plan, base),
            view: View {
                is_ascii: is_ascii_wanted(),
                has_colors: AutoStream::choice(&stderr()) != ColorChoice::Never,
                keys,
                progress: (0.0, "starting".to_owned()),
                ..View::default()
            },
            update: None,
        };
        dashboard.draw();
        *self.dashboard.get_mut() = Some(dashboard);
        true
    }

    /// Takes in what ended in the next second. Costs nothing without a dashboard.
    pub fn second(&mut self, commit: &Commit) {
        if let Some(dashboard) = self.dashboard.get_mut() {
            dashboard.board.second(commit);
        }
    }

    /// Takes in how the load now differs from its plan, without a new second.
    pub fn adjusted(&mut self, level: f64, adjustment: Adjustment) {
        let dashboard = self.dashboard.get_mut().as_mut();
        if let Some(update) = dashboard.and_then(|dashboard| dashboard.update.as_mut()) {
            update.level = level;
            update.adjustment = adjustment;
            update.is_adjusted = true;
        }
    }

    /// Sorts the endpoints by something else.
    pub fn reorder(&mut self) {
        if let Some(dashboard) = self.dashboard.get_mut() {
            dashboard.view.order = dashboard.view.order.next();
        }
    }

    /// Explains the keys, or no more.
    pub fn toggle_help(&mut self) {
        if let Some(dashboard) = self.dashboard.get_mut() {
            dashboard.view.is_help = !dashboard.view.is_help;
        }
    }

    /// Forgets what is on the screen, as for a terminal of another size.
    pub fn forget(&mut self) {
        if let Some(dashboard) = self.dashboard.get_mut() {
            dashboard.screen.forget();
        }
    }

    /// Draws the dashboard without a new second, as keys have changed it.
    pub fn draw(&mut self) {
        if let Some(dashboard) = self.dashboard.get_mut() {
            dashboard.draw();
        }
    }

    /// Shows the state of a second.
    pub fn update(&mut self, update: &Update) {
        match self.mode {
            DisplayMode::Off => {}
            DisplayMode::Dashboard => {
                let progress = (self.share_done(update), self.time(update));
                if let Some(dashboard) = self.dashboard.get_mut() {
                    dashboard.view.progress = progress;
                    dashboard.update = Some(update.clone());
                    dashboard.draw();
                }
            }
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
                tell(&format!("{}  {numbers}", self.time(update)));
            }
            DisplayMode::Lines => {}
        }
    }

    /// Shows a note above the progress area; in every mode. On the dashboard, too, where it stays until the next one.
    pub fn note(&self, text: &str) {
        if let Some(dashboard) = &mut *self.dashboard.borrow_mut() {
            dashboard.view.note = Some(text.to_owned());
            tell(&harmless(text));
            dashboard.draw();
            return;
        }
        let columns = terminal_columns(&stderr());
        let mut area = self.area.borrow_mut();
        let lines = area.clear(columns, &mut stderr()).unwrap_or_default();
        tell(&harmless(text));
        let _ = area.draw(lines, columns, &mut stderr());
    }

    /// Removes the progress area, or leaves the dashboard.
    pub fn finish(&self) {
        self.dashboard.take();
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
