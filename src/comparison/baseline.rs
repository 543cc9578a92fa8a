//! The baseline file: complete results of earlier runs, so that any rule can be applied to them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::faults::faults;
use super::occasion::occasions;
use super::setup::check_same;
use crate::error::Error;
use crate::metrics::{
    FailureSamples, FileHeader, RunInfo, RunResult, Traces, check_version, parse_result,
    read_result, read_unpacked, write_atomically,
};

/// Earlier runs to compare to; at least one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Always [`Baseline::FORMAT`].
    format: String,
    /// Always [`Baseline::VERSION`].
    version: u32,
    /// The runs, oldest addition first.
    pub runs: Vec<RunResult>,
    /// Ids of runs that were INVALID or cut short and were added with `--force`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forced: Vec<String>,
}

impl Baseline {
    /// Identifies the file.
    pub const FORMAT: &'static str = "perfctl-baseline";
    /// The version that this perfctl writes, and the only one it reads.
    pub const VERSION: u32 = 2;

    /// A baseline of these runs, of which there is at least one.
    pub fn of(runs: Vec<RunResult>) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            runs,
            forced: Vec::new(),
        }
    }

    /// Reads a baseline file, or takes a stored run (`result.json` or its directory) as a
    /// baseline of one.
    ///
    /// # Errors
    /// When it cannot be read or is neither.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Ok(Self::of(vec![read_result(path)?]));
        }
        let bytes = read_unpacked(path)?;
        let unusable_as = |kind, why| Error::Unusable {
            path: path.to_owned(),
            kind,
            why,
        };
        let header: FileHeader = serde_json::from_slice(&bytes).map_err(|error| {
            let (kind, why) = described(&bytes, &error);
            unusable_as(kind, why)
        })?;
        if header.format == RunResult::FORMAT {
            return Ok(Self::of(vec![parse_result(path, &bytes)?]));
        }
        if header.format != Self::FORMAT {
            let why = format!("its `format` is `{}`", header.format);
            return Err(unusable_as(EITHER, why));
        }
        let unusable = |why| unusable_as("baseline", why);
        check_version(header.version, Self::VERSION).map_err(unusable)?;
        let baseline: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        baseline.check().map_err(unusable)?;
        Ok(baseline)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_atomically(path, self)
    }

    /// Adds runs to the baseline file at `path`, which is created if need be.
    ///
    /// # Errors
    /// [`Error::NotComparable`] when a run is INVALID, was cut short or did not deliver its load
    /// and `force` is not set, when its setup differs from that of the runs already there, or when
    /// it is of another build; [`Error::Usage`] when it is in the file already; and when the file
    /// cannot be read or written.
    pub fn add_to_file(path: &Path, runs: Vec<RunResult>, force: bool) -> Result<Self, Error> {
        let mut baseline = match path.exists() {
            true => Self::read(path)?,
            false => Self::of(Vec::new()),
        };
        for run in runs {
            let info = &run.run;
            if baseline
                .runs
                .iter()
                .any(|known| known.run.is_same_run(info))
            {
                return Err(Error::usage(format!(
                    "`{}` already holds the run `{}`",
                    path.display(),
                    info.id
                )));
            }
            check_same(&baseline.runs, info)?;
            check_build(&baseline, info)?;
            let mut new = Self::of_runs(vec![run], force)?;
            baseline.runs.append(&mut new.runs);
            baseline.forced.append(&mut new.forced);
        }
        baseline.write(path)?;
        Ok(baseline)
    }

    /// A baseline of these runs alone, of which there is at least one.
    ///
    /// # Errors
    /// [`Error::NotComparable`] when a run is INVALID, was cut short or did not deliver its load
    /// and `force` is not set, or when their setups differ.
    pub fn of_runs(runs: Vec<RunResult>, force: bool) -> Result<Self, Error> {
        let mut baseline = Self::of(Vec::new());
        for mut run in runs {
            // Nothing is compared with them, and people commit baselines.
            run.failure_samples = FailureSamples::default();
            run.traces = Traces::default();
            run.observations = Vec::new();
            let name = format!("run `{}`", run.run.id);
            let faults: Vec<String> = faults(&run)
                .iter()
                .map(|fault| format!("{name} {fault}"))
                .collect();
            if !faults.is_empty() {
                if !force {
                    let help = "`perfctl baseline add --force` adds it anyway";
                    return Err(Error::NotComparable(
                        faults.into_iter().chain([help.to_owned()]).collect(),
                    ));
                }
                baseline.forced.push(run.run.id.clone());
            }
            check_same(&baseline.runs, &run.run)?;
            baseline.runs.push(run);
        }
        Ok(baseline)
    }

    /// Removes the runs of these names, and of the others all but those of the `keep` newest
    /// occasions. Returns the names of the removed runs.
    ///
    /// # Errors
    /// Wrong usage when there is no run of a name, or when no run would be left.
    pub fn prune(&mut self, names: &[String], keep: Option<usize>) -> Result<Vec<String>, Error> {
        if let Some(unknown) = names.iter().find(|name| !self.holds(name)) {
            return Err(Error::usage(format!(
                "the baseline holds no run `{unknown}`"
            )));
        }
        let occasions = occasions(&self.runs);
        let old = occasions.len().saturating_sub(keep.unwrap_or(usize::MAX));
        // Occasions come in the order of their first runs.
        let mut out: Vec<String> = names.to_vec();
        let of_old = occasions[..old].iter().flatten();
        out.extend(of_old.map(|&run| self.runs[run].run.id.clone()));
        if self.runs.iter().all(|run| out.contains(&run.run.id)) {
            return Err(Error::usage("no run would be left in the baseline"));
        }
        self.runs.retain(|run| !out.contains(&run.run.id));
        self.forced.retain(|id| !out.contains(id));
        Ok(out)
    }

    /// Whether there is a run of this name.
    pub fn holds(&self, id: &str) -> bool {
        self.runs.iter().any(|run| run.run.id == id)
    }

    /// Whether the run of this name was added though it was INVALID or cut short.
    pub fn is_forced(&self, id: &str) -> bool {
        self.forced.iter().any(|forced| forced == id)
    }

    /// The builds that its runs name.
    pub fn builds(&self) -> BTreeSet<&str> {
        self.runs
            .iter()
            .filter_map(|run| run.run.build.as_deref())
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.runs.is_empty() {
            return Err("it holds no run".into());
        }
        for (position, run) in self.runs.iter().enumerate() {
            run.check()
                .map_err(|why| format!("run {}: {why}", position + 1))?;
        }
        // Runs are merged by position, so they must have the same endpoints.
        let endpoints = &self.runs[0].run.endpoints;
        if self.runs.iter().any(|run| run.run.endpoints != *endpoints) {
            return Err("its runs have different endpoints".into());
        }
        Ok(())
    }
}

/// Checks that a run is of the baseline's build. Runs without a build are assumed to match.
fn check_build(baseline: &Baseline, run: &RunInfo) -> Result<(), Error> {
    let Some(build) = &run.build else {
        return Ok(());
    };
    match baseline.builds().iter().find(|known| *known != build) {
        None => Ok(()),
        Some(known) => Err(Error::NotComparable(vec![
            format!(
                "run `{}` is of build `{build}`, the baseline of build `{known}`",
                run.id
            ),
            "`perfctl baseline accept` makes a new build the reference".to_owned(),
        ])),
    }
}

/// What a file should have been that is neither.
const EITHER: &str = "result or baseline";

/// What a file seems to be that has no header, and what is wrong with it.
fn described(bytes: &[u8], error: &serde_json::Error) -> (&'static str, String) {
    // Where perfctl writes the format.
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]);
    let says = |format: &str| start.contains(&format!("\"{format}\""));
    if says(RunResult::FORMAT) {
        return ("result", error.to_string());
    }
    if says(Baseline::FORMAT) {
        return ("baseline", error.to_string());
    }
    let why = match bytes {
        _ if start.trim().is_empty() => "it is empty".to_owned(),
        _ if start.starts_with("{\"header\":") => {
            "it is the journal of a run: name the directory that it is in".to_owned()
        }
        _ if error.is_data() => format!("it is another file in JSON: {error}"),
        _ => format!("it is not JSON: {error}"),
    };
    (EITHER, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};
    use proptest::prelude::*;

    fn run() -> RunResult {
        fixture::run(&[("a", &[(Outcome::Ok, 1_000, 20), (Outcome::Http5xx, 10, 1)])])
    }

    #[test]
    fn runs_are_added_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        Baseline::add_to_file(&path, vec![run()], false).unwrap();
        let mut second = run();
        second.run.id = "second".into();
        let written = Baseline::add_to_file(&path, vec![second], false).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), written);
        assert_eq!(written.runs.len(), 2);
        let twice = Baseline::add_to_file(&path, vec![run()], false);
        assert!(matches!(twice, Err(Error::Usage { .. })));
        let mut other = run();
        other.run.id = "other".into();
        other.run.fingerprint.scenario.clear();
        let refused = Baseline::add_to_file(&path, vec![other], true);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
        assert_eq!(Baseline::read(&path).unwrap(), written);
    }

    #[test]
    fn a_doubtful_run_needs_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        let mut changed = run();
        changed.run.adjustments = vec![crate::metrics::Adjustment {
            users: 1,
            ..crate::metrics::Adjustment::NONE
        }];
        let refused = Baseline::add_to_file(&path, vec![changed], false);
        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("changed by hand while it went on: 1 user more"),
            "{text}"
        );
        let mut doubtful = run();
        doubtful.run.ending.as_mut().unwrap().signal = Some(2);
        let refused = Baseline::add_to_file(&path, vec![doubtful.clone()], false);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
        assert!(!path.exists());
        let forced = Baseline::add_to_file(&path, vec![doubtful.clone()], true).unwrap();
        assert!(forced.is_forced(&doubtful.run.id));
        let read = Baseline::read(&path).unwrap();
        let gate = crate::comparison::Threshold::default();
        crate::comparison::compare(&read, &[run()], &gate).unwrap();
    }

    #[test]
    fn a_baseline_holds_one_build() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        let of_build = |id: &str, build: Option<&str>| {
            let mut run = run();
            run.run.id = id.into();
            run.run.build = build.map(str::to_owned);
            run
        };
        let runs = vec![of_build("a", Some("1.0")), of_build("b", None)];
        Baseline::add_to_file(&path, runs, false).unwrap();
        Baseline::add_to_file(&path, vec![of_build("c", Some("1.0"))], false).unwrap();
        let other = Baseline::add_to_file(&path, vec![of_build("d", Some("1.1"))], true);
        let error = other.unwrap_err().to_string();
        assert!(
            error.contains("build `1.1`") && error.contains("accept"),
            "{error}"
        );
    }

    #[test]
    fn pruning_keeps_the_newest_occasions_and_at_least_one_run() {
        let runs = |days: &[u32]| -> Vec<RunResult> {
            let of_day = |day: &u32| {
                let mut run = run();
                run.run.id = format!("day {day}");
                run.run.started_at = format!("2026-11-{day:02}T00:00:00Z");
                run
            };
            days.iter().map(of_day).collect()
        };
        let mut baseline = Baseline::of(runs(&[3, 1, 2, 4]));
        assert_eq!(baseline.prune(&[], Some(9)).unwrap(), Vec::<String>::new());
        assert_eq!(baseline.prune(&["day 3".into()], None).unwrap(), ["day 3"]);
        assert_eq!(baseline.prune(&[], Some(1)).unwrap(), ["day 1", "day 2"]);
        assert_eq!(baseline.runs.len(), 1);
        assert!(baseline.prune(&["day 4".into()], None).is_err());
        assert!(baseline.prune(&["day 9".into()], None).is_err());
        assert!(baseline.prune(&[], Some(0)).is_err());
    }

    #[test]
    fn a_stored_run_is_a_baseline_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("result.json");
        write_atomically(&path, &run()).unwrap();
        assert_eq!(Baseline::read(&path).unwrap().runs, [run()]);
        assert_eq!(Baseline::read(directory.path()).unwrap().runs, [run()]);
    }

    #[test]
    fn a_file_that_is_no_baseline_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        let either = "result or baseline: ";
        for (text, kind, said) in [
            ("", either, "it is empty"),
            ("{}", either, "it is another file in JSON: missing field"),
            ("[]", either, "it is another file in JSON: "),
            ("host: x", either, "it is not JSON: "),
            (
                r#"{"header":{"run":1"#,
                either,
                "it is the journal of a run",
            ),
            (r#"{"format":"other","version":1}"#, either, "`other`"),
            (
                r#"{"format":"perfctl-result","version":"#,
                "result: ",
                "EOF",
            ),
            (
                r#"{"format":"perfctl-result","version":7}"#,
                "result: ",
                "version 7",
            ),
            (
                r#"{"format":"perfctl-baseline","version":2"#,
                "baseline: ",
                "EOF",
            ),
            (
                r#"{"format": "perfctl-baseline", "version": 2, "runs": []}"#,
                "baseline: ",
                "run",
            ),
            (
                r#"{"format": "perfctl-baseline", "version": 3, "runs": []}"#,
                "baseline: ",
                "version 3",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = Baseline::read(&path);
            let Err(error @ Error::Unusable { .. }) = read else {
                panic!("{text}: {read:?}");
            };
            let error = error.to_string();
            assert!(
                error.contains(&format!("is not a usable {kind}")) && error.contains(said),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_baseline_of_another_version_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        // The runs of other versions have other fields.
        let text = r#"{"format": "perfctl-baseline", "version": 1, "runs": [{"version": 1}]}"#;
        std::fs::write(&path, text).unwrap();
        let refused = Baseline::read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("it has format version 1, and this perfctl reads version 2: run"),
            "{refused}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_damaged_file_is_unusable_or_harmless(
            (path, with) in fixture::damage(),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("base.json");
            let mut json = serde_json::to_value(Baseline::of(vec![run()])).unwrap();
            fixture::mutate(&mut json, &path, &with);
            std::fs::write(&file, json.to_string()).unwrap();
            match Baseline::read(&file) {
                Ok(baseline) => {
                    let gate = crate::comparison::Threshold::default();
                    for run in &baseline.runs {
                        let runs = std::slice::from_ref(run);
                        let _ = crate::comparison::compare(&baseline, runs, &gate);
                        let gate = crate::comparison::Statistical::default();
                        let _ = crate::comparison::compare(&baseline, runs, &gate);
                    }
                }
                Err(error) => prop_assert!(matches!(error, Error::Unusable { .. }), "{error}"),
            }
        }
    }
}
