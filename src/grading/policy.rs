//! What fails a run, and with which exit code: the user's choices.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_fail_a_run() {
        assert_eq!(FailOn::parse("slo,regression"), Ok(FailOn::default()));
        assert!(FailOn::parse("errors, slo").unwrap().errors);
        assert!(!FailOn::parse("none").unwrap().slo);
        assert!(FailOn::parse("slos").unwrap_err().contains("`slos`"));
    }
}
