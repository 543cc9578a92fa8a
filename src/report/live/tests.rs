//! The progress in lines, and the dashboard.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Style};
use snapbox::{assert_data_eq, file};

use super::*;
use crate::metrics::{
    Cell, CommitCell, FailureCount, HealthSample, LiveSnapshot, Outcome, SparseHistogram, fixture,
};
use crate::plan::fixture::{load, plan};
use crate::plan::{Metric, Model, Percentile, SloScope};

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
        level: 50.0,
        adjustment: Adjustment::NONE,
        is_adjusted: false,
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

/// Names that try to control the terminal, and some that are very long.
const NAMES: [&str; 6] = [
    "health",
    "list invoices",
    "\u{1b}[31mred\u{1b}[2J",
    "請求書を一覧する 請求書を一覧する 請求書を一覧する 請求書を一覧する 請求書を一覧する",
    "a name that is so very long that no terminal has a line for it, whatever its width may be, and that goes on \
     until nobody wants to read it any more, and then a bit, so that a screen of 200 columns cuts it, too",
    "::error::x",
];

/// A run of a minute, in which one endpoint fails more and more and all become slower.
fn board() -> Board {
    let mut plan = plan(
        load(Model::Closed, &[(50.0, 10.0, 300.0)]),
        &[1; NAMES.len()],
    );
    for (endpoint, name) in plan.endpoints.iter_mut().zip(NAMES) {
        endpoint.name = name.to_owned();
    }
    plan.scenario = "shop".into();
    plan.profile = "medium".into();
    let p = |percent| Metric::ResponseTime(Percentile::new(percent).unwrap());
    let mut of_endpoint = fixture::slo("p99", p(99.0), 250_000.0);
    of_endpoint.scope = SloScope::Endpoint(NAMES[1].to_owned());
    let mut windowed = fixture::slo("p95", p(95.0), 300_000.0);
    windowed.window_s = Some(60);
    plan.slos = vec![
        fixture::slo("p95", p(95.0), 200_000.0),
        of_endpoint,
        fixture::slo("error_rate", Metric::ErrorRate, 0.01),
        fixture::slo("throughput_rps", Metric::Throughput, 10.0),
        windowed,
    ];
    let mut board = Board::new(&plan, "https://shop.example.com");
    for second in 0..70 {
        board.second(&commit(second));
    }
    board
}

fn commit(second: u64) -> Commit {
    let failure = |status, count| FailureCount {
        outcome: Outcome::Http5xx,
        status: Some(status),
        key: None,
        check: None,
        count,
        example: None,
        excerpt: None,
    };
    let cells = (0..NAMES.len()).map(|endpoint| {
        let fastest = (endpoint as u64 + 1) * 20_000 + second * 500;
        let mut times: Vec<u64> = (0..20).map(|n| fastest + n * n * 300).collect();
        let mut cell = Cell {
            response: SparseHistogram::of(&mut times),
            ..Cell::default()
        };
        cell.outcomes.insert(Outcome::Ok, 20);
        let failed = if endpoint == 2 { second / 10 } else { 0 };
        if failed > 0 {
            cell.outcomes.insert(Outcome::Http5xx, failed);
            cell.failure_counts.add(failure(503, failed - failed / 3));
            cell.failure_counts.add(failure(500, failed / 3));
        }
        CommitCell {
            phase: usize::from(second >= 10),
            second: if second >= 10 { second - 10 } else { second },
            endpoint,
            cell,
        }
    });
    Commit {
        users: 50,
        cells: cells.collect(),
        health: Some(HealthSample {
            cpu_share: 0.12,
            busiest_worker_share: 0.23,
            loop_lag: SparseHistogram::of(&mut [100; 50]),
            ..HealthSample::default()
        }),
        ..Commit::default()
    }
}

fn view() -> View {
    let display = LiveDisplay::new(Some(Duration::from_secs(310)), None, DisplayMode::Off);
    let update = update(70_000);
    View {
        has_colors: true,
        progress: (display.share_done(&update), display.time(&update)),
        ..View::default()
    }
}

/// The screen as text, and the styles that are on it.
fn screen(
    board: &Board,
    (columns, rows): (u16, u16),
    update: &Update,
    view: &View,
) -> (String, Vec<Style>) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| dashboard::draw(frame, board, Some(update), view);
    let buffer = terminal.draw(draw).unwrap().buffer.clone();
    let mut text = String::new();
    for row in buffer.content.chunks(columns.into()) {
        let mut line = String::new();
        let mut covered = 0;
        for cell in row {
            if covered == 0 {
                line += cell.symbol();
                covered = width(cell.symbol());
            }
            covered = covered.saturating_sub(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    let styles = buffer.content.iter().map(|cell| cell.style()).collect();
    (text, styles)
}

#[test]
fn the_dashboard_fits_screens_of_many_sizes() {
    let board = board();
    let text = |size| screen(&board, size, &update(70_000), &view()).0;
    assert_data_eq!(text((60, 20)), file!["../golden/dashboard-60x20.txt"].raw());
    assert_data_eq!(text((80, 24)), file!["../golden/dashboard-80x24.txt"].raw());
    assert_data_eq!(
        text((120, 40)),
        file!["../golden/dashboard-120x40.txt"].raw()
    );
    assert_data_eq!(
        text((200, 50)),
        file!["../golden/dashboard-200x50.txt"].raw()
    );
    for columns in (1..140).step_by(3) {
        for rows in [1, 2, 5, 10, 15, 16, 18, 30] {
            let text = text((columns, rows));
            assert!(!text.contains('\u{1b}'), "{columns}x{rows}");
            let fits = |line: &str| width(line) <= columns.into();
            assert!(text.lines().all(fits), "{text}");
        }
    }
}

#[test]
fn what_keys_changed_and_how_to_use_them_is_on_the_screen() {
    let mut paused = update(70_000);
    paused.is_open = true;
    paused.level = 0.0;
    paused.is_adjusted = true;
    paused.adjustment = Adjustment {
        at_us: 0,
        users: 0,
        rate_percent: 120,
        is_paused: true,
        ..Adjustment::NONE
    };
    let view = View {
        is_help: true,
        keys: Keys::Rate,
        note: Some("stopping: waiting for requests in flight".into()),
        ..view()
    };
    let text = screen(&board(), (80, 24), &paused, &view).0;
    assert_data_eq!(text, file!["../golden/dashboard-keys.txt"].raw());
}

#[test]
fn a_terminal_for_ascii_without_colors_gets_neither() {
    let view = View {
        is_ascii: true,
        has_colors: false,
        ..view()
    };
    let (text, styles) = screen(&board(), (100, 30), &update(70_000), &view);
    assert!(text.is_ascii(), "{text}");
    let is_plain = |style: &Style| style.fg.is_none_or(|color| color == Color::Reset);
    assert!(styles.iter().all(is_plain));
    assert_data_eq!(text, file!["../golden/dashboard-ascii.txt"].raw());
}

#[test]
fn endpoints_are_sorted_by_trouble_first() {
    use board::Order;
    let board = board();
    let first = |order| board.endpoints(order)[0].name.clone();
    assert_eq!(first(Order::Trouble), NAMES[2]);
    assert_eq!(first(Order::P95), NAMES[5]);
    assert_eq!(first(Order::Requests), NAMES[2]);
    assert_eq!(first(Order::Name), NAMES[2]);
    let next = Order::default().next().next().next().next();
    assert_eq!(next, Order::Trouble);
}

#[test]
fn slos_stand_as_the_measured_seconds_say() {
    use board::SloState;
    let mut board = board();
    let of = |board: &Board, name: &str| {
        let slo = board.slos.iter().find(|slo| slo.name == name).unwrap();
        (slo.value.clone().unwrap_or_default(), slo.state)
    };
    assert_eq!(
        of(&board, "throughput_rps"),
        ("120/s".to_owned(), SloState::Met)
    );
    // After the ramp, 60 x 120 succeeded and 10 x (1 + 2 + ... + 6) failed.
    assert_eq!(
        of(&board, "error_rate"),
        ("2.83%".to_owned(), SloState::Missed)
    );
    assert_eq!(
        board.slos[0].state,
        SloState::Missed,
        "those that are missed come first"
    );
    // Of the last second, late responses may be missing.
    let (value, state) = of(&board, "p95 in the worst 1m");
    assert_eq!(state, SloState::TooShort);
    assert!(value.ends_with("ms in 59s"), "{value}");
    board.second(&commit(70));
    let (value, state) = of(&board, "p95 in the worst 1m");
    assert_eq!(state, SloState::Met);
    assert!(value.ends_with("ms"), "{value}");
    of(&board, "list invoices: p99");
    // What is waited for after the load has ended is no measured time.
    for _ in 0..10 {
        board.second(&Commit {
            stopped_at_us: Some(71_000_000),
            ..Commit::default()
        });
    }
    assert_eq!(
        of(&board, "throughput_rps"),
        ("120/s".to_owned(), SloState::Met)
    );
}
