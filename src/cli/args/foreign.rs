//! Flags of other tools: Locust, k6, hey, oha and wrk. Where nothing needs to be done, `perfctl run`
//! accepts them; otherwise it says in a line what to use.
//!
//! Here: the table. `docs/other-tools.md` has the same. Not here: flags that mean the same as an option
//! of perfctl, which are hidden aliases of it.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::Error;

/// A flag of another tool.
struct ForeignFlag {
    /// Without dashes; one letter is a short flag.
    names: &'static [&'static str],
    takes: FlagArity,
    answer: Answer,
}

/// What stands behind a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FlagArity {
    Nothing,
    Value,
}

/// What perfctl says to a flag.
enum Answer {
    /// It is accepted, since perfctl does so anyway.
    Accepted,
    /// It is refused with this phrase.
    Instead(&'static str),
}

use Answer::{Accepted, Instead};
use FlagArity::{Nothing, Value};

const fn flag(names: &'static [&'static str], takes: FlagArity, answer: Answer) -> ForeignFlag {
    ForeignFlag {
        names,
        takes,
        answer,
    }
}

/// The subcommand that they belong to.
const RUN: &str = "run";

const NO_WEB: &str = "there is no web UI; progress is shown on the terminal";
const NO_LOG: &str = "there is no log; the report lists what failed, and `--quiet` shows less";
const ONE_PROCESS: &str =
    "perfctl runs in one process on all cores; `--workers N` sets the threads";
const JSON_FILE: &str = "use `--write json=FILE`";
const FILE: &str = "give the scenario without a flag, as in `perfctl run shop.yaml`";
const DATA_FILE: &str = "use `-d @FILE`";
const RATE: &str =
    "use `--rate N`: N arrivals per second in total, however fast the service responds";
const NO_KEEP_ALIVE: &str =
    "set `keep_alive: false` in a scenario; `perfctl init --from-curl` makes one of a request";
const REDIRECTS: &str =
    "set `max_redirects` in a scenario; `perfctl init --from-curl` makes one of a request";
const HTTP_VERSION: &str =
    "set `http_version` in a scenario; over TLS, HTTP/2 is used if the service offers it";
const LIST: &str = "use `perfctl list`";
const RATIO: &str = "use `perfctl validate`, which shows the share of each endpoint";
const STAGES: &str = "write the stages into a profile, and give its path as `--profile FILE`";
const COLOR: &str = "set the environment variable NO_COLOR to 1";

const FLAGS: [ForeignFlag; 47] = [
    // Locust.
    flag(&["headless", "autostart"], Nothing, Accepted),
    flag(
        &["print-stats", "reset-stats", "skip-log-setup"],
        Nothing,
        Accepted,
    ),
    flag(&["autoquit"], Value, Accepted),
    flag(&["f", "locustfile"], Value, Instead(FILE)),
    flag(&["L", "loglevel", "logfile"], Value, Instead(NO_LOG)),
    flag(&["master", "worker"], Nothing, Instead(ONE_PROCESS)),
    flag(
        &["processes", "expect-workers", "expect-workers-max-wait"],
        Value,
        Instead(ONE_PROCESS),
    ),
    flag(
        &[
            "master-host",
            "master-port",
            "master-bind-host",
            "master-bind-port",
        ],
        Value,
        Instead(ONE_PROCESS),
    ),
    flag(&["web-host", "P", "web-port"], Value, Instead(NO_WEB)),
    flag(
        &["web-login", "class-picker", "modern-ui"],
        Nothing,
        Instead(NO_WEB),
    ),
    flag(&["l", "list"], Nothing, Instead(LIST)),
    flag(
        &["show-task-ratio", "show-task-ratio-json"],
        Nothing,
        Instead(RATIO),
    ),
    flag(
        &["config"],
        Value,
        Instead("options can be set as environment variables, such as PERFCTL_USERS"),
    ),
    flag(
        &["config-users"],
        Value,
        Instead("use `weight` and `fixed_count` of user classes"),
    ),
    // k6.
    flag(&["stage"], Value, Instead(STAGES)),
    flag(
        &["rps"],
        Value,
        Instead("use `--throttle N`, or `--rate N` for a fixed rate"),
    ),
    flag(&["o", "output"], Value, Instead(JSON_FILE)),
    flag(
        &["summary-mode", "summary-trend-stats"],
        Value,
        Instead(JSON_FILE),
    ),
    flag(&["no-summary"], Nothing, Instead("use `--quiet`")),
    flag(
        &["no-setup", "no-teardown"],
        Nothing,
        Instead("remove `setup` or `teardown` from the scenario"),
    ),
    flag(&["no-thresholds"], Nothing, Instead("use `--fail-on none`")),
    flag(&["no-color", "disable-color"], Nothing, Instead(COLOR)),
    flag(&["no-usage-report"], Nothing, Accepted),
    flag(
        &["insecure-skip-tls-verify"],
        Nothing,
        Instead("use `--insecure` with a URL; in a scenario, set `tls: {insecure: true}`"),
    ),
    flag(&["address"], Value, Instead("there is no REST API")),
    flag(
        &["tag"],
        Value,
        Instead("use `--build NAME` and `--occasion NAME` to name a run"),
    ),
    flag(
        &["w", "wait-ongoing-requests-after-deadline"],
        Nothing,
        Accepted,
    ),
    // hey and oha.
    flag(&["A"], Value, Instead("use `-H 'accept: ...'`")),
    flag(&["D"], Value, Instead(DATA_FILE)),
    flag(&["x"], Value, Instead("set `proxy` in a scenario")),
    flag(&["qps"], Value, Instead(RATE)),
    flag(&["burst-delay", "burst-rate"], Value, Instead(STAGES)),
    flag(&["latency-correction"], Nothing, Accepted),
    flag(&["fps"], Value, Accepted),
    flag(&["j"], Nothing, Instead("use `--format json`")),
    flag(
        &["output-format"],
        Value,
        Instead("use `--format json` or another format of `--format`"),
    ),
    flag(
        &["db-url"],
        Value,
        Instead("each run is stored in a directory of its own below `results/`"),
    ),
    flag(
        &["rand-regex-url"],
        Nothing,
        Instead("use templates, such as `/items/{{ random_int(1, 9) }}`"),
    ),
    flag(&["http2"], Nothing, Instead(HTTP_VERSION)),
    flag(&["http-version"], Value, Instead(HTTP_VERSION)),
    flag(&["disable-keepalive"], Nothing, Instead(NO_KEEP_ALIVE)),
    flag(&["disable-compression"], Nothing, Accepted),
    flag(&["redirect", "max-redirects"], Value, Instead(REDIRECTS)),
    flag(&["disable-redirects"], Nothing, Instead(REDIRECTS)),
    // wrk.
    flag(&["latency"], Nothing, Accepted),
    flag(
        &["connections"],
        Value,
        Instead("use `--users N`, or `-c N`"),
    ),
    flag(
        &["threads"],
        Value,
        Instead("use `--workers N`; by default, one per core"),
    ),
];

/// Words of hey that begin with a single dash.
const WORDS: [(&str, &str); 6] = [
    ("-disable-keepalive", NO_KEEP_ALIVE),
    (
        "-disable-compression",
        "remove it; perfctl asks for no compression by itself",
    ),
    ("-disable-redirects", REDIRECTS),
    ("-cpus", "use `--workers N`; by default, one per core"),
    ("-host", "use `-H 'host: ...'`"),
    ("-h2", HTTP_VERSION),
];

/// The parser with the flags of other tools, which its help does not show.
pub fn with_foreign_flags(parser: Command) -> Command {
    parser.mut_subcommand(RUN, |mut run| {
        for flag in &FLAGS {
            for name in flag.names {
                let mut arg = Arg::new(*name).hide(true);
                arg = match letter(name) {
                    Some(letter) => arg.short(letter),
                    None => arg.long(*name),
                };
                arg = match (flag.takes, &flag.answer) {
                    (Nothing, _) => arg.action(ArgAction::SetTrue),
                    (Value, Accepted) => arg.num_args(1),
                    // Refused without a value, too. Such as `--processes -1`.
                    (Value, Instead(_)) => arg.num_args(0..=1).allow_negative_numbers(true),
                };
                run = run.arg(arg);
            }
        }
        run
    })
}

fn letter(name: &str) -> Option<char> {
    let mut chars = name.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// Checks that no flag of another tool is among the arguments that perfctl has something else for.
///
/// # Errors
/// Wrong usage, with what to use, in a line.
pub fn check(matches: &ArgMatches) -> Result<(), Error> {
    let Some((RUN, matches)) = matches.subcommand() else {
        return Ok(());
    };
    for flag in &FLAGS {
        let Instead(instead) = flag.answer else {
            continue;
        };
        let is_given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if let Some(name) = flag.names.iter().find(is_given) {
            let dashes = if letter(name).is_some() { "-" } else { "--" };
            return Err(refused(&format!("{dashes}{name}"), instead));
        }
    }
    Ok(())
}

/// The same for arguments that the parser would take for something else.
///
/// # Errors
/// Wrong usage, with what to use, in a line.
pub fn check_words(arguments: &[OsString]) -> Result<(), Error> {
    if arguments.get(1).map(OsString::as_os_str) != Some(OsStr::new(RUN)) {
        return Ok(());
    }
    let words = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or_default());
    let words: Vec<&str> = words.take_while(|word| *word != "--").collect();
    for (at, word) in words.iter().enumerate() {
        if let Some((_, instead)) = WORDS.iter().find(|(known, _)| known == word) {
            return Err(refused(word, instead));
        }
        let next = words.get(at + 1).copied().unwrap_or_default();
        match *word {
            // `--quiet` takes no value.
            "-q" if next.parse::<f64>().is_ok() => {
                return Err(refused(&format!("-q {next}"), RATE));
            }
            "-s" if next.contains(':') => return Err(refused(&format!("-s {next}"), STAGES)),
            "-s" if next.ends_with(".lua") => {
                return Err(refused(
                    &format!("-s {next}"),
                    "a script of wrk cannot be run; write a scenario",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes a tip that leads from a misspelled flag to a flag of another tool.
pub fn forget_tips(error: &mut clap::Error) {
    let tip = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(tip)) => tip.trim_start_matches('-').to_owned(),
        _ => return,
    };
    if FLAGS.iter().any(|flag| flag.names.contains(&tip.as_str())) {
        error.remove(ContextKind::SuggestedArg);
        // How to pass it as the name of a scenario.
        error.remove(ContextKind::Suggested);
    }
}

fn refused(flag: &str, instead: &str) -> Error {
    Error::usage(format!("`{flag}` is a flag of another tool: {instead}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/other-tools.md");

    /// Flags that are spelled like an option of perfctl, or are a hidden alias of one.
    const SAME: [&str; 31] = [
        "-H",
        "-X",
        "-a",
        "-c",
        "-d",
        "-i",
        "-k",
        "-m",
        "-n",
        "-q",
        "-r",
        "-s",
        "-t",
        "-u",
        "-z",
        "--check-avg-response-time",
        "--check-fail-ratio",
        "--check-rps",
        "--csv",
        "--csv-full-history",
        "--html",
        "--http-debug",
        "--duration",
        "--json",
        "--json-file",
        "--no-tui",
        "--only-summary",
        "--summary-export",
        "--tags",
        "--vus",
        "-T",
    ];

    fn documented() -> BTreeSet<String> {
        let code = regex::Regex::new("`(-[^` ]+)[^`]*`").unwrap();
        let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.map(|row| format!("`{}", row.split(" |").next().unwrap_or_default()));
        let all = cells.flat_map(|cell| {
            let found = code.captures_iter(&cell).map(|found| found[1].to_owned());
            found.collect::<Vec<String>>()
        });
        all.collect()
    }

    #[test]
    fn the_document_has_every_flag_and_no_other() {
        let names = FLAGS.iter().flat_map(|flag| flag.names);
        let known = names.map(|name| match letter(name) {
            Some(letter) => format!("-{letter}"),
            None => format!("--{name}"),
        });
        let words = WORDS.iter().map(|(word, _)| (*word).to_owned());
        let known: BTreeSet<String> = known.chain(words).chain(SAME.map(str::to_owned)).collect();
        let documented = documented();
        let missing: Vec<&String> = known.difference(&documented).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let unknown: Vec<&String> = documented.difference(&known).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_answer_names_an_option_that_does_not_exist() {
        let parser = crate::cli::parser();
        let run = parser.find_subcommand(RUN).unwrap();
        let init = parser.find_subcommand("init").unwrap();
        let arguments = run.get_arguments().chain(init.get_arguments());
        let options: BTreeSet<&str> = arguments
            .filter(|arg| !arg.is_hide_set())
            .filter_map(|arg| arg.get_long())
            .collect();
        let option = regex::Regex::new("--([a-z-]+)").unwrap();
        let answers = FLAGS.iter().filter_map(|flag| match flag.answer {
            Instead(text) => Some(text),
            Accepted => None,
        });
        for text in answers.chain(WORDS.iter().map(|(_, text)| *text)) {
            for found in option.captures_iter(text) {
                assert!(options.contains(&found[1]), "{text}");
            }
        }
    }
}
