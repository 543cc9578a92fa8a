//! Compiling: precedence, tags, shares, secrets, and scenarios with mutations.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::plan::{
    Body, Check, Expectation, Metric, Percentile, Scope, SloScope, Slot, StatusRange, Template,
};
use crate::scenario::source::request::QuickRequest;

mod values;

const DEFAULT: &str = include_str!("../../../scenarios/default.yaml");

/// Compiles a scenario's text in a folder of its own, with no profiles but the built-in ones.
fn try_compile(text: &str, profile: &str, options: &Options) -> Result<Plan, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join("users.csv"), "id,name\n1,Ann\n2,Bob\n").unwrap();
    compile_in(dir.path(), &Source::File(path), profile, options).map_err(|error| error.to_string())
}

fn plan(text: &str, options: &Options) -> Plan {
    try_compile(text, "smoke", options).unwrap()
}

fn target_of(plan: &Plan, name: &str) -> Option<f64> {
    plan.slos
        .iter()
        .find(|slo| slo.name == name)
        .map(|slo| slo.limit)
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.endpoints
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect()
}

fn render(template: &Template, variables: &[String]) -> String {
    use rand_chacha::rand_core::SeedableRng;
    let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(1);
    let mut out = String::new();
    let variables: Vec<_> = variables
        .iter()
        .map(|text| Some(text.as_str().into()))
        .collect();
    let mut scope = Scope {
        names: &[],
        variables: &variables,
        shared: None,
        user_id: 7,
        iteration: 3,
        counters: &mut Default::default(),
        rng: &mut rng,
        request: None,
    };
    template.render(&mut scope, &mut out).unwrap();
    out
}

#[test]
fn every_shipped_profile_runs_the_shipped_scenario() {
    let users = [5.0, 20.0, 50.0, 100.0, 200.0, 150.0, 50.0];
    let minutes = [2, 5, 10, 15, 10, 5, 240];
    for (((name, _), users), minutes) in profile::built_in().zip(users).zip(minutes) {
        let plan = try_compile(DEFAULT, name, &Options::default()).unwrap();
        assert_eq!((plan.profile.as_str(), plan.load.peak()), (name, users));
        let levels: Duration = plan.load.stages.iter().map(|stage| stage.duration).sum();
        assert_eq!(levels, Duration::from_secs(minutes * 60), "{name}");
        assert!(plan.load.stages[0].ramp <= Duration::from_secs(10));
        assert_eq!(target_of(&plan, "api_response_time_p95"), Some(500_000.0));
        // 200 users with 2 s between their requests offer 100/s, fewer users do not.
        let reachable = users >= 200.0;
        assert_eq!(
            target_of(&plan, "throughput_rps").is_some(),
            reachable,
            "{name}"
        );
    }
    let spike = try_compile(DEFAULT, "spike", &Options::default()).unwrap();
    assert_eq!(spike.load.recoveries(), [(0, 2)]);
}

#[test]
fn a_scenario_without_data_keeps_the_fingerprint_it_always_had() {
    let plan = try_compile(DEFAULT, "smoke", &Options::default()).unwrap();
    let fingerprint = plan.fingerprint();
    // Baselines that were made before there was data, extraction or a named failure.
    assert_eq!(fingerprint.scenario, "c1b07bae2fbe1b9d");
    assert_eq!(fingerprint.load, "4474695746be83fb");
}

#[test]
fn the_shipped_scenario_means_what_it_says() {
    let options = Options {
        seed: Some(9),
        workers: Some(2),
        ..Options::default()
    };
    let plan = try_compile(DEFAULT, "light", &options).unwrap();
    assert_eq!(
        (plan.scenario.as_str(), plan.seed, plan.workers),
        ("ap-intake", 9, 2)
    );
    assert_eq!(plan.service, Service::Demo);
    let shares = plan.shares();
    assert_eq!((shares[0], shares[1]), (0.3, 0.2));
    let list = &plan.endpoints[1];
    assert_eq!(list.url.as_constant(), Some("/api/v1/invoices/?limit=20"));
    assert!(
        matches!(&list.checks[0], Check::Status(ranges) if *ranges == [StatusRange { low: 200, high: 200 }])
    );
    let Check::Json { expect, .. } = &list.checks[2] else {
        panic!("{:?}", list.checks)
    };
    assert_eq!(*expect, Expectation::Exists);
    let create = &plan.endpoints[4];
    let header = |name: &str| {
        create
            .headers
            .iter()
            .find(|header| header.name == name)
            .unwrap()
    };
    assert_eq!(
        header("content-type").value.as_constant(),
        Some("application/json")
    );
    assert_eq!(
        header("accept").value.as_constant(),
        Some("application/json")
    );
    let Body::Template(body) = &create.body else {
        panic!("{:?}", create.body)
    };
    let text = render(body, &["20".into(), "E\"UR".into()]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["currency"], "E\"UR");
    assert!(json["number"].as_str().unwrap().starts_with("INV-"));
    let upload = &plan.endpoints[5];
    assert_eq!(
        upload
            .headers
            .iter()
            .filter(|header| header.name == "content-type")
            .count(),
        1
    );
    let slo = plan
        .slos
        .iter()
        .find(|slo| slo.name == "invoice_processing_time_p95")
        .unwrap();
    assert_eq!(slo.scope, SloScope::Endpoint("invoice processing".into()));
    assert_eq!(
        slo.metric,
        Metric::ResponseTime(Percentile::new(95.0).unwrap())
    );
}

#[test]
fn the_command_line_overrides_the_scenario_which_overrides_the_profile() {
    let text = "host: http://a\nendpoints: [{get: /x, name: x}]\nslo: {p95: 400ms, error_rate: 2%}\n\
                profiles: {smoke: {users: 2, slo: {p95: 1s, max: 9s}}}\n";
    let plan1 = plan(text, &Options::default());
    assert_eq!(plan1.load.peak(), 2.0);
    assert_eq!(
        plan1.load.stages[0].duration,
        Duration::from_secs(120),
        "kept from the profile"
    );
    // `p95` and the profile's `api_response_time_p95` are the same metric.
    assert_eq!(target_of(&plan1, "api_response_time_p95"), None);
    assert_eq!(target_of(&plan1, "p95"), Some(400_000.0));
    assert_eq!(target_of(&plan1, "max"), Some(9_000_000.0));
    let options = Options {
        host: Some("http://b/api/".into()),
        users: Some(3),
        slos: vec!["p95<=300ms".into(), "x:p95<1s".into()],
        timeout: Some(Duration::from_secs(5)),
        ..Options::default()
    };
    let plan2 = plan(text, &options);
    assert_eq!(plan2.service, Service::Url("http://b/api".into()));
    assert_eq!(plan2.load.peak(), 3.0);
    let p95: Vec<f64> = plan2
        .slos
        .iter()
        .filter(|slo| slo.name == "p95")
        .map(|slo| slo.limit)
        .collect();
    assert_eq!(p95, [300_000.0, 1_000_000.0]);
    let endpoint = &plan2.endpoints[0];
    assert_eq!(
        (endpoint.timeout, endpoint.connect_timeout),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert_eq!(
        plan2.allowed_hosts.into_iter().collect::<Vec<_>>(),
        ["b:80"]
    );
}

#[test]
fn timeouts_and_redirects_come_from_the_endpoint_the_defaults_or_the_table() {
    let text = "host: demo\ndefaults: {timeout: 20s, max_redirects: 3, max_body: 2GB}\n\
                endpoints: [{get: /a}, {get: /b, timeout: 2s, max_redirects: 0, max_body: 64 KiB}, {get: /c, connect_timeout: 15s}]\n";
    let plan = plan(text, &Options::default());
    let seen: Vec<(u64, u64, u32, u64)> = (plan.endpoints.iter())
        .map(|one| {
            (
                one.timeout.as_secs(),
                one.connect_timeout.as_secs(),
                one.max_redirects,
                one.max_body,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (20, 10, 3, 2_000_000_000),
            (2, 2, 0, 65_536),
            (20, 15, 3, 2_000_000_000)
        ]
    );
}

#[test]
fn tags_choose_endpoints_and_exclusion_wins() {
    let text = "host: demo\nendpoints:\n  - {name: a, get: /a, tags: [x, y]}\n  - {name: b, get: /b, tags: x}\n  \
                - {name: c, get: /c}\n  - {name: d, get: /d, tags: [x], weight: 0}\nslo: {b_time_p95: 1s}\n";
    let chosen = |tags: &[&str], exclude: &[&str]| Options {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        exclude_tags: exclude.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Options::default()
    };
    assert_eq!(names(&plan(text, &chosen(&[], &[]))), ["a", "b", "c"]);
    assert_eq!(names(&plan(text, &chosen(&["x"], &[]))), ["a", "b"]);
}

#[test]
fn tags_that_match_no_endpoint_are_an_error() {
    let text =
        "host: demo\nendpoints:\n  - {name: a, get: /a, tags: [x, y]}\n  - {name: c, get: /c}\n";
    for (tags, exclude) in [
        (vec!["z".to_owned()], vec![]),
        (vec!["x".to_owned()], vec!["y".to_owned()]),
    ] {
        let options = Options {
            tags,
            exclude_tags: exclude,
            ..Options::default()
        };
        let error = try_compile(text, "smoke", &options).unwrap_err();
        assert!(
            error.contains("no endpoint matches `--tags`") && error.contains("`x`, `y`"),
            "{error}"
        );
    }
}

#[test]
fn slos_that_do_not_apply_are_left_out_with_the_reason() {
    let text = "host: demo\ndefaults: {think_time: constant(2s)}\nendpoints:\n  - {name: a, get: /a, tags: [x]}\n  \
                - {name: b, get: /b, slo: {p95: 1s}}\n\
                slo: {max: {limit: 5s, profiles: [heavy]}, mean: {limit: 1s, profiles: [medium], weight: 3, advisory: true}}\n";
    let options = Options {
        tags: vec!["x".into()],
        ..Options::default()
    };
    let plan = try_compile(text, "medium", &options).unwrap();
    assert_eq!(
        plan.skipped_slos,
        [
            "`max` 5.00 s is left out: it applies to `heavy` only",
            "`throughput_rps` 100/s is left out: 50 users with this think time can reach at most 25.0/s",
            "`p95` of `b` 1.00 s is left out: the endpoint is not in this run",
        ]
    );
    let mean = plan.slos.iter().find(|slo| slo.name == "mean").unwrap();
    assert_eq!((mean.weight, mean.advisory), (3.0, true));
    // What the scenario itself asks for stays, and fails.
    let text = text.replace("slo: {max", "slo: {throughput_rps: 100, max");
    let plan = try_compile(&text, "medium", &options).unwrap();
    assert_eq!(target_of(&plan, "throughput_rps"), Some(100.0));
}

#[test]
fn a_url_is_a_scenario_of_one_request() {
    let source = |url: &str| Source::Request(Box::new(QuickRequest::get(url.to_owned())));
    let quick = source("http://localhost:8000/a?b=\"c\"&d=1");
    let compiled = |source: &Source, profile: &str, options: &Options| {
        compile_in(Path::new("/nowhere"), source, profile, options)
    };
    let plan = compiled(&quick, "smoke", &Options::default()).unwrap();
    assert!(plan.quick_look && !plan.slos.is_empty());
    assert_eq!(plan.service, Service::Url("http://localhost:8000".into()));
    assert_eq!(plan.scenario, "localhost:8000");
    assert_eq!(plan.endpoints[0].name, "GET /a");
    assert_eq!(plan.endpoints[0].url.source(), "/a?b=\"c\"&d=1");
    assert_eq!(
        plan.allowed_hosts.into_iter().collect::<Vec<_>>(),
        ["localhost:8000"]
    );
    let secret = source("http://u:s3cret@localhost/");
    let error = compiled(&secret, "smoke", &Options::default()).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");

    // The load that nobody asked to be anything else: all users at once, and all of it counts.
    let plan = compiled(&quick, quick.default_profile(), &Options::default()).unwrap();
    let phases = plan.load.phases();
    assert_eq!((phases.len(), phases[0].end_us), (1, 10_000_000));
    assert!(phases[0].measured && plan.slos.is_empty());
    assert_eq!(plan.load.peak(), 50.0);
    let options = Options {
        rate: Some(200.0),
        run_time: Some(Duration::from_secs(3)),
        ..Options::default()
    };
    let plan = compiled(&quick, quick.default_profile(), &options).unwrap();
    assert_eq!((plan.load.peak(), plan.load.phases().len()), (200.0, 1));
    assert_eq!(plan.load.total(), Duration::from_secs(3));
}

#[test]
fn the_hosts_that_redirects_may_lead_to_are_those_of_the_scenario() {
    let text = "host: https://a/x\nendpoints: [{get: /}, {get: 'http://b:81/y'}]\nallow_redirects_to: [c:82]\n";
    let plan = plan(text, &Options::default());
    assert_eq!(
        plan.allowed_hosts.into_iter().collect::<Vec<_>>(),
        ["a:443", "b:81", "c:82"]
    );
}

#[test]
fn profiles_come_from_the_scenario_the_folder_a_path_or_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.yaml");
    let scenario = "host: demo\nendpoints: [{get: /}]\nprofiles:\n  mine: {users: 3, duration: 1s}\n  \
                    light: {rate: 7}\n  spike: {users: 15}\n";
    std::fs::write(&path, scenario).unwrap();
    std::fs::create_dir(dir.path().join("profiles")).unwrap();
    let file = dir.path().join("profiles/heavy.yaml");
    std::fs::write(&file, "users: 11\nduration: 2s\n").unwrap();
    let compile = |profile: &str| {
        compile_in(
            dir.path(),
            &Source::File(path.clone()),
            profile,
            &Options::default(),
        )
    };
    let peak = |profile: &str| compile(profile).unwrap().load.peak();
    assert_eq!(peak("mine"), 3.0);
    assert_eq!(peak("heavy"), 11.0);
    assert_eq!(peak("medium"), 50.0);
    assert_eq!(peak(file.to_str().unwrap()), 11.0);
    assert_eq!(peak("spike"), 15.0);
    let light = compile("light").unwrap().load;
    assert!(
        matches!(light.model, Model::Open { .. }),
        "a rate replaces the users"
    );
    assert_eq!(light.stages[0].duration, Duration::from_secs(300));
    let error = compile("heavvy").unwrap_err().to_string();
    assert!(
        error.contains("did you mean `heavy`?") && error.contains("`mine`"),
        "{error}"
    );
    assert!(compile("nothing.yaml").is_err());
}

#[test]
fn values_of_the_environment_stay_out_of_the_stored_plan() {
    let text = "host: demo\nvariables: {key: '{{ env.KEY }}', n: '{{ random_int(1, 9) }}', m: '<{{ n }}>'}\n\
                endpoints:\n  - {post: '/{{ m }}', headers: {X-Key: '{{ key }}'}, json: {a: '{{ env.KEY }}'}}\n";
    let env = BTreeSet::from(["KEY"])
        .into_iter()
        .map(|key| (key.into(), "can\"ary".into()));
    let plan = plan(
        text,
        &Options {
            env: env.collect(),
            ..Options::default()
        },
    );
    let endpoint = &plan.endpoints[0];
    assert_eq!(endpoint.headers[0].value.as_constant(), Some("can\"ary"));
    let Body::Template(body) = &endpoint.body else {
        panic!()
    };
    assert_eq!(body.as_constant(), Some("{\"a\":\"can\\\"ary\"}"));
    assert_eq!(
        render(&endpoint.url, &["".into(), "4".into(), "<4>".into()]),
        "/%3C4%3E"
    );
    assert!(matches!(
        plan.variables[2].value.parts()[1],
        crate::plan::TemplatePart::Slot {
            slot: Slot::Variable(1),
            ..
        }
    ));
    let written = serde_json::to_string(&plan).unwrap() + &format!("{plan:?}");
    assert!(
        !written.contains("can\"ary") && !written.contains("can\\\"ary"),
        "{written}"
    );
}

#[test]
fn a_line_break_from_the_environment_does_not_reach_a_header() {
    let text = "host: demo\nendpoints: [{get: /, headers: {A: '{{ env.KEY }}'}}]\n";
    let env = [("KEY".to_owned(), "canary\r\nX: y".to_owned())].into();
    let error = try_compile(
        text,
        "smoke",
        &Options {
            env,
            ..Options::default()
        },
    )
    .unwrap_err();
    assert!(
        error.contains("line break") && !error.contains("canary"),
        "{error}"
    );
}

#[test]
fn forms_are_encoded_and_json_keeps_its_types() {
    let text = "host: demo\nvariables: {v: 'a&b'}\nendpoints:\n  - {post: /f, form: {x: '{{ v }}', 'y z': 1.10}}\n  \
                - {post: /j, json: {n: 1.5, t: true, z: ~, s: '1', l: [1, '{{ v }}\"']}}\n";
    let plan = plan(text, &Options::default());
    let body = |i: usize| match &plan.endpoints[i].body {
        Body::Template(body) => body.as_constant().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(body(0), "x=a%26b&y+z=1.10");
    assert_eq!(
        body(1),
        r#"{"n":1.5,"t":true,"z":null,"s":"1","l":[1,"a&b\""]}"#
    );
}

#[test]
fn more_than_1000_endpoints_are_refused() {
    let endpoints: String = (0..1001).map(|i| format!("  - get: /{i}\n")).collect();
    let error = try_compile(
        &format!("host: demo\nendpoints:\n{endpoints}"),
        "smoke",
        &Options::default(),
    );
    assert!(error.unwrap_err().contains("1001 endpoints; at most 1000"));
}

#[test]
fn without_a_seed_runs_differ() {
    let seeds = [(); 3].map(|()| plan(DEFAULT, &Options::default()).seed);
    assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC{0,60}|([a-z]{1,5}: ?[\\[{&*!|>'\"-]?[a-z0-9]{0,4}\n ?){0,8}") {
        let _ = try_compile(&text, "smoke", &Options::default());
    }

    #[test]
    fn no_mutation_of_a_scenario_makes_it_panic(
        original in prop::sample::select(vec![DEFAULT, values::VALUES, values::REUSED]),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[-\\[\\]{}:,#&*!|>'\"%@`0-9a-z é\n]{0,3}"), 1..6),
    ) {
        let mut chars: Vec<char> = original.chars().collect();
        for (at, delete, insert) in edits {
            let start = at.index(chars.len());
            let end = (start + delete).min(chars.len());
            chars.splice(start..end, insert.chars());
        }
        let text: String = chars.into_iter().collect();
        let options = Options {
            env: [("KEY".to_owned(), "secret".to_owned())].into(),
            ..Options::default()
        };
        if let Ok(plan) = try_compile(&text, "smoke", &options) {
            prop_assert!(!plan.endpoints.is_empty() && plan.load.peak() > 0.0);
        }
    }

    #[test]
    fn the_shares_of_all_endpoints_sum_to_1(weights in proptest::collection::vec(0u32..1000, 1..50)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let endpoints: String = (weights.iter().enumerate())
            .map(|(i, weight)| format!("  - {{get: /{i}, weight: {weight}}}\n"))
            .collect();
        let plan = plan(&format!("host: demo\nendpoints:\n{endpoints}"), &Options::default());
        prop_assert_eq!(plan.endpoints.len(), weights.iter().filter(|weight| **weight > 0).count());
        prop_assert!((plan.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
