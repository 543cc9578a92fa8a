//! What every format reports: a run, its grade and its comparison; and what a format implements.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::comparison::{Comparison, occasions};
use crate::findings::{self, Finding, first_of_each_rule};
use crate::grading::{ErrorBudget, Grading, Policy};
use crate::metrics::{Cell, RunResult, Summary, Window};

/// Everything a report is about.
#[derive(Debug, Clone)]
pub struct Report {
    /// The numbers.
    pub result: RunResult,
    /// The grade, the verdict and the exit code.
    pub grading: Grading,
    /// The changes against a baseline, if there was one.
    pub comparison: Option<Comparison>,
    /// All runs that the report covers, if there are several; `result` is the last of them.
    pub runs: Vec<ReportedRun>,
    /// The directory with the files of the run, if it is known.
    pub directory: Option<PathBuf>,
    /// Whether the runs were made by an earlier command: then options that texts suggest are those of
    /// `perfctl run`.
    pub is_stored: bool,
    /// Whether the run or the comparison comes first.
    pub focus: Focus,
    /// Of each occasion that it is compared to, or of each run of a single occasion: all requests of the
    /// measured phases.
    pub baseline: Vec<Cell>,
    /// What follows from these, once a format has asked for it.
    pub derived: DerivedFigures,
}

/// What follows from a report's numbers, worked out when a format first asks for it: most need little of it.
#[derive(Debug, Clone, Default)]
pub struct DerivedFigures {
    found: OnceCell<Vec<Finding>>,
    error_budgets: OnceCell<Vec<ErrorBudget>>,
}

impl Report {
    /// On a run of this command, without a comparison and without a directory.
    pub fn of_run(result: RunResult, grading: Grading) -> Self {
        Self {
            result,
            grading,
            comparison: None,
            runs: Vec::new(),
            directory: None,
            is_stored: false,
            focus: Focus::Run,
            baseline: Vec::new(),
            derived: DerivedFigures::default(),
        }
    }

    /// On a run that goes on: nothing is found in it yet.
    pub fn of_unfinished(result: RunResult, grading: Grading) -> Self {
        let derived = DerivedFigures {
            found: OnceCell::from(Vec::new()),
            ..DerivedFigures::default()
        };
        Self {
            is_stored: true,
            derived,
            ..Self::of_run(result, grading)
        }
    }

    /// On a stored run, in this directory, as `policy` judges it; compared with the runs of a baseline, if there is one.
    pub fn of_stored(
        result: RunResult,
        directory: Option<PathBuf>,
        policy: &Policy,
        compared: Option<(Comparison, &[RunResult])>,
    ) -> Self {
        let (comparison, baseline) = match compared {
            None => (None, Vec::new()),
            Some((comparison, runs)) => (Some(comparison), Self::baseline_of(runs)),
        };
        let grading = Grading::of(&result, comparison.as_ref(), policy);
        Self {
            comparison,
            directory,
            is_stored: true,
            baseline,
            ..Self::of_run(result, grading)
        }
    }

    /// Everything that the numbers of the run say about the service, the most severe first; nothing where the
    /// comparison comes first.
    pub fn found(&self) -> &[Finding] {
        let find = || match self.focus {
            Focus::Run => findings::findings(&self.result, &self.grading),
            Focus::Comparison => Vec::new(),
        };
        self.derived.found.get_or_init(find)
    }

    /// What was found, the first few findings of each rule.
    pub fn findings(&self) -> Vec<Finding> {
        first_of_each_rule(self.found().to_vec())
    }

    /// The error budgets of the run's SLOs.
    pub fn error_budgets(&self) -> &[ErrorBudget] {
        let work_out = || ErrorBudget::all(&self.result);
        self.derived.error_budgets.get_or_init(work_out)
    }

    /// What a report keeps of the runs that it compares to: each occasion, or each run where all are of one.
    pub fn baseline_of(runs: &[RunResult]) -> Vec<Cell> {
        let cell = |run: &RunResult| run.cell(None, Window::Measured);
        let occasions = occasions(runs);
        if occasions.len() < 2 {
            return runs.iter().map(cell).collect();
        }
        let merged = occasions.iter().map(|occasion| {
            let mut merged = Cell::default();
            occasion
                .iter()
                .for_each(|run| merged.merge(&cell(&runs[*run])));
            merged
        });
        merged.collect()
    }
}

/// One of several runs.
#[derive(Debug, Clone)]
pub struct ReportedRun {
    /// The name of the run, after that of its side where there are two.
    pub name: String,
    /// The numbers of its measured phases.
    pub summary: Summary,
}

impl ReportedRun {
    /// Each of these runs; none for a single one.
    pub fn several(runs: &[RunResult]) -> Vec<Self> {
        match runs {
            [] | [_] => Vec::new(),
            runs => runs.iter().map(|run| Self::new(&run.run.id, run)).collect(),
        }
    }

    /// The runs of two sides, `a` and `b`.
    pub fn of_sides(sides: [&[RunResult]; 2]) -> Vec<Self> {
        let sides = ["a", "b"].into_iter().zip(sides);
        let of_side = |(side, runs): (&str, &[RunResult])| -> Vec<Self> {
            let runs = runs.iter();
            runs.map(|run| Self::new(&format!("{side} {}", run.run.id), run))
                .collect()
        };
        sides.flat_map(of_side).collect()
    }

    fn new(name: &str, run: &RunResult) -> Self {
        Self {
            name: name.to_owned(),
            summary: run.summary(None, Window::Measured),
        }
    }
}

/// What a report puts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The run: grade, SLOs, endpoints.
    Run,
    /// The comparison: every row of it, and no grade.
    Comparison,
}

/// The least width that reports are made for; columns.
pub const LEAST_COLUMNS: usize = 40;

/// Writes reports in one format.
pub trait Reporter: Sync {
    /// Writes the report, for people in at most `columns`, which are at least
    /// [`LEAST_COLUMNS`]. `out` must strip colors where they are not wanted, as anstream's writers
    /// do.
    ///
    /// # Errors
    /// When `out` fails.
    fn report(&self, report: &Report, columns: usize, out: &mut dyn Write) -> io::Result<()>;

    /// What writes the format with everything (`--full`), if it otherwise leaves something out.
    fn full(&self) -> Option<&'static dyn Reporter> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::Policy;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::Metric;

    #[test]
    fn what_follows_from_the_numbers_is_worked_out_when_it_is_asked_for() {
        let outcomes = [(Outcome::Ok, 1_000, 50), (Outcome::Http5xx, 1_000, 50)];
        let mut result = fixture::run(&[("a", &outcomes)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        let grading = Grading::of(&result, None, &Policy::default());
        let report = Report::of_run(result.clone(), grading.clone());
        assert!(report.derived.found.get().is_none());
        assert!(report.derived.error_budgets.get().is_none());
        assert_eq!((report.found().len(), report.error_budgets().len()), (1, 1));
        assert!(report.derived.found.get().is_some());
        assert!(Report::of_unfinished(result, grading).found().is_empty());
        let compared = Report {
            focus: Focus::Comparison,
            derived: DerivedFigures::default(),
            ..report
        };
        assert!(compared.found().is_empty());
    }
}
