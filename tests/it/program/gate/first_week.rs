//! The regression gate before it knows the noise: what it says, and that each command suggests options
//! that it has.

use std::path::Path;

use crate::support::simulation::{Shape, Simulation};
use crate::support::{Completed, Perfctl};
use perfctl::metrics::{RunResult, write_atomically};
use regex::Regex;

/// Writes a run as `perfctl run` does, and returns its path.
fn store(directory: &Path, name: &str, mut run: RunResult) -> String {
    run.run.id = name.to_owned();
    let path = directory.join(name);
    std::fs::create_dir(&path).unwrap();
    write_atomically(&path.join("result.json"), &run).unwrap();
    path.display().to_string()
}

/// The output as one line, without the color of the terminal.
fn flat(completed: &Completed) -> String {
    let all = format!("{} {}", completed.stdout, completed.stderr);
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The options that a command has, as its help lists them.
fn options(command: &str) -> Vec<String> {
    let help = Perfctl::new()
        .args(command.split(' '))
        .args(["--help"])
        .run()
        .stdout;
    let option = Regex::new(r"(?m)^ +(?:-[a-zA-Z], )?(--[a-z-]+)").unwrap();
    let found = option.captures_iter(&help);
    found.map(|found| found[1].to_owned()).collect()
}

/// Each option in backticks is one of `command`, or stands behind the name of the command it belongs to.
#[track_caller]
fn assert_own_options(command: &str, text: &str) {
    let quoted = Regex::new(r"`(perfctl ([a-z]+) )?([^`]*--[^`]*)`").unwrap();
    let option = Regex::new(r"--[a-z-]+").unwrap();
    for found in quoted.captures_iter(text) {
        let owner = match found.get(2).map(|name| name.as_str()) {
            None => command.to_owned(),
            Some("baseline") => "baseline add".to_owned(),
            Some(name) => name.to_owned(),
        };
        let known = options(&owner);
        for option in option.find_iter(&found[3]) {
            assert!(
                known.iter().any(|known| known == option.as_str()),
                "`perfctl {command}` suggests {} of `perfctl {owner}`:\n{text}",
                option.as_str()
            );
        }
    }
}

struct Week {
    directory: tempfile::TempDir,
    base: String,
    equal: String,
    slow: [String; 5],
}

/// A baseline of one run, an equal run, and five runs that are a fifth slower.
fn week() -> Week {
    let directory = tempfile::tempdir().unwrap();
    let mut simulation = Simulation::new(3, Shape::default(), 0.001);
    let mut run = |name: &str, occasion: &str, factor: f64| {
        let run = simulation.run(occasion, factor.ln());
        store(directory.path(), name, run)
    };
    let base = run("base", "base", 1.0);
    let equal = run("equal", "today", 1.0);
    let slow = [1, 2, 3, 4, 5].map(|i| run(&format!("slow-{i}"), "today", 1.2));
    Week {
        directory,
        base,
        equal,
        slow,
    }
}

#[test]
fn an_undecided_comparison_says_once_what_would_settle_it_and_shows_no_grade() {
    let Week {
        directory: _directory,
        base,
        equal,
        slow,
    } = week();
    let compare = |runs: &[&str]| {
        let run = Perfctl::new().args(["compare", &base]).args(runs);
        run.expect_status(3).run()
    };
    let one = compare(&[&equal]);
    assert!(
        one.stdout
            .starts_with("INCONCLUSIVE  1 run against 1 run: ")
    );
    let text = flat(&one);
    let step = "more runs on this occasion would not settle it: `perfctl ab` compares two builds side by \
                side, or `perfctl baseline add` gives the baseline runs of more occasions";
    assert_eq!(text.matches(step).count(), 1, "{}", one.stdout);
    assert_eq!(text.matches("the baseline is provisional").count(), 1);
    assert_own_options("compare", &text);

    let report = Perfctl::new()
        .args(["report", &equal, "--baseline", &base])
        .expect_status(3)
        .run();
    let first = "INCONCLUSIVE  no grade: the comparison is undecided";
    assert!(report.stdout.starts_with(first), "{}", report.stdout);
    assert!(!flat(&report).contains("A+"), "{}", report.stdout);
    assert_eq!(flat(&report).matches(step).count(), 1, "{}", report.stdout);
    assert_own_options("report", &flat(&report));

    let five = Perfctl::new().args(["compare", &base]).args(&slow).run();
    for number in 1..=5 {
        let row = format!("\n  slow-{number} ");
        assert!(five.stdout.contains(&row), "{}", five.stdout);
    }
    let markdown = Perfctl::new()
        .args(["compare", "--format", "markdown", &base])
        .args(&slow)
        .run();
    assert_eq!(
        markdown.stdout.matches("\n| slow-").count(),
        5,
        "{}",
        markdown.stdout
    );
}

#[test]
fn commands_suggest_only_options_they_have() {
    let Week {
        directory, base, ..
    } = week();
    let mut simulation = Simulation::new(
        4,
        Shape {
            seconds: 15,
            ..Shape::default()
        },
        0.001,
    );
    let short = store(directory.path(), "short", simulation.run("today", 0.0));
    let url = ["--host", "http://127.0.0.1:9", "--run-time", "5s"];
    let refused: [(&str, Vec<&str>); 5] = [
        ("run", [&["--baseline", &*base][..], &url].concat()),
        ("report", vec![&*short, "--baseline", &base]),
        ("compare", vec![&base, &short]),
        (
            "ab",
            [
                &["--a", "http://127.0.0.1:9", "--b", "http://127.0.0.1:9"][..],
                &url[2..],
            ]
            .concat(),
        ),
        ("selfcheck", url.to_vec()),
    ];
    for (command, arguments) in refused {
        let completed = Perfctl::new()
            .file(
                "scenarios/default.yaml",
                "host: demo\nendpoints: [{get: /health}]\n",
            )
            .args([command])
            .args(arguments)
            .expect_status(4)
            .run();
        let text = flat(&completed);
        assert!(text.contains("60 s are needed"), "{command}: {text}");
        assert_eq!(
            text.matches("`--run-time 60s`").count(),
            usize::from(["run", "ab", "selfcheck"].contains(&command))
        );
        assert_eq!(
            text.contains("`--gate simple`"),
            ["run", "report", "compare"].contains(&command)
        );
        assert_own_options(command, &text);
        let about_baseline = text.contains("--save-baseline");
        assert_eq!(about_baseline, command == "run", "{command}: {text}");
    }
    // What the report of a stored run suggests was an option of `perfctl run`.
    let report = Perfctl::new().args(["report", &short]).run();
    assert_own_options("report", &flat(&report));
}

#[test]
fn a_baseline_that_can_do_little_is_saved_with_a_warning() {
    let Week {
        directory, base, ..
    } = week();
    let file = directory.path().join("base.json").display().to_string();
    let add = Perfctl::new().args(["baseline", "add", &file, &base]);
    let text = flat(&add.expect_status(0).run());
    let warning = "warning: the baseline is provisional: all its runs are from one occasion";
    assert!(text.contains(warning), "{text}");
    assert!(
        text.contains("even 5 runs detect no slowdown below "),
        "{text}"
    );
    assert!(text.contains("`perfctl ab` needs no baseline"), "{text}");
    assert_own_options("baseline add", &text);

    let short = Perfctl::scenario("demo", "- {name: health, get: /health}")
        .args(["--save-baseline", "base.json"])
        .expect_status(0)
        .run();
    let text = flat(&short);
    let warning = "warning: `base.json`: run `";
    assert!(
        text.contains(warning) && text.contains("60 s are needed"),
        "{text}"
    );
    assert!(
        text.contains("only `perfctl run --gate simple` can use"),
        "{text}"
    );
    assert_own_options("run", &text);
}
