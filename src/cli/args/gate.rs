//! How runs are compared to a baseline: options that several commands share.
//!
//! Here: options, their environment variables, and the rule they select. Not here: the rules
//! (`comparison`).

use clap::ValueEnum;

use crate::comparison::{Caller, Gate, Statistical, Threshold};
use crate::error::Error;
use crate::units::parse_ratio;

/// What counts as a regression.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Comparison")]
pub struct GateArgs {
    /// Comparison rule
    #[arg(
        long,
        env = "PERFCTL_GATE",
        value_name = "RULE",
        default_value = "statistical"
    )]
    pub gate: Rule,

    #[command(flatten)]
    pub limits: LimitArgs,

    /// Largest change for the worse that `--gate simple` allows [default: 10%]
    #[arg(long, env = "PERFCTL_MAX_REGRESSION", value_name = "SHARE", value_parser = parse_ratio)]
    pub max_regression: Option<f64>,

    #[command(flatten)]
    pub doubt: DoubtArgs,
}

/// The limits of the statistical rule.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// Change for the worse up to which no job fails [default: 5%; side by side: 3%]
    #[arg(long, env = "PERFCTL_MARGIN", value_name = "SHARE", value_parser = parse_ratio)]
    pub margin: Option<f64>,

    /// Change for the worse that must be ruled out for "unchanged" [default: 10%]
    #[arg(long, env = "PERFCTL_TOLERANCE", value_name = "SHARE", value_parser = parse_ratio)]
    pub tolerance: Option<f64>,
}

/// The effect of an inconclusive comparison.
#[derive(Debug, Clone, clap::Args)]
pub struct DoubtArgs {
    /// Effect of an inconclusive comparison
    #[arg(
        long,
        env = "PERFCTL_INCONCLUSIVE",
        value_name = "EFFECT",
        default_value = "fail"
    )]
    pub inconclusive: Doubt,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// Learn from several baseline runs how much runs differ by themselves
    Statistical,
    /// Compare by a fixed percentage
    Simple,
}

/// The effects of an inconclusive comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Doubt {
    /// Exit with code 3
    Fail,
    /// Say so in the report, and exit with code 0
    Warn,
}

impl GateArgs {
    /// The selected rule, for this command.
    ///
    /// # Errors
    /// Wrong usage if a limit of the other rule is given.
    pub fn gate(&self, caller: Caller) -> Result<Box<dyn Gate>, Error> {
        let limits = &self.limits;
        match self.gate {
            Rule::Statistical if self.max_regression.is_some() => Err(Error::usage_help(
                "`--max-regression` belongs to `--gate simple`",
                "the statistical rule has `--margin` (smaller changes never fail) and \
                 `--tolerance` (the change that must be ruled out)",
            )),
            Rule::Statistical => {
                let statistical = Statistical {
                    caller,
                    ..Statistical::default()
                };
                Ok(Box::new(limits.over(statistical)?))
            }
            Rule::Simple if limits.margin.or(limits.tolerance).is_some() => Err(Error::usage_help(
                "`--margin` and `--tolerance` belong to `--gate statistical`",
                "the simple rule has `--max-regression`",
            )),
            Rule::Simple => {
                let simple = Threshold::default();
                let max_regression = self.max_regression.unwrap_or(simple.max_regression);
                Ok(Box::new(Threshold {
                    max_regression,
                    caller,
                }))
            }
        }
    }
}

impl LimitArgs {
    /// `gate` with the given limits.
    ///
    /// # Errors
    /// Wrong usage if the margin is above the tolerance.
    pub fn over(&self, gate: Statistical) -> Result<Statistical, Error> {
        let gate = Statistical {
            margin: self.margin.unwrap_or(gate.margin),
            tolerance: self.tolerance.unwrap_or(gate.tolerance),
            ..gate
        };
        if gate.margin > gate.tolerance {
            return Err(Error::usage_help(
                "`--margin` is above `--tolerance`",
                "choose a tolerance that is at least the margin",
            ));
        }
        Ok(gate)
    }
}

impl DoubtArgs {
    /// Whether an inconclusive comparison passes.
    pub fn tolerated(&self) -> bool {
        self.inconclusive == Doubt::Warn
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        gate: GateArgs,
    }

    fn gate(arguments: &[&str]) -> Result<&'static str, String> {
        let arguments = ["perfctl"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let gate = parsed
            .gate
            .gate(Caller::Run)
            .map_err(|error| error.to_string())?;
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
