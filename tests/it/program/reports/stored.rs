//! Stored runs: their history, the list of them, and the removal of old ones.

use std::fs;

use serde_json::Value;

use super::pages::opened;
use crate::support::{Completed, Perfctl};

const ENDPOINTS: &str = "
- {name: list, get: /api/v1/invoices/}
- {name: gone, get: /status/404, check: {status: 404}}";

/// Three runs of two setups, of different builds.
fn three_runs() -> Completed {
    let run = |perfctl: Perfctl, users: &str, build: &str| {
        let args = ["-i", "20", "-u", users, "--build", build, "--quiet"];
        perfctl.args(args).expect_status(0).run()
    };
    let again = |earlier| Perfctl::after(earlier).args(["run", "--profile", "quick"]);
    let first = run(Perfctl::scenario("demo", ENDPOINTS), "2", "1.0");
    let second = run(again(first), "3", "1.1");
    run(again(second), "2", "1.2")
}

#[test]
fn the_history_has_a_series_for_each_setup_and_names_what_is_damaged() {
    let runs = three_runs();
    let damaged = "results/20260101T000000Z-small-quick";
    let shown = Perfctl::after(runs)
        .file(
            &format!("{damaged}/result.json"),
            r#"{"format": "perfctl-result", "#,
        )
        .args(["history", "--html", "out/history.html"])
        .expect_status(0)
        .run();
    let (text, said) = (&shown.stdout, &shown.stderr);
    assert!(said.starts_with("wrote out/history.html ("), "{said}");
    let titles = text.lines().filter(|line| *line == "small · quick · demo");
    assert_eq!(titles.count(), 2, "{text}");
    let other = text.find("  1.1 ").unwrap();
    assert!(
        other < text.find("  1.0 ").unwrap(),
        "the newest last: {text}"
    );
    assert!(text.contains("at least 14 runs"), "{text}");
    assert!(text.contains("ran another load"), "{text}");
    assert!(
        text.contains(&format!("`{damaged}/result.json` is not a usable result")),
        "{text}"
    );
    if let Some((dom, said)) = opened(&format!(
        "file://{}",
        shown.dir.path().join("out/history.html").display()
    )) {
        assert!(
            dom.contains("id=\"s0-latency-t\"") && dom.contains(damaged),
            "{dom}"
        );
        assert!(!said.contains("CONSOLE"), "{said}");
    }

    let json = Perfctl::after(shown)
        .args([
            "history",
            "results",
            "--endpoint",
            "gone",
            "--last",
            "1",
            "--format",
            "json",
        ])
        .expect_status(0)
        .run();
    let history: Value = serde_json::from_str(&json.stdout).unwrap();
    let series = history["series"].as_array().unwrap();
    let builds: Vec<&Value> = series.iter().map(|one| &one["runs"][0]["build"]).collect();
    assert_eq!(builds, ["1.1", "1.2"]);
    assert_eq!(series[0]["endpoint"], "gone");
    let unknown = Perfctl::after(json)
        .args(["history", "--scenario", "smal"])
        .expect_status(2)
        .run();
    assert!(
        unknown.stderr.contains("known: `small`"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn old_runs_are_removed_and_nothing_else() {
    let runs = three_runs();
    let newest = runs.runs().pop().unwrap();
    let id = newest.file_name().unwrap().to_str().unwrap().to_owned();
    let shown = Perfctl::after(runs)
        .args(["results", "show", &id])
        .expect_status(0)
        .run();
    for part in [
        "small, quick, against demo",
        "2 endpoints, 20 requests",
        "journal.jsonl",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let none = Perfctl::after(shown)
        .args(["results", "prune"])
        .expect_status(2)
        .run();
    assert!(
        none.stderr.contains("--keep <N>|--older-than <AGE>"),
        "{}",
        none.stderr
    );
    let young = Perfctl::after(none)
        .args(["results", "prune", "--keep", "1", "--older-than", "1d"])
        .expect_status(0)
        .expect_stdout("no run to remove\n")
        .run();
    // Old, but with a file of someone.
    let mine = "results/20260101T000000Z-small-quick";
    let young = Perfctl::after(young)
        .file(
            &format!("{mine}/result.json"),
            r#"{"format":"perfctl-result"}"#,
        )
        .file(&format!("{mine}/notes.txt"), "keep this")
        .file("results/baseline.json", "{}");
    let dry = young
        .args(["results", "prune", "--keep", "1", "--dry-run"])
        .expect_status(0)
        .run();
    assert!(
        dry.stdout.contains("would remove 2 runs, "),
        "{}",
        dry.stdout
    );
    let pruned = Perfctl::after(dry)
        .args(["results", "prune", "--keep", "1"])
        .expect_status(0)
        .run();
    let text = &pruned.stdout;
    assert!(text.contains("removed 2 runs, "), "{text}");
    assert!(
        text.contains("it holds `notes.txt`, which is no file of a run"),
        "{text}"
    );
    let left = fs::read_dir(pruned.dir.path().join("results")).unwrap();
    let mut left: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["20260101T000000Z-small-quick", &id, "baseline.json"]);
    let list = Perfctl::after(pruned)
        .args(["results", "list", "--format", "json"])
        .expect_status(0)
        .run();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(
        (&list[0]["id"], &list[0]["scenario"]),
        (&id.into(), &"small".into())
    );
    assert_eq!(list[1]["verdict"], "unreadable");
}
