//! The workflows of `perfctl init --ci github` and the action, from the first push to a pull request from a fork.

use super::runner::{Job, Repository, Service};
use serde_json::{Value, json};

const MARKER: &str = "<!-- perfctl-report -->\n<!-- perfctl-job: smoke -->\n";

/// What GitHub says of an event on the default branch.
fn on_main(name: &str) -> Value {
    json!({"github": {
        "event_name": name,
        "ref": "refs/heads/main",
        "event": {"repository": {"default_branch": "main"}},
    }})
}

/// A pull request from this repository.
fn pull_request(from: &str) -> Value {
    json!({"github": {
        "event_name": "pull_request",
        "ref": "refs/pull/12/merge",
        "event": {
            "repository": {"default_branch": "main"},
            "pull_request": {"number": 12, "head": {"repo": {"full_name": from}}},
        },
    }})
}

fn load_test(repository: &Repository, event: &Value) -> Job {
    repository.run("load-test.yml", "load-test", event)
}

/// Points the workflow to a service, as the comment in it asks.
fn serve(repository: &Repository, url: &str) {
    let path = "work/.github/workflows/load-test.yml";
    let line = regex::Regex::new("PERFCTL_HOST: .*").unwrap();
    let text = repository.read(path);
    repository.write(path, &line.replace(&text, format!("PERFCTL_HOST: {url}")));
}

#[test]
fn the_workflow_makes_a_baseline_and_comments_once_a_pull_request_is_slower() {
    let repository = Repository::new();
    let service = Service::start("150ms");
    serve(&repository, &service.url);

    let push = load_test(&repository, &on_main("push"));
    assert!(push.passed, "{}", push.log);
    assert!(push.summary.contains("## PASS"), "{}", push.summary);
    assert!(push.log.contains("::notice title=perfctl"), "{}", push.log);
    assert_eq!(push.outputs["verdict"], "pass");
    assert_eq!(push.outputs["exit-code"], "0");
    assert!(push.calls.is_empty(), "{:?}", push.calls);
    for file in [
        "report.md",
        "report.html",
        "report.json",
        "junit.xml",
        "results",
    ] {
        assert!(
            repository.exists(&format!("artifacts/perfctl-smoke/{file}")),
            "{file}"
        );
    }
    let baseline = "caches/perfctl-baseline-smoke-7-1/baseline.json.gz";
    assert!(repository.exists(baseline), "{}", push.log);

    let mut by_hand = on_main("workflow_dispatch");
    by_hand["inputs"] = json!({"profile": "smoke", "accept-as-baseline": true});
    let accepted = load_test(&repository, &by_hand);
    assert!(accepted.passed, "{}", accepted.log);
    assert!(
        accepted.log.contains("which now holds 1 run"),
        "{}",
        accepted.log
    );

    // Nothing changed: nothing is said.
    let equal = load_test(&repository, &pull_request("me/shop"));
    assert!(equal.passed, "{}", equal.log);
    assert!(equal.summary.contains("Baseline"), "{}", equal.summary);
    assert_eq!(equal.calls.len(), 1, "{:?}", equal.calls);
    assert!(equal.bodies.is_empty());

    let slow = Service::start("900ms");
    serve(&repository, &slow.url);
    let slower = load_test(&repository, &pull_request("me/shop"));
    assert!(!slower.passed);
    assert_eq!(slower.outputs["verdict"], "fail");
    assert_eq!(slower.outputs["exit-code"], "1");
    assert!(
        slower.log.contains("::error title=regression"),
        "{}",
        slower.log
    );
    let [_, post] = slower.calls.as_slice() else {
        panic!("{:?}", slower.calls);
    };
    let place = "repos/me/shop/issues/12/comments";
    assert!(
        post.contains("--method POST") && post.contains(place),
        "{post}"
    );
    let [body] = slower.bodies.as_slice() else {
        panic!("{:?}", slower.bodies);
    };
    assert!(body.starts_with(&format!("{MARKER}## FAIL")), "{body}");
    assert_eq!(body.matches("<!--").count(), 2, "{body}");
    assert!(
        body.contains("(https://github.example/me/shop/actions/runs/7)"),
        "{body}"
    );

    // Another load cannot be compared: that is said, and the load test goes on.
    serve(&repository, &service.url);
    repository.write(
        "work/profiles/smoke.yaml",
        "rate: 61\nwarmup: 0s\nduration: 1s\n",
    );
    let before = repository.bytes(baseline);
    let other = load_test(&repository, &on_main("push"));
    assert!(other.passed, "{}", other.log);
    assert!(other.log.contains("error: not comparable"), "{}", other.log);
    assert!(
        other.log.contains("::warning title=perfctl::not compared"),
        "{}",
        other.log
    );
    assert_eq!(repository.bytes(baseline), before);
}

#[test]
fn what_cannot_be_run_is_told_before_and_after() {
    let repository = Repository::new();
    repository.write(
        "work/scenarios/shop.yaml",
        "host: demo\nendpoints: [{gat: /}]\n",
    );
    let wrong = load_test(&repository, &pull_request("me/shop"));
    assert!(!wrong.passed);
    assert_eq!(wrong.outputs["verdict"], "error");
    assert_eq!(wrong.outputs["exit-code"], "2");
    assert!(wrong.log.contains("::error title=perfctl"), "{}", wrong.log);
    assert!(wrong.summary.contains("    error: "), "{}", wrong.summary);
    let body = &wrong.bodies[0];
    assert!(
        body.starts_with(&format!("{MARKER}## perfctl could not run")),
        "{body}"
    );

    let mut on_a_branch = on_main("workflow_dispatch");
    on_a_branch["github"]["ref"] = "refs/heads/mine".into();
    on_a_branch["inputs"] = json!({"profile": "smoke", "accept-as-baseline": true});
    let refused = load_test(&repository, &on_a_branch);
    assert!(
        !refused.passed && refused.log.contains("on the default branch"),
        "{}",
        refused.log
    );

    // The text of a person stays a text.
    for (profile, said) in [
        ("$(touch hacked)", "use only letters"),
        ("../../..", "use only letters"),
        ("`touch hacked`; touch hacked", "use only letters"),
    ] {
        let mut event = on_main("workflow_dispatch");
        event["inputs"] = json!({"profile": profile});
        let job = load_test(&repository, &event);
        assert!(!job.passed && job.log.contains(said), "{}", job.log);
        assert!(!repository.exists("work/hacked"));
    }
}

#[test]
fn arguments_are_words_that_nothing_expands() {
    let repository = Repository::new();
    let path = "work/.github/workflows/load-test.yml";
    let with = |args: &str| {
        let line = regex::Regex::new("(?m)^          args: .*").unwrap();
        let text = repository.read(path);
        let args = serde_json::to_string(args).unwrap();
        repository.write(
            path,
            &line.replace(&text, regex::NoExpand(&format!("          args: {args}"))),
        );
        load_test(&repository, &on_main("schedule"))
    };
    let job = with("--profile smoke -e 'A=x y' \"--slo\" 'p95 < 60s' -e 'B=$(touch hacked)'");
    assert!(job.passed, "{}", job.log);
    assert!(job.summary.contains("60.0 s"), "{}", job.summary);
    // At night, there is no baseline.
    assert!(!repository.exists("caches/perfctl-baseline-volume-7-1"));
    let open = with("--slo 'p95");
    assert!(
        !open.passed && open.log.contains("a quote is not closed"),
        "{}",
        open.log
    );
    assert!(!repository.exists("work/hacked"));
}

/// A load test that fails without a service, so it takes no time.
fn failing() -> Repository {
    let repository = Repository::new();
    repository.write("work/scenarios/shop.yaml", "host: demo\n");
    repository
}

#[test]
fn a_comment_that_is_there_is_edited_unless_it_is_of_a_person() {
    let repository = failing();
    let of = |kind: &str, job: &str| {
        let body = format!("<!-- perfctl-report -->\n<!-- perfctl-job: {job} -->\n## PASS");
        json!({"id": 5, "user": {"type": kind}, "body": body})
    };
    for (comment, method) in [
        (
            of("Bot", "smoke"),
            "--method PATCH repos/me/shop/issues/comments/5",
        ),
        (of("User", "smoke"), "--method POST"),
        (of("Bot", "light"), "--method POST"),
        (
            of("Bot", "light -->\n<!-- perfctl-job: smoke"),
            "--method POST",
        ),
    ] {
        repository.write("gh/comments.json", &json!([comment]).to_string());
        let job = load_test(&repository, &pull_request("me/shop"));
        assert!(job.calls[1].contains(method), "{:?}", job.calls);
    }
    // Without permission, the load test still ends as perfctl did.
    repository.write("gh/forbidden", "");
    let job = load_test(&repository, &pull_request("me/shop"));
    assert!(
        job.log.contains("the permission pull-requests: write"),
        "{}",
        job.log
    );
    assert_eq!(job.outputs["exit-code"], "2");
}

#[test]
fn a_pull_request_from_a_fork_is_commented_on_by_the_other_workflow() {
    let repository = failing();
    let job = load_test(&repository, &pull_request("you/shop"));
    assert!(job.calls.is_empty(), "{:?}", job.calls);
    assert!(!job.passed);

    let event = |from: &str| {
        json!({"github": {
            "event_name": "workflow_run",
            "ref": "refs/heads/main",
            "event": {"workflow_run": {
                "id": 7,
                "event": "pull_request",
                "head_branch": "fast\"er; $(touch hacked)",
                "head_sha": "abc",
                "html_url": "https://github.example/run",
                "head_repository": {"full_name": from, "owner": {"login": "you"}},
            }},
        }})
    };
    let comment = |from: &str| repository.run("load-test-comment.yml", "comment", &event(from));
    // A pull request of this repository has its comment already.
    assert!(comment("me/shop").calls.is_empty());
    let pulls = json!([
        {"number": 3, "head": {"sha": "old"}},
        {"number": 12, "head": {"sha": "abc"}},
    ]);
    repository.write("gh/pulls.json", &pulls.to_string());
    let done = comment("you/shop");
    assert!(done.passed, "{}", done.log);
    assert_eq!(done.calls.len(), 3, "{:?}", done.calls);
    assert!(
        done.calls[2].contains("--method POST repos/me/shop/issues/12/"),
        "{:?}",
        done.calls
    );
    assert!(done.bodies[0].starts_with(MARKER), "{:?}", done.bodies);
    assert!(!repository.exists("work/hacked"));

    // A newer push: its own run comments.
    repository.write(
        "gh/pulls.json",
        &json!([{"number": 12, "head": {"sha": "new"}}]).to_string(),
    );
    let late = comment("you/shop");
    assert!(late.passed && late.bodies.is_empty(), "{}", late.log);
    // A file that is a link to one of the machine.
    repository.write("gh/pulls.json", &pulls.to_string());
    repository.write("secret", "s3cret");
    repository.link("artifacts/perfctl-comment-smoke/report.md", "secret");
    let linked = comment("you/shop");
    assert!(!linked.passed && linked.bodies.is_empty(), "{}", linked.log);
    repository.unlink("artifacts/perfctl-comment-smoke/report.md");
    // An artifact that is too long for a comment is cut at a line.
    repository.write("gh/pulls.json", &pulls.to_string());
    let long = "| ä |\n".repeat(20_000);
    repository.write("artifacts/perfctl-comment-smoke/report.md", &long);
    let done = comment("you/shop");
    let body = &done.bodies[0];
    assert!(
        body.len() < 65_536 && body.contains("too long for a comment"),
        "{}",
        body.len()
    );
}

#[test]
fn a_baseline_of_the_user_is_not_touched() {
    let repository = Repository::new();
    let path = "work/.github/workflows/load-test.yml";
    let line = regex::Regex::new("(?m)^          baseline: .*").unwrap();
    let text = repository.read(path);
    repository.write(path, &line.replace(&text, "          baseline: base.json"));
    let missing = load_test(&repository, &pull_request("me/shop"));
    let said = "input baseline: there is no such file";
    assert!(
        !missing.passed && missing.log.contains(said),
        "{}",
        missing.log
    );

    let mut by_hand = on_main("workflow_dispatch");
    by_hand["inputs"] = json!({"profile": "smoke", "accept-as-baseline": true});
    let accepted = load_test(&repository, &by_hand);
    assert!(accepted.passed, "{}", accepted.log);
    assert!(repository.exists("artifacts/perfctl-smoke/base.json"));
    assert!(!repository.exists("work/base.json"));
    assert!(!repository.exists("caches/perfctl-baseline-smoke-7-1"));
}
