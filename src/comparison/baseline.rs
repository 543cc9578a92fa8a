//! The baseline file: whole results of earlier runs, so that later rules can judge them anew.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metrics::{RunResult, write_atomically};

/// Earlier runs to compare to; at least one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Always [`Baseline::FORMAT`].
    format: String,
    /// Version of the format; [`Baseline::VERSION`] is the newest known.
    version: u32,
    /// The runs, oldest addition first.
    pub runs: Vec<RunResult>,
    /// Ids of runs that were INVALID or cut short, and added all the same at the user's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forced: Vec<String>,
}

/// What tells a baseline file from a result.
#[derive(Deserialize)]
struct Head {
    format: String,
}

impl Baseline {
    /// Identifies the file.
    pub const FORMAT: &'static str = "perfctl-baseline";
    /// The version this perfctl writes, and the newest it reads.
    pub const VERSION: u32 = 1;

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
            return Ok(Self::of(vec![crate::metrics::read_result(path)?]));
        }
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let unusable = |why: String| Error::Unusable {
            path: path.to_owned(),
            kind: "baseline",
            why,
        };
        let head: Head =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if head.format == RunResult::FORMAT {
            return Ok(Self::of(vec![crate::metrics::read_result(path)?]));
        }
        if head.format != Self::FORMAT {
            return Err(unusable(format!("its `format` is `{}`", head.format)));
        }
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

    /// Adds a run to the baseline file at `path`, which is created if need be.
    ///
    /// # Errors
    /// [`Error::NotComparable`] when the run is INVALID or cut short and `force` is not set, or
    /// when it asked for something else than the runs already there; [`Error::Usage`] when it is
    /// in the file already; and when the file cannot be read or written.
    pub fn add_to_file(path: &Path, run: RunResult, force: bool) -> Result<Self, Error> {
        let mut new = Self::of_one(run, force)?;
        if path.exists() {
            let mut baseline = Self::read(path)?;
            let info = &new.runs[0].run;
            if baseline.runs.iter().any(|r| r.run.id == info.id) {
                return Err(Error::usage(format!(
                    "`{}` holds the run `{}` already",
                    path.display(),
                    info.id
                )));
            }
            super::check_comparable(&baseline, &info.fingerprint, &info.load, &info.endpoints)?;
            baseline.runs.append(&mut new.runs);
            baseline.forced.append(&mut new.forced);
            new = baseline;
        }
        new.write(path)?;
        Ok(new)
    }

    /// A baseline of this run alone.
    ///
    /// # Errors
    /// [`Error::NotComparable`] when the run is INVALID or cut short and `force` is not set.
    pub fn of_one(run: RunResult, force: bool) -> Result<Self, Error> {
        let mut reasons = run.invalid_because();
        if !run.is_finished() {
            reasons.push("the run did not finish".into());
        }
        let doubtful = !reasons.is_empty();
        if doubtful && !force {
            reasons.push("`perfctl baseline add --force` makes it a baseline all the same".into());
            return Err(Error::NotComparable(reasons));
        }
        let forced = if doubtful {
            vec![run.run.id.clone()]
        } else {
            Vec::new()
        };
        Ok(Self {
            forced,
            ..Self::of(vec![run])
        })
    }

    /// Whether the run of this name was added though it was INVALID or cut short.
    pub fn is_forced(&self, id: &str) -> bool {
        self.forced.iter().any(|forced| forced == id)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != Self::VERSION {
            return Err(format!(
                "it has version {}, and this perfctl reads version {}",
                self.version,
                Self::VERSION
            ));
        }
        if self.runs.is_empty() {
            return Err("it holds no run".into());
        }
        for (position, run) in self.runs.iter().enumerate() {
            run.check()
                .map_err(|why| format!("run {}: {why}", position + 1))?;
        }
        // Merging goes by position, so the runs must have the same shape.
        let endpoints = &self.runs[0].run.endpoints;
        if self.runs.iter().any(|run| run.run.endpoints != *endpoints) {
            return Err("its runs have different endpoints".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Class, fixture};
    use proptest::prelude::*;

    fn run() -> RunResult {
        fixture::run(&[("a", &[(Class::Ok, 1_000, 20), (Class::Http5xx, 10, 1)])])
    }

    #[test]
    fn runs_are_added_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        Baseline::add_to_file(&path, run(), false).unwrap();
        let mut second = run();
        second.run.id = "second".into();
        let written = Baseline::add_to_file(&path, second, false).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), written);
        assert_eq!(written.runs.len(), 2);
        let twice = Baseline::add_to_file(&path, run(), false);
        assert!(matches!(twice, Err(Error::Usage { .. })));
        let mut other = run();
        other.run.id = "other".into();
        other.run.fingerprint.scenario.clear();
        let refused = Baseline::add_to_file(&path, other, true);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
        assert_eq!(Baseline::read(&path).unwrap(), written);
    }

    #[test]
    fn a_doubtful_run_needs_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        let mut doubtful = run();
        doubtful.run.ending.as_mut().unwrap().signal = Some(2);
        let refused = Baseline::add_to_file(&path, doubtful.clone(), false);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
        assert!(!path.exists());
        let forced = Baseline::add_to_file(&path, doubtful.clone(), true).unwrap();
        assert!(forced.is_forced(&doubtful.run.id));
        let run = run();
        let (info, read) = (&run.run, Baseline::read(&path).unwrap());
        crate::comparison::check_comparable(&read, &info.fingerprint, &info.load, &info.endpoints)
            .unwrap();
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
    fn what_is_no_baseline_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("base.json");
        for text in [
            "",
            "{}",
            "[]",
            r#"{"format": "other"}"#,
            r#"{"format": "perfctl-baseline", "version": 1, "runs": []}"#,
            r#"{"format": "perfctl-baseline", "version": 2, "runs": []}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            let read = Baseline::read(&path);
            assert!(
                matches!(read, Err(Error::Unusable { .. })),
                "{text}: {read:?}"
            );
        }
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
                        let _ = crate::comparison::compare(&baseline, run, &gate);
                    }
                }
                Err(error) => prop_assert!(matches!(error, Error::Unusable { .. }), "{error}"),
            }
        }
    }
}
