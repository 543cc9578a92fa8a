//! Load tests in CI: what `perfctl init --ci` writes and the GitHub action, their shell run by a [`runner`], and
//! the container.

mod container;
mod github;
mod linters;
mod runner;

use std::path::Path;

use crate::support::{Completed, Perfctl};
use serde_json::Value;

fn init(earlier: Completed, args: &[&str]) -> Perfctl {
    Perfctl::after(earlier).args(["init"]).args(args)
}

#[test]
fn each_ci_system_gets_its_files_and_the_next_step_and_nothing_is_overwritten() {
    let start = Perfctl::new().file("scenarios/shop.yaml", "mine");
    let mut done = start.args(["list"]).run();
    for (system, files, next) in [
        (
            "github",
            &[
                ".github/workflows/load-test.yml",
                ".github/workflows/load-test-comment.yml",
            ][..],
            "PERFCTL_GIT",
        ),
        (
            "gitlab",
            &["perfctl.gitlab-ci.yml", ".gitlab-ci.yml"],
            "PERFCTL_GIT",
        ),
        ("jenkins", &["Jenkinsfile"], "PERFCTL_GIT"),
        ("make", &["perfctl.mk", "Makefile"], "make load-smoke"),
    ] {
        done = init(done, &["--ci", system]).expect_status(0).run();
        for file in files {
            assert!(done.stdout.contains(file), "{}", done.stdout);
        }
        assert!(done.stdout.contains(next), "{}", done.stdout);
        assert!(done.read(files[0]).contains("shop.yaml") || system == "github");
        let again = init(done, &["--ci", system]).expect_status(2).run();
        assert!(again.stderr.contains("would be overwritten"));
        done = init(again, &["--ci", system, "--force"])
            .expect_status(0)
            .run();
    }
    assert_eq!(done.read("scenarios/shop.yaml"), "mine");
    let wrong = init(done, &["--ci", "github", "--scenario", "no"]).expect_status(2);
    assert!(wrong.run().stderr.contains("`no` not found"));
}

#[test]
fn in_an_empty_folder_there_is_a_scenario_for_ci_too() {
    let empty = Perfctl::new().args(["init", "--ci", "gitlab"]);
    let done = empty.expect_status(0).run();
    assert!(done.read("scenarios/default.yaml").contains("endpoints:"));
    let jobs = done.read("perfctl.gitlab-ci.yml");
    assert!(
        jobs.contains("perfctl run scenarios/default.yaml"),
        "{jobs}"
    );
}

/// The script lines of a job, with those that it refers to.
fn script(jobs: &Value, job: &str) -> String {
    let lines = |job: &str| jobs[job]["script"].as_array().cloned();
    let own = lines(job)
        .or_else(|| lines(".load-test"))
        .unwrap_or_default();
    let text = |line: &Value| line.as_str().map(str::to_owned);
    let own = own.iter().flat_map(|line| match text(line) {
        Some(line) => vec![line],
        // `!reference [.load-test, script]`
        None => lines(".load-test")
            .into_iter()
            .flatten()
            .filter_map(|line| text(&line))
            .collect(),
    });
    own.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_scripts_of_gitlab_run() {
    let done = Perfctl::new()
        .file("scenarios/shop.yaml", runner::SCENARIO)
        .file("profiles/smoke.yaml", runner::SMOKE)
        .args(["init", "--ci", "gitlab"])
        .expect_status(0)
        .run();
    let dir = done.dir.path();
    let jobs: Value = serde_saphyr::from_str(&done.read("perfctl.gitlab-ci.yml")).unwrap();
    let start = runner::shell(dir, &script(&jobs, "load test of the default branch"));
    assert!(start.status.success(), "{}", runner::output(&start));
    let files = [
        "out/junit.xml",
        "out/metrics.txt",
        "out/load-performance.json",
    ];
    for file in files.iter().chain(&["out/report.html", "baseline.json.gz"]) {
        assert!(dir.join(file).exists(), "{file}");
    }
    let reports = &jobs[".load-test"]["artifacts"]["reports"];
    let reports = ["junit", "metrics", "load_performance"].map(|report| reports[report].clone());
    assert_eq!(reports, files);

    let accepted = runner::shell(dir, &script(&jobs, "accept as baseline"));
    assert!(accepted.status.success(), "{}", runner::output(&accepted));
    // The request of a merge is compared with it, and slower by far.
    let slow = runner::Service::start("900ms");
    let merge = format!(
        "export PERFCTL_HOST={}\n{}",
        slow.url,
        script(&jobs, "load test")
    );
    let merge = runner::shell(dir, &merge);
    assert_eq!(merge.status.code(), Some(1), "{}", runner::output(&merge));
    assert!(done.read("out/junit.xml").contains("perfctl.baseline"));
}

#[test]
fn the_targets_of_make_run_perfctl() {
    let done = Perfctl::new()
        .file("scenarios/shop.yaml", runner::SCENARIO)
        .file("profiles/light.yaml", runner::SMOKE)
        .args(["init", "--ci", "make"])
        .expect_status(0)
        .run();
    let dir = done.dir.path();
    if !runner::is_there("make") {
        crate::support::skip("there is no make");
        return;
    }
    let planned = runner::shell(
        dir,
        "make -n load-smoke load-test load-volume load-baseline load-accept load-report",
    );
    let planned = runner::output(&planned);
    assert_eq!(
        planned.matches("perfctl run scenarios/shop.yaml").count(),
        5
    );
    assert!(!planned.contains("--baseline"), "{planned}");
    let newest = regex::Regex::new(r#""\$\(ls [^"]*""#).unwrap();
    let planned = newest.replace_all(&planned, "results/run");
    for line in planned.replace("\\\n", " ").lines() {
        let Some((_, arguments)) = line.split_once("perfctl ") else {
            continue;
        };
        let arguments = arguments.split(" &&").next().unwrap();
        let help = Perfctl::new()
            .args(arguments.split_whitespace())
            .args(["--help"])
            .run();
        assert_eq!(help.status, Some(0), "{line}\n{}", help.stderr);
    }
    let ran = runner::shell(
        dir,
        "make load-baseline && make -n load-test && make load-report",
    );
    let ran = runner::output(&ran);
    assert!(ran.contains("which now holds 1 run"), "{ran}");
    assert!(
        ran.contains("--baseline baseline.json.gz --repeat auto"),
        "{ran}"
    );
    assert!(dir.join("baseline.json.gz").exists() && is_page(&dir.join("load-report.html")));
}

fn is_page(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("<!"))
}

#[test]
fn the_jenkinsfile_is_balanced_and_its_shell_parses() {
    let done = Perfctl::new().args(["init", "--ci", "jenkins"]).run();
    let text = done.read("Jenkinsfile");
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    for (open, close) in [('{', '}'), ('(', ')'), ('[', ']')] {
        // In the pattern `[^/]` and the shell's `[ ... ]` they are balanced, too.
        assert_eq!(
            code.matches(open).count(),
            code.matches(close).count(),
            "{open}"
        );
    }
    for directive in [
        "agent",
        "parameters",
        "triggers",
        "options",
        "environment",
        "stages",
        "post",
    ] {
        assert!(code.contains(&format!("\n  {directive}")), "{directive}");
    }
    let steps = regex::Regex::new(r"(?s)sh '''(.*?)'''|sh '([^'\n]*)'").unwrap();
    let mut count = 0;
    for step in steps.captures_iter(&code) {
        let script = step.get(1).or(step.get(2)).unwrap().as_str();
        // Groovy fills nothing in: what a person enters stays in variables of the shell.
        let parsed = runner::shell(done.dir.path(), &format!("set -n\n{script}"));
        assert!(
            parsed.status.success(),
            "{script}\n{}",
            runner::output(&parsed)
        );
        count += 1;
    }
    assert!(count >= 5, "{count}");
}
