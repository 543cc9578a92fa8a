//! What the single lines of the dashboard say.
//!
//! Not here: where they stand (`dashboard`).

use ratatui::text::{Line, Span};

use super::board::{Board, EndpointNumbers, RECENT_S, SloNumbers, SloState};
use super::update::Update;
use super::view::{Keys, Tone, View, left, right};
use crate::metrics::{CPU_LIMITS, HealthSample, LAG_P99_US, WORKER_LIMITS};
use crate::plan::Percentile;
use crate::report::text::{harmless, shorten, width};
use crate::units::{
    format_count, format_counted, format_latency_us, format_percent, format_rate, format_users,
    trim_float,
};

/// The width of the bar; columns.
const LONGEST_BAR: usize = 40;
/// The width of a line about an SLO, so that its name and its value stay close; columns.
const WIDEST_SLO: usize = 64;
/// The width of names, so that their numbers stay close; columns.
const WIDEST_NAME: usize = 72;
/// The widths of the columns of numbers, from the least important one on the right.
const COLUMN: usize = 9;

/// How far the run is: `━━━━──── 42%  1m 20s left  steady`.
pub(super) fn progress(view: &View, columns: usize) -> Line<'static> {
    let (share, words) = &view.progress;
    let words = format!("{}%  {words}", (share * 100.0).floor());
    let words = shorten(&words, columns);
    let room = columns.saturating_sub(width(&words) + 2).min(LONGEST_BAR);
    let done = (share * room as f64) as usize;
    Line::from(vec![
        view.span(Tone::Good, "━".repeat(done)),
        view.span(Tone::Faint, "─".repeat(room - done)),
        Span::raw(if room > 0 { "  " } else { "" }),
        Span::raw(words),
    ])
}

/// Users, rates and counts, in as many lines as they take.
pub(super) fn numbers(update: &Update, view: &View, columns: u16) -> Vec<Line<'static>> {
    let live = &update.live;
    let mut parts = Vec::new();
    let rate = format_rate(live.rate_per_s);
    match update.is_open {
        true => {
            parts.push((
                Tone::Plain,
                format!("{rate} of {} planned", format_rate(update.level)),
            ));
            parts.push((
                Tone::Plain,
                format!("{} in flight", format_count(live.users.into())),
            ));
        }
        false => {
            let users = format_count(live.users.into());
            let planned = format_users(update.level.round() as u64);
            parts.push((Tone::Plain, format!("{users} of {planned}")));
            parts.push((Tone::Plain, rate));
        }
    }
    parts.push((Tone::Plain, format_counted(live.requests, "request")));
    parts.push((Tone::Good, format!("{} ok", format_count(live.successes))));
    parts.push(match live.failures {
        0 => (Tone::Plain, "0 failed".to_owned()),
        failures => {
            let share = format_percent(failures as f64 / live.requests.max(1) as f64);
            (
                Tone::Bad,
                format!("{} failed ({share})", format_count(failures)),
            )
        }
    });
    if live.dropped > 0 {
        let dropped = format_count(live.dropped);
        parts.push((Tone::Warning, format!("{dropped} dropped")));
    }
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (tone, text) in parts {
        let span = view.span(tone, text);
        match lines.last_mut() {
            Some(line) if line.width() + 2 + span.width() <= usize::from(columns) => {
                line.push_span("  ");
                line.push_span(span);
            }
            _ => lines.push(Line::from(span)),
        }
    }
    lines
}

/// That the load differs from its plan, if it does or did.
pub(super) fn state(update: &Update, view: &View) -> Option<Line<'static>> {
    let now = &update.adjustment;
    if !update.is_adjusted {
        return None;
    }
    let mut texts = Vec::new();
    if now.is_paused {
        texts.push("PAUSED".to_owned());
    }
    texts.extend(now.difference());
    texts.push("adjusted: no grade".to_owned());
    Some(Line::from(view.span(Tone::Warning, texts.join("  "))))
}

/// What the lines of the response times are, with their present values.
pub(super) fn chart_heading(board: &Board, view: &View) -> Line<'static> {
    let tones = [("p50", Tone::P50), ("p95", Tone::P95), ("p99", Tone::P99)];
    let mut line = Line::from(view.span(Tone::Heading, "Response times"));
    for ((name, tone), value) in tones.into_iter().zip(board.percentiles) {
        let value = value.map_or_else(|| "-".to_owned(), format_latency_us);
        line.push_span("  ");
        line.push_span(view.span(tone, format!("{name} {value}")));
    }
    line
}

/// The SLOs as they stand; nothing if there are none.
pub(super) fn slos(board: &Board, view: &View, columns: u16) -> Vec<Line<'static>> {
    let slos = &board.slos;
    if slos.is_empty() {
        return Vec::new();
    }
    let missed = slos.iter().filter(|slo| slo.state == SloState::Missed);
    let missed = missed.count();
    let heading = match missed {
        0 => "SLOs so far".to_owned(),
        missed => format!("SLOs so far: {missed} missed"),
    };
    let heading = Line::from(view.span(Tone::Heading, heading));
    let line = |slo: &SloNumbers| {
        let (mark, tone) = match slo.state {
            SloState::Met => ("✓", Tone::Good),
            SloState::Missed => ("✗", Tone::Bad),
            SloState::TooShort | SloState::NoData | SloState::AtEnd => ("·", Tone::Faint),
        };
        let value = match (&slo.value, slo.state) {
            (Some(value), _) => value,
            (None, SloState::AtEnd) => "at the end",
            (None, _) => "no data",
        };
        let numbers = format!("{value} {}", slo.limit);
        let columns = usize::from(columns).min(WIDEST_SLO);
        let room = columns.saturating_sub(width(&numbers) + 3);
        Line::from(vec![
            view.span(tone, format!("{mark} ")),
            Span::raw(left(&harmless(&slo.name), room)),
            Span::raw(" "),
            view.span(tone, numbers),
        ])
    };
    std::iter::once(heading)
        .chain(slos.iter().map(line))
        .collect()
}

/// The failures by their kinds; nothing if there are none.
pub(super) fn failures(board: &Board, view: &View, columns: u16) -> Vec<Line<'static>> {
    let failures = &board.failures;
    if failures.is_empty() {
        return Vec::new();
    }
    let heading = Line::from(view.span(Tone::Heading, "Failures"));
    let lines = failures.iter().map(|one| {
        let count = right(&format_count(one.count), COLUMN);
        let room = usize::from(columns).saturating_sub(width(&count) + 1);
        let name = shorten(&harmless(&one.name), room);
        Line::from(vec![
            view.span(Tone::Bad, count),
            Span::raw(format!(" {name}")),
        ])
    });
    std::iter::once(heading).chain(lines).collect()
}

/// The endpoints, as many columns as there is room for.
pub(super) fn endpoints(board: &Board, view: &View, columns: u16) -> Vec<Line<'static>> {
    type Column = (&'static str, fn(&EndpointNumbers) -> String);
    fn latency(us: Option<f64>) -> String {
        us.map_or_else(|| "-".to_owned(), format_latency_us)
    }
    let all: [Column; 7] = [
        ("requests", |one| format_count(one.requests)),
        ("rate", |one| format_rate(one.rate_per_s)),
        ("failed", |one| format_percent(one.failure_share())),
        ("recently", |one| format_percent(one.recent_failures)),
        ("p50", |one| latency(one.percentiles[0])),
        ("p95", |one| latency(one.percentiles[1])),
        ("p99", |one| latency(one.percentiles[2])),
    ];
    let shown: &[usize] = match columns {
        100.. => &[0, 1, 2, 3, 4, 5, 6],
        78.. => &[0, 1, 2, 3, 5],
        _ => &[0, 2, 5],
    };
    let rows: Vec<(String, &EndpointNumbers)> = (board.endpoints(view.order).into_iter())
        .map(|one| {
            let name = harmless(&one.name);
            let name = if one.is_flow {
                format!("{name} (flow)")
            } else {
                name
            };
            (name, one)
        })
        .collect();
    let heading = format!("Endpoints by {}", view.order.name());
    let names = rows.iter().map(|(name, _)| name.as_str());
    let widest = names.chain([heading.as_str()]).map(width).max();
    let room = usize::from(columns).saturating_sub(shown.len() * (COLUMN + 1));
    let of_names = room.min(widest.unwrap_or_default() + 2).min(WIDEST_NAME);
    let mut header = left(&heading, of_names);
    for which in shown {
        header += &format!(" {}", right(all[*which].0, COLUMN));
    }
    let mut lines = vec![Line::from(view.span(Tone::Heading, header))];
    for (name, one) in rows {
        let mut line = Line::from(left(&name, of_names));
        for which in shown {
            let tone = match which {
                2 if one.failures > 0 => Tone::Warning,
                3 if one.recent_failures > 0.0 => Tone::Bad,
                _ => Tone::Plain,
            };
            line.push_span(" ");
            line.push_span(view.span(tone, right(&(all[*which].1)(one), COLUMN)));
        }
        lines.push(line);
    }
    lines
}

/// How the load generator does.
pub(super) fn generator(board: &Board, view: &View, columns: usize) -> Line<'static> {
    let Some(health) = &board.health else {
        return Line::from(view.span(Tone::Faint, "generator: not measured yet"));
    };
    let late_us = Percentile::new(99.0).and_then(|p99| health.loop_lag.percentile(p99));
    let (words, tone) = generator_state(health, late_us);
    let mut text = format!(
        "generator {words}: CPU {}, worker {}",
        percent(health.cpu_share),
        percent(health.busiest_worker_share),
    );
    if let Some(us) = late_us {
        text += &format!(", timers {} late", format_latency_us(us));
    }
    if health.steal_share >= 0.01 {
        text += &format!(", steal {}", percent(health.steal_share));
    }
    Line::from(view.span(tone, shorten(&text, columns)))
}

fn generator_state(health: &HealthSample, late_us: Option<f64>) -> (&'static str, Tone) {
    let shares = [
        (health.cpu_share, CPU_LIMITS),
        (health.busiest_worker_share, WORKER_LIMITS),
    ];
    let above = |which: usize| shares.iter().any(|(share, limits)| *share > limits[which]);
    match () {
        () if above(1) => ("overloaded", Tone::Bad),
        () if above(0) => ("busy", Tone::Warning),
        () if late_us.is_some_and(|us| us > LAG_P99_US) => ("late", Tone::Warning),
        () => ("ok", Tone::Faint),
    }
}

fn percent(share: f64) -> String {
    format!("{}%", trim_float(share * 100.0, 0))
}

/// The keys in one line, as many as there is room for.
pub(super) fn keys(view: &View, columns: usize) -> Line<'static> {
    let load: &[&str] = match view.keys {
        Keys::Users | Keys::FewerUsers(_) => &["w/s 1 user", "W/S 10 users"],
        Keys::Rate => &["w/s 10% rate", "W/S 100%"],
        Keys::Nothing(_) => &[],
    };
    let mut line = String::new();
    for key in load
        .iter()
        .chain(&["p pause", "e sort", "q stop", "? keys"])
    {
        if !line.is_empty() {
            line.push_str("  ");
        }
        line.push_str(key);
    }
    Line::from(view.span(Tone::Faint, shorten(&line, columns)))
}

/// What each key does.
pub(super) fn help(view: &View) -> Vec<String> {
    let mut lines: Vec<String> = match view.keys {
        Keys::Users => vec![
            "w  W   add 1 or 10 users".into(),
            "s  S   take 1 or 10 users, after their iteration".into(),
        ],
        Keys::FewerUsers(why) => vec![
            "s  S   take 1 or 10 users, after their iteration".into(),
            "w  W   put 1 or 10 of them back".into(),
            format!("       no more than planned: {why}"),
        ],
        Keys::Rate => vec![
            "w  W   raise the rate by 10% or 100% of the plan".into(),
            "s  S   lower it".into(),
        ],
        Keys::Nothing(why) => vec!["w s    do nothing here:".into(), format!("       {why}")],
    };
    lines.extend([
        "p      pause: nothing new starts; time goes on".to_owned(),
        "e      sort the endpoints by something else".to_owned(),
        "q      stop; once more: at once (as Ctrl-C)".to_owned(),
        "?      close this".to_owned(),
        String::new(),
        format!("Rates, times and what failed recently: the last {RECENT_S} s."),
        "A run whose load was changed has no grade.".to_owned(),
    ]);
    lines
}
