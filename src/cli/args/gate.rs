//! How runs are compared to a baseline, shared by the commands that do it.
//!
//! Here: flags, their environment variables, and the rule they choose. Not here: the rules
//! (`comparison`).

use clap::ValueEnum;

use crate::comparison::{Gate, Statistical, Threshold};
use crate::error::Error;
use crate::units::parse_ratio;

/// What counts as a regression.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Comparison")]
pub struct GateArgs {
    /// The rule that runs are compared by
    #[arg(
        long,
        env = "PERFCTL_GATE",
        value_name = "RULE",
        default_value = "statistical"
    )]
    pub gate: Rule,

    #[command(flatten)]
    pub limits: LimitArgs,

    /// How much worse than the baseline a number may be, for `--gate simple` [default: 10%]
    #[arg(long, env = "PERFCTL_MAX_REGRESSION", value_name = "SHARE", value_parser = parse_ratio)]
    pub max_regression: Option<f64>,

    #[command(flatten)]
    pub doubt: DoubtArgs,
}

/// What the statistical rule takes for a change.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// A change for the worse that is smaller never fails a job [default: 5%; side by side: 3%]
    #[arg(long, env = "PERFCTL_MARGIN", value_name = "SHARE", value_parser = parse_ratio)]
    pub margin: Option<f64>,

    /// The change for the worse that has to be ruled out to say "unchanged" [default: 10%]
    #[arg(long, env = "PERFCTL_TOLERANCE", value_name = "SHARE", value_parser = parse_ratio)]
    pub tolerance: Option<f64>,
}

/// What becomes of a comparison that cannot tell.
#[derive(Debug, Clone, clap::Args)]
pub struct DoubtArgs {
    /// What a comparison that cannot tell does to the exit code
    #[arg(
        long,
        env = "PERFCTL_INCONCLUSIVE",
        value_name = "HOW",
        default_value = "fail"
    )]
    pub inconclusive: Doubt,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// Learns from several baseline runs how much runs differ by themselves
    Statistical,
    /// Worse than the baseline by more than a share
    Simple,
}

/// What becomes of a comparison that cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Doubt {
    /// Exit code 3
    Fail,
    /// Said in the report, exit code 0
    Warn,
}

impl GateArgs {
    /// The rule.
    ///
    /// # Errors
    /// Wrong usage, where a limit of the other rule is given.
    pub fn gate(&self) -> Result<Box<dyn Gate>, Error> {
        let limits = &self.limits;
        match self.gate {
            Rule::Statistical if self.max_regression.is_some() => Err(Error::usage_help(
                "`--max-regression` belongs to `--gate simple`",
                "the statistical rule has `--margin` (smaller changes never fail) and \
                 `--tolerance` (what has to be ruled out)",
            )),
            Rule::Statistical => Ok(Box::new(limits.over(Statistical::default())?)),
            Rule::Simple if limits.margin.or(limits.tolerance).is_some() => Err(Error::usage_help(
                "`--margin` and `--tolerance` belong to `--gate statistical`",
                "the simple rule has `--max-regression`",
            )),
            Rule::Simple => {
                let simple = Threshold::default();
                let max_regression = self.max_regression.unwrap_or(simple.max_regression);
                Ok(Box::new(Threshold { max_regression }))
            }
        }
    }
}

impl LimitArgs {
    /// `gate` with the limits that are given.
    ///
    /// # Errors
    /// Wrong usage, where nothing could be both unchanged and found.
    pub fn over(&self, gate: Statistical) -> Result<Statistical, Error> {
        let gate = Statistical {
            margin: self.margin.unwrap_or(gate.margin),
            tolerance: self.tolerance.unwrap_or(gate.tolerance),
            ..gate
        };
        if gate.margin > gate.tolerance {
            return Err(Error::usage_help(
                "`--margin` is above `--tolerance`",
                "what is called unchanged must not hide what may fail: a tolerance of at least \
                 the margin",
            ));
        }
        Ok(gate)
    }
}

impl DoubtArgs {
    /// Whether a comparison that cannot tell is let through.
    pub fn tolerated(&self) -> bool {
        self.inconclusive == Doubt::Warn
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        gate: GateArgs,
    }

    fn gate(arguments: &[&str]) -> Result<&'static str, String> {
        let arguments = ["perfctl"].iter().chain(arguments);
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let gate = cli.gate.gate().map_err(|error| error.to_string())?;
        Ok(gate.name())
    }

    #[test]
    fn each_rule_has_its_own_limits() {
        assert_eq!(gate(&[]), Ok("statistical"));
        assert_eq!(
            gate(&["--margin", "2%", "--tolerance", "0.04"]),
            Ok("statistical")
        );
        assert_eq!(
            gate(&["--gate", "simple", "--max-regression", "20%"]),
            Ok("simple")
        );
        for wrong in [
            &["--max-regression", "20%"][..],
            &["--gate", "simple", "--margin", "2%"],
            &["--margin", "20%"],
        ] {
            let error = gate(wrong).unwrap_err();
            assert!(
                error.contains("belong") || error.contains("above"),
                "{error}"
            );
        }
    }
}
