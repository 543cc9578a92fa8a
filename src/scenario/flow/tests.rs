//! User classes, flows, tags and included files, from text to plan.

use std::path::Path;

use proptest::prelude::*;

use crate::plan::{Plan, SloScope, Step, ThinkTime};
use crate::scenario::compile::compile_in;
use crate::scenario::{Options, Source};

fn try_compile_in(dir: &Path, text: &str, options: &Options) -> Result<Plan, String> {
    let path = dir.join("shop.yaml");
    std::fs::write(&path, text).unwrap();
    compile_in(dir, &Source::File(path), "smoke", options).map_err(|error| error.to_string())
}

fn try_compile(text: &str, options: &Options) -> Result<Plan, String> {
    let dir = tempfile::tempdir().unwrap();
    try_compile_in(dir.path(), text, options)
}

fn plan(text: &str) -> Plan {
    try_compile(text, &Options::default()).unwrap()
}

/// With these tags, and without those.
fn tagged(text: &str, tags: &[&str], exclude: &[&str]) -> Plan {
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    let options = Options {
        tags: owned(tags),
        exclude_tags: owned(exclude),
        ..Options::default()
    };
    try_compile(text, &options).unwrap()
}

/// Steps in short, by name: `flow(a think 3x(b) [a|b] poll(a) 2*{a b})`.
fn shown(plan: &Plan, steps: &[Step]) -> String {
    let name = |position: &usize| plan.endpoints[*position].name.as_str();
    let parts = steps.iter().map(|step| match step {
        Step::Request(endpoint) => name(endpoint).to_owned(),
        Step::Flow { flow, steps, .. } => {
            format!("{}({})", plan.flows[*flow].name, shown(plan, steps))
        }
        Step::Think(_) => "think".to_owned(),
        Step::Run(script) => script.function.clone(),
        Step::RepeatBy { steps, .. } => format!("by({})", shown(plan, steps)),
        Step::During { steps, .. } => format!("during({})", shown(plan, steps)),
        Step::ParallelEach { request, .. } => format!("each*{{{}}}", name(request)),
        Step::Call { with, steps } => format!("{}with({})", with.len(), shown(plan, steps)),
        Step::Stop(stop) => format!("stop {stop:?}"),
        Step::Fail(text) => format!("fail {:?}", text.source()),
        Step::Set(assignments) => {
            let names = assignments.iter().map(|one| &*plan.names[one.variable]);
            format!("set({})", names.collect::<Vec<_>>().join(" "))
        }
        Step::Push(_) => "push".to_owned(),
        Step::Measure(_) => "measure".to_owned(),
        Step::Cookies(_) => "cookies".to_owned(),
        Step::Repeat {
            times,
            condition: Some(_),
            steps,
            ..
        } => format!("while {times}x({})", shown(plan, steps)),
        Step::Repeat { times, steps, .. } => format!("{times}x({})", shown(plan, steps)),
        Step::Each { values, steps, .. } => {
            format!("{}each({})", values.len(), shown(plan, steps))
        }
        Step::If {
            then, otherwise, ..
        } => format!("if({}|{})", shown(plan, then), shown(plan, otherwise)),
        Step::Random(branches) => {
            let branches = branches.iter();
            let each = branches.map(|b| format!("{}:{}", b.weight, shown(plan, &b.steps)));
            format!("[{}]", each.collect::<Vec<_>>().join("|"))
        }
        Step::Poll { endpoint, .. } => format!("poll({})", name(endpoint)),
        Step::Parallel { times, requests } => {
            let names: Vec<&str> = requests.iter().map(name).collect();
            format!("{times}*{{{}}}", names.join(" "))
        }
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// `weight task, ...` of a class.
fn tasks(plan: &Plan, class: usize) -> String {
    let tasks = plan.classes[class].tasks.iter();
    let shown = tasks.map(|task| format!("{} {}", task.weight, shown(plan, &task.steps)));
    shown.collect::<Vec<_>>().join(", ")
}

const SHOP: &str = "\
host: demo
defaults: {think_time: constant(1s)}
endpoints:
  - {name: a, get: /a, weight: 3, think_time: constant(5s)}
  - {name: b, get: /b, tags: read}
  - {name: c, get: /c, tags: [write, slow]}
flows:
  pay:
    tags: money
    slo: {p95: 2s}
    steps: [b, {think: 1s}, group, {repeat: 3, steps: c}]
  visit:
    weight: 2
    steps:
      - random: [{weight: 4, steps: b}, {steps: [c, {think: 2s}]}]
      - {burst: 5, requests: [a, {name: logo, get: /logo, tags: slow}]}
      - {poll: b, until: {status: 200}, tags: slow}
steps:
  group: [{parallel: [a, b]}]
";

#[test]
fn endpoints_and_flows_are_chosen_unless_they_are_only_steps() {
    let plan = plan(SHOP);
    // `b` and `c` are steps of flows; `a` is too, and says a weight.
    let visit = "visit([4:b|1:c think] 5*{a logo} poll(b))";
    let expected = format!("3 a, 1 pay(b think 1*{{a b}} 3x(c)), 2 {visit}");
    assert_eq!(tasks(&plan, 0), expected);
    let names: Vec<&str> = plan.endpoints.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "logo"]);
    let waits = plan.classes[0].tasks.iter().map(|task| task.think_time);
    let five = ThinkTime::Constant(std::time::Duration::from_secs(5));
    assert_eq!(waits.collect::<Vec<_>>(), [Some(five), None, None]);
    let scopes = plan.slos.iter().map(|slo| &slo.scope);
    let flow = SloScope::Endpoint("pay".into());
    assert_eq!(scopes.filter(|scope| **scope == flow).count(), 1);
    let Step::Flow { steps, .. } = &plan.classes[0].tasks[2].steps[0] else {
        panic!()
    };
    let Step::Poll {
        endpoint, until, ..
    } = &steps[2]
    else {
        panic!()
    };
    assert_eq!((*endpoint, until.checks.len()), (1, 1));
}

#[test]
fn tags_act_on_flows_and_steps_as_in_locust() {
    // A flow with the tag runs whole.
    let plan = tagged(SHOP, &["money"], &[]);
    assert_eq!(tasks(&plan, 0), "1 pay(b think 1*{a b} 3x(c))");
    // Of the others, what has it.
    let plan = tagged(SHOP, &["read"], &[]);
    assert_eq!(
        tasks(&plan, 0),
        "1 pay(b think 1*{b}), 2 visit([4:b] poll(b))"
    );
    // What is left out is left out everywhere.
    let plan = tagged(SHOP, &["money", "read"], &["slow"]);
    assert_eq!(tasks(&plan, 0), "1 pay(b think 1*{a b}), 2 visit([4:b])");
    let names: Vec<&str> = plan.endpoints.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let shares: f64 = plan.shares().iter().sum();
    assert!((shares - 1.0).abs() < 1e-9);
}

#[test]
fn classes_have_their_own_choices_or_those_of_the_scenario() {
    let text = format!(
        "{SHOP}users:\n  guest: {{weight: 3}}\n  \
         clerk:\n    fixed_count: 2\n    think_time: none\n    \
         endpoints: [b, {{endpoint: c, weight: 7}}, {{name: own, get: /own, weight: 2}}]\n    \
         flows: [{{flow: pay, weight: 9, think_time: constant(3s)}}]\n    \
         on_start: {{name: in, post: /in}}\n    on_stop: [group]\n  nobody: {{weight: 0}}\n"
    );
    let plan = plan(&text);
    let classes = plan.classes.iter().map(|class| class.name.as_str());
    assert_eq!(classes.collect::<Vec<_>>(), ["guest", "clerk"]);
    assert!(tasks(&plan, 0).starts_with("3 a, 1 pay("));
    assert!(tasks(&plan, 1).starts_with("1 b, 7 c, 2 own, 9 pay("));
    let clerk = &plan.classes[1];
    assert_eq!(shown(&plan, &clerk.on_start), "in");
    assert_eq!(shown(&plan, &clerk.on_stop), "1*{a b}");
    assert_eq!(clerk.think_time, ThinkTime::None);
    // Of 5 users.
    assert_eq!(plan.class_shares(), [0.6, 0.4]);
    // A class that the tags leave nothing of is gone; its `on_start` needs no tag.
    let plan = tagged(&text, &["money"], &[]);
    assert_eq!(plan.classes.len(), 2);
    assert_eq!(shown(&plan, &plan.classes[1].on_start), "in");
    let plan = tagged(&text, &[], &["money", "read", "write"]);
    assert_eq!(tasks(&plan, 1), "2 own");
}

#[test]
fn steps_are_done_for_each_value_of_a_list_and_if_something_holds() {
    let text = "\
host: demo
endpoints: [{name: a, get: /a}]
flows:
  f:
    steps:
      - repeat: [tea, {kind: milk}, 3]
        variable: drink
        steps: {name: b, get: \"/b?{{ drink }}\", extract: {left: $.left}}
      - if: status == 200 and left > 3
        then: a
        else: [{repeat: [1], steps: {name: c, get: \"/c/{{ item }}\"}}]
      - {repeat: 9, while: 'random_float(0, 1) < 0.5', steps: a}
";
    let seen = plan(text);
    assert_eq!(tasks(&seen, 0), "1 f(3each(b) if(a|1each(c)) while 9x(a))");
    assert_eq!(seen.names, ["left", "drink", "item"]);
    let json = serde_json::to_value(&seen.classes[0].tasks[0].steps[0]).unwrap();
    let each = &json["flow"]["steps"][0]["each"];
    assert_eq!(each.get("while"), None, "as it was written before");
    let times = &json["flow"]["steps"][2]["repeat"];
    assert_eq!(times["while"], "random_float(0, 1) < 0.5");
    assert_eq!(each["values"].to_string(), r#"["tea",{"kind":"milk"},3]"#);
    for (from, to, part) in [
        ("drink }}", "dring }}", "did you mean `drink`?"),
        ("status ==", "stats ==", "stats"),
        ("0, 1) < 0.5", "0, 1) < o", "`o`"),
        ("variable: drink", "variable: a-b", "is not a valid name"),
        ("[tea, {kind: milk}, 3]", "[]", "the list is empty"),
        (
            "then: a",
            "then: aa",
            "unknown endpoint, flow or steps `aa`",
        ),
        ("        then: a\n", "", "missing required key `then`"),
    ] {
        let error = try_compile(&text.replace(from, to), &Options::default()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn steps_that_send_nothing_stay_where_they_matter() {
    let text = "\
host: demo
endpoints: [{name: a, get: \"/{{ n }}\", tags: read}, {name: b, get: /, variables: {n: 1}}]
flows:
  f:
    variables: {m: \"{{ uuid }}\", k: \"{{ m }}\"}
    steps:
      - {if: user_id > 1, then: {think: 1s}}
      - {if: user_id > 1, then: {set: {n: 2}}, else: [b, a]}
      - {random: [{steps: {set: {n: 3}}}, {steps: {think: 1s}}]}
      - {repeat: 2, steps: {set: {n: 4}}}
      - {repeat: \"{{ n }}\", steps: {think: 1s}}
      - {repeat: \"{{ n }}\", variable: i, while: i < 3, steps: [a, b]}
      - {during: 2s, variable: j, steps: {think: 1s}}
      - {parallel: \"{{ [n, 2] }}\", request: {name: c, get: \"/{{ item }}\"}}
      - [a]
";
    let text = text.replace("- [a]", "- a");
    let seen = plan(&text);
    assert_eq!(
        tasks(&seen, 0),
        "1 f(set(m k) if(think|) if(set(n)|b a) [1:set(n)|1:think] 2x(set(n)) by(think) by(a b) during(think) each*{c} a)"
    );
    let seen = tagged(&text, &["read"], &[]);
    assert_eq!(
        tasks(&seen, 0),
        "1 f(set(m k) if(think|) if(set(n)|a) [1:set(n)|1:think] 2x(set(n)) by(think) by(a) during(think) a)"
    );
    let json = serde_json::to_value(&seen.classes[0].tasks[0].steps[0]).unwrap();
    let set = &json["flow"]["steps"][0]["set"];
    assert_eq!(set[1]["value"], "\"{{ m }}\"");
    for (from, to, part) in [
        ("{{ m }}", "{{ mm }}", "did you mean `m`?"),
        ("{{ uuid }}", "{{ k }}", "`k` is used before it is set"),
        ("request: {", "requests: {", "did you mean `request`?"),
        ("/{{ item }}", "/{{ itm }}", "did you mean `item`?"),
        ("while: i < 3", "while: ii < 3", "`ii`"),
        ("[n, 2]", "[nn, 2]", "did you mean `n`?"),
        ("during: 2s", "during: 2 apples", "apples"),
        ("{n: 2}", "{1n: 2}", "`1n` is not a valid name"),
        ("{n: 2}", "{uuid: 2}", "`uuid` is a reserved name"),
    ] {
        let error = try_compile(&text.replace(from, to), &Options::default()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn included_endpoints_flows_and_steps_can_be_used_by_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("common")).unwrap();
    let common = "endpoints:\n  - {name: in, post: /in}\n  - {name: extra, get: /extra}\n\
                  flows: {enter: {steps: [in]}}\nsteps: {twice: {repeat: 2, steps: in}}\n";
    std::fs::write(dir.path().join("common/login.yaml"), common).unwrap();
    let text = "host: demo\ninclude: common/login.yaml\nflows: {all: {steps: [enter, twice]}}\n";
    let plan = try_compile_in(dir.path(), text, &Options::default()).unwrap();
    assert_eq!(tasks(&plan, 0), "1 all(enter(in) 2x(in))");
    let bad = common.replace("/extra", "extra");
    std::fs::write(dir.path().join("common/login.yaml"), bad).unwrap();
    let error = try_compile_in(dir.path(), text, &Options::default()).unwrap_err();
    assert!(error.contains("login.yaml:3:24"), "{error}");
}

#[test]
fn flows_cannot_grow_without_bound() {
    let mut text = "host: demo\nsteps:\n  s0: [{name: a, get: /a}]\n".to_owned();
    for i in 1..40 {
        text += &format!("  s{i}: [s{0}, s{0}]\n", i - 1);
    }
    text += "flows: {f: {steps: s39}}\n";
    let error = try_compile(&text, &Options::default()).unwrap_err();
    assert!(error.contains("more than 10000 steps"), "{error}");
    let loops = "host: demo\nflows: {f: {steps: [g]}, g: {steps: [{name: a, get: /a}, f]}}\n";
    let error = try_compile(loops, &Options::default()).unwrap_err();
    assert!(error.contains("these steps contain themselves"), "{error}");
}

/// Baselines from before there were flows and classes remain valid.
#[test]
fn a_scenario_without_flows_keeps_the_shape_of_its_plan() {
    let text = "name: s\nhost: demo\ndefaults: {think_time: constant(1s)}\nendpoints:\n  \
                - {name: a, get: /a, weight: 3}\n  - {name: b, get: /b}\n";
    let mut plan = plan(text);
    plan.seed = 1;
    let json = serde_json::to_value(&plan).unwrap();
    let classes = r#"[{"name":"default","think_time":{"constant_us":1000000},"tasks":[{"weight":3,"steps":[{"request":0}]},{"weight":1,"steps":[{"request":1}]}]}]"#;
    assert_eq!(json["classes"].to_string(), classes);
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "scenario",
            "profile",
            "service",
            "allowed_hosts",
            "seed",
            "workers",
            "variables",
            "classes",
            "endpoints",
            "load",
            "slos",
            "skipped_slos"
        ]
    );
    let stage = json["load"]["stages"][0].as_object().unwrap();
    let keys: Vec<&String> = stage.keys().collect();
    assert_eq!(keys, ["name", "level", "ramp_us", "duration_us"]);
    assert_eq!(plan.phases(), plan.load.phases());
}

/// Every key of user classes, flows, steps and shapes.
const EVERYTHING: &str = "\
users:
  guest: {weight: 3, think_time: 'between(1s, 2s)'}
  clerk:
    fixed_count: 2
    endpoints: [b, {endpoint: c, weight: 7, think_time: none}, {name: own, get: /own}]
    flows: [{flow: pay, weight: 9, think_time: constant(3s)}, visit]
    on_start: {name: in, post: /in}
    on_stop:
      - group
      - {repeat: 2, steps: [b], tags: x}
      - {set: {m: ['{{ user_id }}', {n: 1}]}}
      - {repeat: '{{ m }}', variable: i, while: i != 2, steps: {name: e, get: '/e/{{ k }}', variables: {k: '{{ i }}'}}}
      - {during: 1s, steps: {parallel: '{{ m }}', request: b}}
      - {if: user_id > 1, then: {stop: user}, else: {fail: 'no {{ m }}'}}
      - {step: group, with: {}}
profiles:
  smoke: {stages: [{users: 9, spawn_rate: 3, user_classes: [guest], duration: 1m}]}
  steps: {steps: {users: {from: 1, to: 9, by: 2}, duration: 10s, ramp: 1s}}
  sine: {sine: {rate: {low: 1, high: 9}, period: 1m, duration: 90s, levels: 8}}
  sweep: {sweep: {users: [1, 2, 5], duration: 10s, ramp: 1s}}
";

#[test]
fn a_think_time_of_the_run_replaces_all_waits() {
    let text = "host: demo\ndefaults: {think_time: constant(1s)}\n\
        endpoints: [{name: a, get: /a, think_time: constant(2s)}, {name: b, get: /b}]\n\
        steps: {wait: {think: 9s}}\n\
        flows: {f: {think_time: constant(3s), steps: [b, think: 4s, {repeat: 2, steps: [wait, b]}, \
        {if: status == 200, then: [b, think: 5s], else: {think: 6s}}, {random: [{steps: [b, think: 7s]}]}]}}\n\
        users: {u: {think_time: constant_pacing(8s), endpoints: [a, {endpoint: b, think_time: none}], flows: [f], \
        on_start: [b, wait], on_stop: [wait, b]}}\n";
    let waits = |think_time| {
        let options = Options {
            think_time,
            seed: Some(1),
            ..Options::default()
        };
        let plan = try_compile(text, &options).unwrap();
        let written = serde_json::to_string(&plan.classes).unwrap();
        // Every wait of the plan, as it is stored.
        let found = written.match_indices("_us\":").map(|(at, key)| {
            let rest = &written[at + key.len()..];
            let end = rest.find([',', '}']).unwrap();
            rest[..end].parse::<u64>().unwrap_or_default() / 1_000
        });
        (
            found.collect::<Vec<u64>>(),
            plan.fingerprint().scenario,
            plan,
        )
    };
    let (own, fingerprint, _) = waits(None);
    assert_eq!(
        own,
        [
            8_000, 9_000, 9_000, 2_000, 3_000, 4_000, 9_000, 5_000, 6_000, 7_000
        ]
    );
    let half = ThinkTime::Constant(std::time::Duration::from_millis(500));
    let (replaced, other, plan) = waits(Some(half));
    assert_eq!(
        replaced, [500; 8],
        "one for the class, none for the tasks, and one for each wait"
    );
    assert_ne!(fingerprint, other);
    assert!(
        plan.classes[0]
            .tasks
            .iter()
            .all(|task| task.think_time.is_none())
    );
    let (none, ..) = waits(Some(ThinkTime::None));
    assert_eq!(none, [0; 0]);
    // A pacing is for iterations: within flows, nothing waits.
    let (paced, ..) = waits(Some(ThinkTime::Pacing(std::time::Duration::from_secs(1))));
    assert_eq!(paced, [1_000]);
    // What a scenario says itself is no different.
    let plain = |text: &str, think_time| {
        let options = Options {
            think_time,
            ..Options::default()
        };
        try_compile(text, &options).unwrap().fingerprint().scenario
    };
    let text = "host: demo\nendpoints: [{get: /}]\n";
    let written = format!("{text}defaults: {{think_time: constant(500ms)}}\n");
    assert_eq!(plain(text, Some(half)), plain(&written, None));
}

proptest! {
    #[test]
    fn no_mutation_of_flows_and_classes_makes_them_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[-\\[\\]{}:,#0-9a-z\n]{0,3}"), 0..4),
        profile in 0usize..4,
    ) {
        let is_whole = edits.is_empty();
        let mut chars: Vec<char> = format!("{SHOP}{EVERYTHING}").chars().collect();
        for (at, delete, insert) in edits {
            let start = at.index(chars.len());
            let end = (start + delete).min(chars.len());
            chars.splice(start..end, insert.chars());
        }
        let text: String = chars.into_iter().collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.yaml");
        std::fs::write(&path, text).unwrap();
        let profile = ["smoke", "steps", "sine", "sweep"][profile];
        let source = Source::File(path);
        let plan = compile_in(dir.path(), &source, profile, &Options::default());
        prop_assert!(plan.is_ok() || !is_whole, "{:?}", plan.err());
        if let Ok(plan) = plan {
            prop_assert!((plan.shares().iter().sum::<f64>() - 1.0).abs() < 1e-6);
            prop_assert!((plan.class_shares().iter().sum::<f64>() - 1.0).abs() < 1e-6);
            prop_assert!(plan.highest_rate_per_s().is_none_or(|rate| rate > 0.0));
            let json = serde_json::to_string(&plan);
            prop_assert!(json.is_ok() && !plan.phases().is_empty());
        }
    }
}
