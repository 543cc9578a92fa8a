//! What fits the screen: its width, its letters, and which run is shown without a name.

use crate::support::{Completed, Perfctl, Terminal};
use unicode_width::UnicodeWidthStr;

const ENDPOINTS: &str = "
- {name: list, get: /api/v1/invoices/, weight: 5}
- {name: gone, get: /status/404, check: {status: 200}}
slo: {error_rate: 99%, p95: 30s}";

fn run() -> Perfctl {
    Perfctl::scenario("demo", ENDPOINTS).args(["-i", "60"])
}

fn is_narrow(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(line.width() <= columns, "{} columns: {line}", line.width());
    }
}

#[test]
fn a_terminal_of_50_columns_is_enough() {
    let terminal = Terminal::new(50);
    let mut earlier = run().stdout_on(&terminal).run();
    is_narrow(&terminal.read(), 50);
    for command in [
        "report",
        "results",
        "validate scenarios/default.yaml",
        "profiles",
    ] {
        let terminal = Terminal::new(50);
        let words = command.split(' ');
        earlier = Perfctl::after(earlier)
            .args(words)
            .stdout_on(&terminal)
            .run();
        let text = terminal.read();
        assert!(text.lines().count() > 1, "{command}");
        is_narrow(&text, 50);
    }
}

#[test]
fn a_terminal_that_shows_only_ascii_gets_ascii() {
    let shown = |key: &str, value: &str| run().env(key, value).run();
    for (key, value) in [("LANG", "C"), ("LC_ALL", "POSIX"), ("TERM", "dumb")] {
        let Completed { stdout, stderr, .. } = shown(key, value);
        assert!(stdout.is_ascii() && stderr.is_ascii(), "{stdout}{stderr}");
        assert!(stdout.contains("small - quick - demo"), "{stdout}");
        assert!(stdout.contains("<="), "{stdout}");
    }
    let utf8 = shown("LANG", "C.UTF-8").stdout;
    assert!(utf8.contains("small · quick · demo"), "{utf8}");
}

#[test]
fn a_report_without_a_name_is_that_of_the_newest_run() {
    let first = run().args(["--seed", "1"]).run();
    let second = Perfctl::after(first)
        .args(["run", "--profile", "quick", "-i", "60", "--seed", "2"])
        .run();
    let newest = second.stdout.clone();
    let report = Perfctl::after(second).args(["report"]).run();
    assert!(report.stdout.contains("seed 2"), "{}", report.stdout);
    // An option is one of `perfctl run`.
    let words = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").replace("`perfctl run --", "`--")
    };
    assert_eq!(words(&report.stdout), words(&newest));
    let results = Perfctl::after(report).args(["results"]).run();
    let rows: Vec<&str> = results.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{}", results.stdout);
    assert!(rows[1].contains("small-quick"), "{}", results.stdout);
    let last = Perfctl::after(results)
        .args(["results", "--last", "1"])
        .run();
    assert!(last.stdout.contains("1 more"), "{}", last.stdout);
    let none = Perfctl::new().args(["results"]).run();
    assert_eq!(none.stdout, "no runs in `results/`\n");
    Perfctl::new()
        .args(["report"])
        .expect_status(2)
        .expect_stderr(
            "error: there are no runs in `results/`\n  help: start one with `perfctl run`, or name the directory of a run\n",
        )
        .run();
}
