//! Wrong scenarios and profiles: exit code 2, the place in the file, all errors at once, and
//! nothing is sent. The whole texts are in `errors`.

use crate::support::scenario::SCENARIO;
use crate::support::{Completed, Fault, Misbehaving, Perfctl};

/// Runs a scenario text in which `HOST` stands for a server, which must not get any request.
#[track_caller]
fn refused(text: &str) -> Completed {
    let server = Misbehaving::start(Fault::Ok);
    let completed = Perfctl::new()
        .file(SCENARIO, text.replace("HOST", &server.url()))
        .args(["run", "-i", "3"])
        .expect_status(2)
        .expect_stdout("")
        .run();
    assert_eq!(server.connections(), 0);
    assert!(completed.runs().is_empty());
    completed
}

#[track_caller]
fn assert_says(completed: &Completed, parts: &[&str]) {
    for part in parts {
        assert!(
            completed.stderr.contains(part),
            "{part}\n{}",
            completed.stderr
        );
    }
}

#[test]
fn an_error_has_its_place_its_line_a_caret_and_the_next_step() {
    let completed = refused("host: HOST\nendpoints:\n  - get: /\n    wieght: 3\n");
    let place = format!("{SCENARIO}:4:5");
    assert_says(
        &completed,
        &[&place, "wieght: 3", "^^^^^^", "did you mean `weight`?"],
    );
}

#[test]
fn each_kind_of_mistake_is_refused_with_its_line() {
    for (text, line, part) in [
        ("host: HOST\nendpoints:\n- get: /\n  get: /b\n", 4, "get"),
        ("host: HOST\nendpoints: [{get: /, weight: -1}]\n", 2, "-1"),
        (
            "host: HOST\nendpoints: [{get: /, timeout: 5 parsecs}]\n",
            2,
            "5 parsecs",
        ),
        (
            "host: HOST\nendpoints: [{get: /, slo: {p101: 1s}}]\n",
            2,
            "p101",
        ),
        (
            "host: HOST\nslo: {\"p(101)\": 1s}\nendpoints: [{get: /}]\n",
            2,
            "p(101)",
        ),
        (
            "host: HOST\nendpoints: [{get: /, weight: 0}]\n",
            2,
            "weights are 0",
        ),
        (
            "host: HOST\nendpoints: [{get: '/{{ nobody }}'}]\n",
            2,
            "nobody",
        ),
        (
            "host: HOST\nendpoints: [{get: '/{{ env.NOT_SET_HERE }}'}]\n",
            2,
            "NOT_SET_HERE",
        ),
        ("host: HOST\nendpoints:\n- get: /\n - bad\n", 4, ""),
        ("host: HOST\nendpoints: [{get: /, post: /}]\n", 2, "post"),
        ("host: ftp://x\nendpoints: [{get: /}]\n", 1, "http://"),
        ("host: HOST\nendpoints: {}\n", 2, "endpoints"),
    ] {
        let completed = refused(text);
        let place = format!("{SCENARIO}:{line}:");
        assert_says(&completed, &[&place, part]);
        assert!(completed.stderr.contains('^'), "{}", completed.stderr);
    }
}

#[test]
fn all_errors_of_scenario_profile_and_command_line_are_reported_together() {
    let completed = Perfctl::new()
        .file(
            SCENARIO,
            "host: demo\ntypo: 1\nendpoints:\n- {get: /, weight: x}\n- {get: '{{ a }}'}\n",
        )
        .file("profiles/mine.yaml", "users: 0\nduraton: 1s\n")
        .args(["run", "-p", "mine", "--slo", "p95>1s", "--workers", "0"])
        .expect_status(2)
        .expect_stdout("")
        .run();
    let parts = [
        "`typo`",
        "`x`",
        "default.yaml:5",
        "`duraton`",
        "p95>1s",
        "number of workers",
    ];
    assert_says(&completed, &parts);
    assert!(
        completed.stderr.matches("error: ").count() >= 6,
        "{}",
        completed.stderr
    );
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "host: HOST\nendpoints: [{get: /}]\nvariables:\n  a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let before = format!("*a{}", level - 1);
        text += &format!(
            "  a{level}: &a{level} [{}]\n",
            [before.as_str(); 9].join(", ")
        );
    }
    assert_says(
        &refused(&text),
        &[SCENARIO, "too large or too deeply nested"],
    );
}

#[test]
fn nesting_that_is_too_deep_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = format!("{}{}", open.repeat(20_000), close.repeat(20_000));
        let text = format!("host: HOST\nendpoints: [{{post: /, json: {deep}}}]\n");
        assert_says(&refused(&text), &[&format!("{SCENARIO}:2:"), "limit"]);
    }
}

#[test]
fn a_file_of_100_mb_is_refused_without_reading_it() {
    let run = Perfctl::new().file("huge.yaml", "");
    let file = std::fs::File::options()
        .write(true)
        .open(run.dir().join("huge.yaml"));
    file.unwrap().set_len(100_000_000).unwrap();
    for args in [["run", "huge.yaml"], ["validate", "huge.yaml"]] {
        let run = Perfctl::new().args([args[0].into(), run.dir().join(args[1])]);
        let completed = run.expect_status(2).expect_stdout("").run();
        assert_says(&completed, &["huge.yaml", "larger than 1 MiB"]);
    }
}

#[test]
fn anything_but_a_regular_text_file_is_refused() {
    let run = || {
        Perfctl::new()
            .file("dir.yaml/x", "")
            .file("bytes.yaml", b"host: \xff\n")
    };
    for (name, part) in [("dir.yaml", "regular file"), ("bytes.yaml", "UTF-8")] {
        let completed = run().args(["run", name]).expect_status(2).run();
        assert_says(&completed, &[name, part]);
    }
    let run = run().args(["run", "/dev/zero"]).expect_status(2).run();
    assert_says(&run, &["/dev/zero", "regular file"]);
}

#[test]
fn an_empty_scenario_says_what_is_missing() {
    for text in ["", "\n# nothing\n", "host: HOST\n", "[]", "just text"] {
        let completed = refused(text);
        assert!(
            completed.stderr.starts_with("error"),
            "{}",
            completed.stderr
        );
        assert!(
            !completed.stderr.contains("panicked"),
            "{}",
            completed.stderr
        );
    }
    assert_says(&refused("host: HOST\n"), &["endpoints"]);
}

#[test]
fn a_bad_profile_is_refused_with_its_place() {
    for (text, part) in [
        ("users: 5\nduration: 1 fortnight\n", "profiles/mine.yaml:2:"),
        (
            "users: 5\nrate: 5\nduration: 1s\n",
            "`users` and `rate` cannot be combined",
        ),
        ("duration: 1s\n", "no load"),
        ("users: 5\n", "duration"),
        ("users: 5\nduration: 1s\nuser: 5\n", "did you mean `users`?"),
    ] {
        let completed = Perfctl::new()
            .file(SCENARIO, "host: demo\nendpoints: [{get: /}]\n")
            .file("profiles/mine.yaml", text)
            .args(["run", "--profile", "mine"])
            .expect_status(2)
            .expect_stdout("")
            .run();
        assert_says(&completed, &["profiles/mine.yaml", part]);
    }
}
