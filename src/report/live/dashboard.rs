//! The dashboard: how the numbers of a running test look on a whole screen.
//!
//! Here: what stands where, for any size of the screen. Not here: the numbers (`board`), what single lines say
//! (`sections`), and the terminal (`screen`).

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Clear, Dataset, GraphType, Paragraph};

use super::board::{Board, Percentiles, SHOWN_S};
use super::sections;
use super::update::Update;
use super::view::{Tone, View};
use crate::report::text::{harmless, shorten, to_ascii};
use crate::units::format_latency_us;

/// The smallest screen with a dashboard: columns and rows.
pub(super) const LEAST_SIZE: (u16, u16) = (60, 15);
/// From this width on, SLOs and failures stand beside each other; columns.
const SIDE_BY_SIDE: u16 = 80;
/// From this width on, they stand beside the response times; columns.
const BESIDE_CHART: u16 = 110;
/// Rows of the chart with its heading.
const LEAST_CHART: u16 = 6;
const MOST_CHART: u16 = 14;
/// Rows of the endpoints with their headings.
const LEAST_ENDPOINTS: u16 = 4;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, update: Option<&Update>, view: &View) {
    let area = frame.area();
    if area.width < LEAST_SIZE.0 || area.height < LEAST_SIZE.1 {
        draw_small(frame, update, view);
    } else {
        draw_whole(frame, board, update, view);
        if view.is_help {
            draw_help(frame, view);
        }
    }
    if view.is_ascii {
        make_ascii(frame.buffer_mut());
    }
}

/// On a screen that has become too small.
fn draw_small(frame: &mut Frame<'_>, update: Option<&Update>, view: &View) {
    let mut lines = vec![sections::progress(view, usize::from(frame.area().width))];
    lines.extend(
        update
            .map(|update| sections::numbers(update, view, frame.area().width))
            .unwrap_or_default(),
    );
    let (columns, rows) = LEAST_SIZE;
    lines.push(Line::from(format!(
        "the dashboard needs {columns} columns and {rows} rows"
    )));
    frame.render_widget(Paragraph::new(lines), frame.area());
}

fn draw_whole(frame: &mut Frame<'_>, board: &Board, update: Option<&Update>, view: &View) {
    let area = frame.area();
    let columns = usize::from(area.width);
    let title = shorten(&harmless(&board.title), columns);
    let mut top = vec![
        Line::from(view.span(Tone::Heading, title)),
        sections::progress(view, columns),
    ];
    if let Some(update) = update {
        top.extend(sections::numbers(update, view, area.width));
        top.extend(sections::state(update, view));
    }
    let mut bottom = vec![sections::generator(board, view, columns)];
    if let Some(note) = &view.note {
        let note = shorten(&harmless(note), columns);
        bottom.push(Line::from(view.span(Tone::Warning, note)));
    }
    bottom.push(sections::keys(view, columns));
    let [top_area, body, bottom_area] = Layout::vertical([
        Constraint::Length(top.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(bottom.len() as u16),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(top), top_area);
    frame.render_widget(Paragraph::new(bottom), bottom_area);
    match area.width {
        BESIDE_CHART.. => draw_wide(frame, board, view, body),
        _ => draw_narrow(frame, board, view, body),
    }
}

/// The response times with SLOs and failures beside them, over the endpoints.
fn draw_wide(frame: &mut Frame<'_>, board: &Board, view: &View, body: Rect) {
    let room = body.height.saturating_sub(LEAST_ENDPOINTS);
    let upper = body.height.saturating_sub(endpoint_rows(board));
    let upper = upper
        .clamp(body.height / 3, MOST_CHART.max(body.height / 2))
        .min(room);
    let [upper, lower] =
        Layout::vertical([Constraint::Length(upper), Constraint::Fill(1)]).areas(body);
    let [left, _, right] = Layout::horizontal([
        Constraint::Fill(3),
        Constraint::Length(2),
        Constraint::Fill(2),
    ])
    .areas(upper);
    draw_chart(frame, board, view, left);
    let slos = sections::slos(board, view, right.width);
    let failures = sections::failures(board, view, right.width);
    let for_slos = match failures.is_empty() {
        true => right.height,
        false => {
            (slos.len() as u16).min(right.height - (failures.len() as u16).min(right.height / 2))
        }
    };
    let [first, second] =
        Layout::vertical([Constraint::Length(for_slos), Constraint::Fill(1)]).areas(right);
    draw_lines(frame, slos, view, first);
    draw_lines(frame, failures, view, second);
    draw_endpoints(frame, board, view, lower);
}

/// Everything below each other, SLOs and failures beside each other if there is room.
fn draw_narrow(frame: &mut Frame<'_>, board: &Board, view: &View, body: Rect) {
    let is_side_by_side = body.width >= SIDE_BY_SIDE;
    let each = match is_side_by_side {
        true => (body.width - 2) / 2,
        false => body.width,
    };
    let slos = sections::slos(board, view, each);
    let failures = sections::failures(board, view, each);
    let (of_slos, of_failures) = (slos.len() as u16, failures.len() as u16);
    let wanted = endpoint_rows(board).min(LEAST_ENDPOINTS + 3);
    let left = body.height.saturating_sub(wanted);
    let (of_slos, of_failures) = match is_side_by_side {
        true => (of_slos.min(left).min(7), of_failures.min(left).min(7)),
        // Half of the room, unless there are few SLOs.
        false => {
            let of_failures = of_failures.min((left / 2).max(left.saturating_sub(of_slos)));
            (of_slos.min(left - of_failures), of_failures)
        }
    };
    let both = match is_side_by_side {
        true => of_slos.max(of_failures),
        false => of_slos + of_failures,
    };
    let chart = match left - both {
        0..LEAST_CHART => 0,
        rows => rows.min(MOST_CHART),
    };
    let [chart, both, lower] = Layout::vertical([
        Constraint::Length(chart),
        Constraint::Length(both),
        Constraint::Fill(1),
    ])
    .areas(body);
    draw_chart(frame, board, view, chart);
    let [first, second] = match is_side_by_side {
        true => {
            let [first, _, second] = Layout::horizontal([
                Constraint::Length(each),
                Constraint::Length(2),
                Constraint::Length(each),
            ])
            .areas(both);
            [first, second]
        }
        false => Layout::vertical([Constraint::Length(of_slos), Constraint::Fill(1)]).areas(both),
    };
    draw_lines(frame, slos, view, first);
    draw_lines(frame, failures, view, second);
    draw_endpoints(frame, board, view, lower);
}

/// Rows of the endpoints with their heading.
fn endpoint_rows(board: &Board) -> u16 {
    board.row_count().saturating_add(1).max(LEAST_ENDPOINTS)
}

fn draw_endpoints(frame: &mut Frame<'_>, board: &Board, view: &View, area: Rect) {
    let lines = sections::endpoints(board, view, area.width);
    draw_lines(frame, lines, view, area);
}

/// As many lines as there is room for; the last row says how many are left out.
fn draw_lines(frame: &mut Frame<'_>, mut lines: Vec<Line<'static>>, view: &View, area: Rect) {
    let room = usize::from(area.height);
    if lines.len() > room && room > 0 {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        // Of a heading alone, nothing is to be seen.
        lines.push(Line::from(
            view.span(Tone::Faint, format!("  and {more} more")),
        ));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The response times of the last minute as lines.
fn draw_chart(frame: &mut Frame<'_>, board: &Board, view: &View, area: Rect) {
    if area.height < 3 {
        return;
    }
    let [heading, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(
        Paragraph::new(sections::chart_heading(board, view)),
        heading,
    );
    let first = SHOWN_S - board.seconds.len();
    let line = |which: usize| {
        let points = board.seconds.iter().enumerate();
        let point = |(second, percentiles): (usize, &Percentiles)| {
            Some(((first + second) as f64, percentiles[which]?))
        };
        points.filter_map(point).collect::<Vec<(f64, f64)>>()
    };
    let lines = [line(0), line(1), line(2)];
    let highest = lines
        .iter()
        .flatten()
        .map(|(_, us)| *us)
        .fold(0.0, f64::max);
    let marker = match view.is_ascii {
        true => Marker::Dot,
        false => Marker::Braille,
    };
    let tones = [Tone::P50, Tone::P95, Tone::P99];
    let datasets = lines.iter().zip(tones).map(|(points, tone)| {
        Dataset::default()
            .marker(marker)
            .graph_type(GraphType::Line)
            .style(view.style(tone))
            .data(points)
    });
    let faint = view.style(Tone::Faint);
    let top = match highest > 0.0 {
        true => format_latency_us(highest),
        false => String::new(),
    };
    let chart = Chart::new(datasets.collect())
        .x_axis(
            Axis::default()
                .style(faint)
                .bounds([0.0, (SHOWN_S - 1) as f64])
                .labels([format!("-{SHOWN_S}s"), "now".to_owned()]),
        )
        .y_axis(
            Axis::default()
                .style(faint)
                .bounds([0.0, highest.max(1.0)])
                .labels(["0".to_owned(), format!("{top:>8}")]),
        )
        .legend_position(None);
    frame.render_widget(chart, body);
}

fn draw_help(frame: &mut Frame<'_>, view: &View) {
    let lines: Vec<Line<'_>> = sections::help(view).into_iter().map(Line::from).collect();
    let widest = lines.iter().map(Line::width).max().unwrap_or(0) as u16;
    let area = frame.area();
    let size = (
        (widest + 4).min(area.width),
        (lines.len() as u16 + 2).min(area.height),
    );
    let place = Rect {
        x: (area.width - size.0) / 2,
        y: (area.height - size.1) / 2,
        width: size.0,
        height: size.1,
    };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(" Keys ");
    let inside = block.inner(place);
    frame.render_widget(block, place);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    frame.render_widget(Paragraph::new(lines), inside);
}

/// Replaces what a terminal for ASCII cannot show.
fn make_ascii(buffer: &mut Buffer) {
    let mut rest = buffer.content.iter_mut().peekable();
    while let Some(cell) = rest.next() {
        // Together with the space behind it, as elsewhere.
        let sign = match cell.symbol() {
            "≤" => Some("<"),
            "≥" => Some(">"),
            _ => None,
        };
        if let (Some(sign), Some(next)) = (sign, rest.peek_mut()) {
            cell.set_symbol(sign);
            next.set_symbol("=");
        } else if !cell.symbol().is_ascii() {
            // A wide character takes two cells, of which the second one is empty.
            let ascii = to_ascii(cell.symbol()).into_owned();
            cell.set_symbol(&ascii);
        }
    }
}
