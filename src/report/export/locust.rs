//! The four CSV files that Locust writes with `--csv`, and serves.
//!
//! As in Locust, all requests count, those of ramps and warm-up too. Other than in Locust, times are those
//! of successes, and of timeouts as far as they went, as in all reports of perfctl; sizes are those of whole
//! responses.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::cell;
use super::seconds::{Second, seconds};
use crate::error::Error;
use crate::metrics::{
    Cell, Outcome, RecentSeconds, RunResult, SparseHistogram, Window, write_file,
};
use crate::plan::Percentile;
use crate::report::view;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocustCsv {
    /// A row for each endpoint.
    Stats,
    /// A row for each second; with `is_full`, for each second and endpoint.
    History {
        /// Whether endpoints have rows.
        is_full: bool,
    },
    /// A row for each kind of failure.
    Failures,
    /// Of Python: perfctl has none.
    Exceptions,
}

impl LocustCsv {
    const fn all(is_full: bool) -> [Self; 4] {
        [
            Self::Stats,
            Self::History { is_full },
            Self::Failures,
            Self::Exceptions,
        ]
    }

    /// What follows the prefix in its name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Stats => "_stats.csv",
            Self::History { .. } => "_stats_history.csv",
            Self::Failures => "_failures.csv",
            Self::Exceptions => "_exceptions.csv",
        }
    }

    /// Writes it. Of a run that goes on, only the history needs its seconds.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(
        self,
        result: &RunResult,
        recent: &RecentSeconds,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(out);
        match self {
            Self::Stats => stats(result, &mut csv)?,
            Self::History { is_full } => history(result, is_full, &mut csv)?,
            Self::Failures => failures(result, recent, &mut csv)?,
            Self::Exceptions => csv.write_record(["Count", "Message", "Traceback", "Nodes"])?,
        }
        csv.flush()
    }
}

/// Locust's percentiles, and how it writes them.
const PERCENTILES: [(&str, f64); 11] = [
    ("50%", 50.0),
    ("66%", 66.0),
    ("75%", 75.0),
    ("80%", 80.0),
    ("90%", 90.0),
    ("95%", 95.0),
    ("98%", 98.0),
    ("99%", 99.0),
    ("99.9%", 99.9),
    ("99.99%", 99.99),
    ("100%", 100.0),
];
/// Locust's current numbers cover this many seconds.
const CURRENT_S: u64 = 10;
/// The name of the row of all requests.
pub(super) const AGGREGATED: &str = "Aggregated";

type Csv<'a> = csv::Writer<&'a mut dyn Write>;

/// The names of the files of a prefix.
pub fn locust_csv_paths(prefix: &Path) -> [PathBuf; 4] {
    LocustCsv::all(false).map(|file| path(prefix, file))
}

fn path(prefix: &Path, file: LocustCsv) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(file.suffix());
    path.into()
}

/// Writes the files of a prefix; the history has rows for each endpoint only if `is_full`. All are tried.
///
/// # Errors
/// The first file that could not be written.
pub fn write_locust_csv(result: &RunResult, prefix: &Path, is_full: bool) -> Result<(), Error> {
    let recent = RecentSeconds::of(result);
    let written = LocustCsv::all(is_full)
        .map(|file| write_file(&path(prefix, file), |out| file.write(result, &recent, out)));
    written.into_iter().collect()
}

/// A row of the files: an endpoint, or all of them.
pub(super) struct LocustRow<'a> {
    /// `None` for all.
    pub(super) endpoint: Option<usize>,
    pub(super) method: &'a str,
    pub(super) name: &'a str,
}

/// The endpoints by name and method, as Locust sorts them; then all together.
pub(super) fn places(result: &RunResult) -> Vec<LocustRow<'_>> {
    let endpoints = result.endpoints.iter().enumerate();
    let endpoints = endpoints.filter(|(_, endpoint)| !endpoint.endpoint.is_flow);
    let mut places: Vec<LocustRow<'_>> = endpoints
        .map(|(position, endpoint)| LocustRow {
            endpoint: Some(position),
            method: &endpoint.endpoint.method,
            name: &endpoint.endpoint.name,
        })
        .collect();
    places.sort_by_key(|place| (place.name, place.method));
    places.push(LocustRow {
        endpoint: None,
        method: "",
        name: AGGREGATED,
    });
    places
}

/// Everything counted of an endpoint, or of all requests, in the whole run.
pub(super) fn whole(result: &RunResult, endpoint: Option<usize>) -> Cell {
    let phases: Vec<usize> = (0..result.run.phases.len()).collect();
    result.cell(endpoint, Window::Phases(&phases))
}

fn header(before: &str, after: &str) -> Vec<String> {
    let columns = |text: &str| -> Vec<String> {
        let columns = text.split(',').filter(|column| !column.is_empty());
        columns.map(str::to_owned).collect()
    };
    let percentiles = PERCENTILES.map(|(name, _)| name.to_owned());
    [columns(before), percentiles.to_vec(), columns(after)].concat()
}

fn stats(result: &RunResult, csv: &mut Csv<'_>) -> io::Result<()> {
    csv.write_record(header(
        "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response \
         Time,Max Response Time,Average Content Size,Requests/s,Failures/s",
        "",
    ))?;
    let length_s = length_s(result);
    for place in places(result) {
        let of_place = whole(result, place.endpoint);
        let numbers = Numbers::of(&of_place);
        let mut row = vec![
            cell(place.method).into_owned(),
            cell(place.name).into_owned(),
        ];
        row.extend(numbers.totals(average_size(&of_place)));
        row.push(per_s(numbers.requests, length_s).to_string());
        row.push(per_s(numbers.failures, length_s).to_string());
        row.extend(numbers.percentiles());
        csv.write_record(row)?;
    }
    Ok(())
}

fn history(result: &RunResult, is_full: bool, csv: &mut Csv<'_>) -> io::Result<()> {
    let seconds = seconds(result);
    csv.write_record(header(
        "Timestamp,User Count,Type,Name,Requests/s,Failures/s",
        "Total Request Count,Total Failure Count,Total Median Response Time,Total Average Response Time,Total \
         Min Response Time,Total Max Response Time,Total Average Content Size",
    ))?;
    let mut of_places = places(result);
    if !is_full {
        of_places.retain(|place| place.endpoint.is_none());
    }
    let mut histories: Vec<History<'_>> = of_places
        .into_iter()
        .map(|place| History::new(place, result, &seconds))
        .collect();
    let with_users = result.users.len() as u64;
    let later = seconds.keys().map(|(second, _)| *second);
    let mut all: Vec<u64> = (0..with_users)
        .chain(later.filter(|second| *second >= with_users))
        .collect();
    all.dedup();
    let started_s = started_at(result).as_second();
    for second in all {
        let at = started_s.saturating_add_unsigned(second.saturating_add(1));
        let users = usize::try_from(second).ok();
        let users = users
            .and_then(|second| result.users.get(second))
            .unwrap_or(&0);
        for history in &mut histories {
            let row = history.row(second);
            csv.write_record([at.to_string(), users.to_string()].into_iter().chain(row))?;
        }
    }
    Ok(())
}

/// One place, from second to second.
struct History<'a> {
    place: LocustRow<'a>,
    seconds: BTreeMap<u64, Cell>,
    total: Numbers,
    /// Of the whole run, since results keep no sizes by second.
    average_size: f64,
}

impl<'a> History<'a> {
    fn new(
        place: LocustRow<'a>,
        result: &RunResult,
        seconds: &BTreeMap<(u64, usize), Second>,
    ) -> Self {
        let mut of_place: BTreeMap<u64, Cell> = BTreeMap::new();
        for ((second, position), of_second) in seconds {
            let is_wanted = match place.endpoint {
                Some(wanted) => wanted == *position,
                None => !result.endpoints[*position].endpoint.is_flow,
            };
            if is_wanted {
                of_place.entry(*second).or_default().merge(&of_second.cell);
            }
        }
        Self {
            seconds: of_place,
            total: Numbers::default(),
            average_size: average_size(&whole(result, place.endpoint)),
            place,
        }
    }

    /// The columns behind the users, for the next second.
    fn row(&mut self, second: u64) -> Vec<String> {
        if let Some(cell) = self.seconds.get(&second) {
            self.total.add(cell);
        }
        let first = second.saturating_add(1).saturating_sub(CURRENT_S);
        let mut current = Numbers::default();
        let cells = self.seconds.range(first..=second);
        cells.for_each(|(_, cell)| current.add(cell));
        let window_s = (second - first) as f64 + 1.0;
        let mut row = vec![
            cell(self.place.method).into_owned(),
            cell(self.place.name).into_owned(),
            format!("{:.6}", current.requests as f64 / window_s),
            format!("{:.6}", current.failures as f64 / window_s),
        ];
        row.extend(current.percentiles());
        row.extend(self.total.totals(self.average_size));
        row
    }
}

fn failures(result: &RunResult, recent: &RecentSeconds, csv: &mut Csv<'_>) -> io::Result<()> {
    csv.write_record([
        "Method",
        "Name",
        "Error",
        "Occurrences",
        "First Seen",
        "Last Seen",
    ])?;
    let started_at = started_at(result);
    let at = |second: u64| {
        let at_s = started_at.as_second().saturating_add_unsigned(second);
        let at = jiff::Timestamp::from_second(at_s).unwrap_or(started_at);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    for place in places(result) {
        let Some(position) = place.endpoint else {
            continue;
        };
        let of_place = whole(result, place.endpoint);
        let failures = of_place.failure_counts.iter();
        for failures in failures.filter(|failures| failures.outcome.is_failure()) {
            // By error type, since results keep no more by second.
            let seen = recent.seen(position, failures.outcome);
            let (first, last) = seen.unwrap_or_default();
            csv.write_record([
                cell(place.method).as_ref(),
                cell(place.name).as_ref(),
                cell(&view::error_text(failures)).as_ref(),
                &failures.count.to_string(),
                &at(first),
                &at(last),
            ])?;
        }
    }
    Ok(())
}

pub(super) fn started_at(result: &RunResult) -> jiff::Timestamp {
    result.run.started_at.parse().unwrap_or_default()
}

/// All phases together.
pub(super) fn length_s(result: &RunResult) -> f64 {
    let phases = 0..result.run.phases.len();
    phases.map(|phase| result.phase_length_s(phase)).sum()
}

/// 0 in no time.
pub(super) fn per_s(count: u64, length_s: f64) -> f64 {
    match length_s > 0.0 {
        true => count as f64 / length_s,
        false => 0.0,
    }
}

/// Bytes.
pub(super) fn average_size(cell: &Cell) -> f64 {
    cell.bytes_in as f64 / cell.count(Outcome::is_started).max(1) as f64
}

/// What the columns of a row are computed of.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) requests: u64,
    pub(super) failures: u64,
    /// Of successes and of timeouts.
    pub(super) times: SparseHistogram,
}

impl Numbers {
    pub(super) fn of(cell: &Cell) -> Self {
        let mut numbers = Self::default();
        numbers.add(cell);
        numbers
    }

    fn add(&mut self, cell: &Cell) {
        self.requests += cell.count(Outcome::is_started);
        self.failures += cell.count(Outcome::is_failure);
        self.times.merge(&cell.response);
        self.times.merge(&cell.censored);
    }

    /// In whole ms; `N/A` without times.
    fn percentiles(&self) -> Vec<String> {
        let percentiles = PERCENTILES.map(|(_, percent)| Percentile::new(percent));
        let percentiles: Vec<Percentile> = percentiles.into_iter().flatten().collect();
        let us = self.times.percentiles(&percentiles);
        match us.is_empty() {
            true => vec!["N/A".to_owned(); PERCENTILES.len()],
            false => us.into_iter().map(whole_ms).collect(),
        }
    }

    /// Requests, failures, the median in whole ms, average, minimum and maximum in ms, and the average
    /// size.
    fn totals(&self, average_size: f64) -> [String; 7] {
        let median = Percentile::new(50.0).map(|median| self.times.percentiles(&[median]));
        let median = median.unwrap_or_default().first().copied();
        let ms = |us: f64| (us / 1e3).to_string();
        [
            self.requests.to_string(),
            self.failures.to_string(),
            whole_ms(median.unwrap_or(0.0)),
            ms(self.times.mean().unwrap_or(0.0)),
            ms(self.times.min_us as f64),
            ms(self.times.max_us as f64),
            average_size.to_string(),
        ]
    }
}

fn whole_ms(us: f64) -> String {
    format!("{:.0}", us / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    /// The files in order.
    fn written(result: &RunResult, is_full: bool) -> [String; 4] {
        let directory = tempfile::tempdir().unwrap();
        let prefix = directory.path().join("shop");
        write_locust_csv(result, &prefix, is_full).unwrap();
        locust_csv_paths(&prefix).map(|path| std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn the_files_of_a_run_with_failures() {
        let [stats, history, failures, exceptions] = written(&fixture::many_errors().result, true);
        assert_data_eq!(&stats, file!["../golden/many_errors_stats.csv"].raw());
        assert_data_eq!(
            &history,
            file!["../golden/many_errors_stats_history.csv"].raw()
        );
        assert_data_eq!(&failures, file!["../golden/many_errors_failures.csv"].raw());
        assert_eq!(exceptions, "Count,Message,Traceback,Nodes\r\n");
    }

    #[test]
    fn headers_and_line_ends_are_those_of_locust() {
        let [stats, history, failures, _] = written(&fixture::failing().result, false);
        let percentiles = "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%";
        for (text, header) in [
            (
                &stats,
                format!(
                    "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min \
                     Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,{percentiles}"
                ),
            ),
            (
                &history,
                format!(
                    "Timestamp,User Count,Type,Name,Requests/s,Failures/s,{percentiles},Total Request \
                     Count,Total Failure Count,Total Median Response Time,Total Average Response Time,Total \
                     Min Response Time,Total Max Response Time,Total Average Content Size"
                ),
            ),
            (
                &failures,
                "Method,Name,Error,Occurrences,First Seen,Last Seen".to_owned(),
            ),
        ] {
            assert!(text.starts_with(&(header + "\r\n")), "{text}");
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        }
        let last = stats.lines().last().unwrap();
        assert!(last.starts_with(",Aggregated,1100,20,"), "{last}");
        let rows = history.lines().skip(1);
        assert!(
            rows.clone().all(|row| row.contains(",,Aggregated,")),
            "{history}"
        );
        let last = rows.last().unwrap();
        assert!(
            last.contains(",1100,20,"),
            "the last second is there: {last}"
        );
    }

    #[test]
    fn a_run_without_requests_has_numbers_or_none() {
        let [stats, history, failures, _] = written(&fixture::empty().result, true);
        let none = ["N/A"; 11].join(",");
        assert!(
            stats.contains(&format!(",Aggregated,0,0,0,0,0,0,0,0,0,{none}\r\n")),
            "{stats}"
        );
        assert!(
            !history.contains("NaN") && !history.contains("inf"),
            "{history}"
        );
        assert_eq!(failures.lines().count(), 1);
    }
}
