//! Values that a scenario is given from outside: variables of the command line, the environment with defaults.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};
use crate::support::scenario::SCENARIO;

/// The paths and bodies that `perfctl run` sends once with these arguments.
fn sent(server: &Recording, scenario: &str, arguments: &[&str]) -> Vec<String> {
    let before = server.seen().len();
    Perfctl::new()
        .file(SCENARIO, scenario)
        .args(["run", "-i", "1", "-u", "1", "--host", &server.url()])
        .args(arguments)
        .expect_status(0)
        .run();
    let seen = server.seen().into_iter().skip(before);
    seen.map(|seen| format!("{} {}", seen.path(), String::from_utf8_lossy(&seen.body)))
        .collect()
}

fn variables_of_the_command_line_replace_those_of_the_scenario() {
    let server = Recording::start(|_, _| ok(""));
    let scenario = "\
variables: {list: [1, a], size: 20, word: tea, id: '{{ size }}-{{ word }}'}
endpoints:
- post: /{{ id }}
  json: {list: '{{ list }}', size: '{{ size }}', word: '{{ word }}'}
";
    for (arguments, expected) in [
        (
            &[][..],
            r#"/20-tea {"list":[1,"a"],"size":20,"word":"tea"}"#,
        ),
        (
            &["-v", "size=3", "--var", "word='7'", "-v", "list=[b, 2.5]"],
            r#"/3-7 {"list":["b",2.5],"size":3,"word":"7"}"#,
        ),
        (
            &["-v", "word=x{{ user_id }}", "-v", "id=a b"],
            r#"/a%20b {"list":[1,"a"],"size":20,"word":"x1"}"#,
        ),
    ] {
        assert_eq!(sent(&server, scenario, arguments), [expected]);
    }
}

fn a_variable_of_the_environment_may_have_a_default() {
    let server = Recording::start(|_, _| ok(""));
    let scenario = "\
endpoints:
- post: /{{ env.PERFCTL_T_A | default('none') }}
  json:
    b: \"{{ env.PERFCTL_T_A | default('0') | int + 1 }}\"
    c: '{{ 1 if env.PERFCTL_T_A is defined else 2 }}'
    d: '{{ user_id if env.PERFCTL_T_A is undefined else env.PERFCTL_T_A }}'
";
    assert_eq!(
        sent(&server, scenario, &[]),
        [r#"/none {"b":1,"c":2,"d":1}"#]
    );
    assert_eq!(
        sent(&server, scenario, &["-e", "PERFCTL_T_A=7"]),
        [r#"/7 {"b":8,"c":1,"d":"7"}"#]
    );
}

fn an_environment_replaces_what_it_names() {
    let server = Recording::start(|_, _| ok(""));
    let scenario = "\
host: http://127.0.0.1:1
variables: {a: 1, b: '{{ a }}'}
secrets: {key: {env: PERFCTL_T_KEY}}
defaults: {headers: {X-One: one, x-two: two}}
environments:
  staging:
    variables: {a: 2}
    headers: {X-Two: '{{ a }}', x-new: '{{ key }}'}
    secrets: {key: {file: key.txt}}
  other: {host: 'http://127.0.0.1:2'}
endpoints: [{get: '/{{ a }}/{{ b }}'}]
";
    let run = |arguments: &[&str]| {
        let before = server.seen().len();
        let completed = Perfctl::new()
            .file(SCENARIO, scenario)
            .file("scenarios/key.txt", "k")
            .env("PERFCTL_T_KEY", "e")
            .args(["run", "-i", "1", "-u", "1", "--host", &server.url()])
            .args(arguments)
            .expect_status(0)
            .run();
        let seen = &server.seen()[before];
        let header = |name: &str| seen.header(name).unwrap_or("-").to_owned();
        let headers = ["x-one", "x-two", "x-new"].map(header).join(" ");
        (format!("{} {headers}", seen.path()), completed)
    };
    let (sent, completed) = run(&[]);
    assert_eq!(sent, "/1/1 one two -");
    assert_eq!(completed.result().run.environment, None);
    let (sent, completed) = run(&["--environment", "staging"]);
    assert_eq!(sent, "/2/2 one 2 k");
    assert_eq!(
        completed.result().run.environment.as_deref(),
        Some("staging")
    );
    assert!(
        completed.stdout.contains(" · staging · "),
        "{}",
        completed.stdout
    );
    let (sent, _) = run(&["--environment", "staging", "-v", "a=3"]);
    assert_eq!(sent, "/3/3 one 3 k");
}

#[test]
fn an_unknown_environment_is_an_error_that_lists_the_known_ones() {
    let scenario = "\
environments: {staging: {host: demo}, local: {host: demo}}
endpoints: [{get: /health}]
";
    for (arguments, status, expected) in [
        (
            &["--environment", "stagging"][..],
            2,
            "unknown environment `stagging`: did you mean `staging`?",
        ),
        (
            &["--environment", "x"],
            2,
            "environments: `staging`, `local`",
        ),
        (
            &[],
            2,
            "choose one with `--environment`: `staging`, `local`",
        ),
        (&["--environment", "local"], 0, ""),
    ] {
        let completed = Perfctl::new()
            .file(SCENARIO, scenario)
            .args(["validate", SCENARIO])
            .args(arguments)
            .expect_status(status)
            .run();
        assert!(completed.stderr.contains(expected), "{}", completed.stderr);
    }
}

for_each_client! {
    an_environment_replaces_what_it_names
    variables_of_the_command_line_replace_those_of_the_scenario
    a_variable_of_the_environment_may_have_a_default
}

#[test]
fn what_is_wrong_with_a_given_variable_is_an_error_before_the_run() {
    let scenario = "host: demo\nvariables: {size: 1, api_token: x}\nendpoints: [{get: '/{{ size }}{{ api_token }}'}]\n";
    for (given, expected) in [
        (
            "siez=3",
            "`--var`: the scenario has no variable `siez`: did you mean `size`?",
        ),
        ("size={{ x }}", "--var:1:6"),
        ("size", "`--var` takes NAME=VALUE"),
        ("api_token={{ c4n4ry }", "without"),
    ] {
        let completed = Perfctl::new()
            .file(SCENARIO, scenario)
            .args(["validate", SCENARIO, "-v", given])
            .expect_status(2)
            .run();
        assert!(completed.stderr.contains(expected), "{}", completed.stderr);
    }
}

#[test]
fn a_given_variable_that_may_be_a_secret_is_not_stored() {
    let server = Recording::start(|_, _| ok(""));
    let completed = Perfctl::new()
        .file(
            SCENARIO,
            "variables: {api_token: x}\nendpoints: [{get: '/{{ api_token }}'}]\n",
        )
        .args(["run", "-i", "1", "-u", "1", "--host", &server.url()])
        .args(["-v", "api_token=c4n4ry-s3cret"])
        .expect_status(0)
        .run();
    assert_eq!(server.paths(), ["/c4n4ry-s3cret"]);
    for run in completed.runs() {
        for file in std::fs::read_dir(run).unwrap() {
            let text = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("c4n4ry"));
        }
    }
}
