//! What fails a run, and with which exit code: the user's choices.

use std::fmt;

use crate::metrics::RunInfo;

/// What makes a run fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailOn {
    /// An SLO that is missed and not advisory.
    pub slo: bool,
    /// A regression against the baseline.
    pub regression: bool,
    /// Any failed request, in any phase.
    pub errors: bool,
}

impl FailOn {
    /// Parses any of `slo`, `regression` and `errors`, separated by commas, or `none`.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fail_on = Self {
            slo: false,
            regression: false,
            errors: false,
        };
        for word in text.split(',').map(str::trim) {
            match word {
                "slo" => fail_on.slo = true,
                "regression" => fail_on.regression = true,
                "errors" => fail_on.errors = true,
                "none" => {}
                _ => {
                    return Err(format!(
                        "`{word}` is not allowed: use `slo`, `regression` and `errors`, separated by commas, or `none`"
                    ));
                }
            }
        }
        Ok(fail_on)
    }
}

/// As [`FailOn::parse`] reads it.
impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.slo, "slo"),
            (self.regression, "regression"),
            (self.errors, "errors"),
        ];
        let words = words.into_iter().filter(|(is_set, _)| *is_set);
        let words: Vec<&str> = words.map(|(_, word)| word).collect();
        match words.as_slice() {
            [] => f.write_str("none"),
            words => f.write_str(&words.join(",")),
        }
    }
}

impl Default for FailOn {
    fn default() -> Self {
        Self {
            slo: true,
            regression: true,
            errors: false,
        }
    }
}

/// What fails a run, and the exit codes that deviate from the verdict's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// What makes a run fail.
    pub fail_on: FailOn,
    /// The exit code of a run that passes although requests failed (`--exit-code-on-error`).
    pub code_on_error: Option<u8>,
    /// Whether an inconclusive comparison passes (`--inconclusive=warn`).
    pub tolerates_doubt: bool,
}

impl Policy {
    /// The policy that a run was judged by at its end, so that later reports end as it did. What an
    /// inconclusive comparison does is not part of it: the comparison is not stored either.
    pub fn of_run(run: &RunInfo) -> Self {
        let fail_on = run.fail_on.as_deref().map(FailOn::parse);
        Self {
            // A damaged file may hold any text.
            fail_on: fail_on.and_then(Result::ok).unwrap_or_default(),
            code_on_error: run.exit_code_on_error,
            tolerates_doubt: false,
        }
    }

    /// Writes it into the run, for [`Self::of_run`].
    pub fn store_in(&self, run: &mut RunInfo) {
        let is_default = self.fail_on == FailOn::default();
        run.fail_on = (!is_default).then(|| self.fail_on.to_string());
        run.exit_code_on_error = self.code_on_error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;

    #[test]
    fn a_run_keeps_the_policy_it_was_judged_by() {
        let mut run = fixture::run(&[("a", &[])]).run;
        assert_eq!(Policy::of_run(&run), Policy::default());
        for text in ["none", "errors", "slo,errors", "slo,regression"] {
            let policy = Policy {
                fail_on: FailOn::parse(text).unwrap(),
                code_on_error: Some(7),
                tolerates_doubt: false,
            };
            assert_eq!(policy.fail_on.to_string(), text);
            policy.store_in(&mut run);
            assert_eq!(Policy::of_run(&run), policy);
        }
        run.fail_on = Some("nonsense".into());
        assert_eq!(Policy::of_run(&run).fail_on, FailOn::default());
    }

    #[test]
    fn what_may_fail_a_run() {
        assert_eq!(FailOn::parse("slo,regression"), Ok(FailOn::default()));
        assert!(FailOn::parse("errors, slo").unwrap().errors);
        assert!(!FailOn::parse("none").unwrap().slo);
        assert!(FailOn::parse("slos").unwrap_err().contains("`slos`"));
    }
}
