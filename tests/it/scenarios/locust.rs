//! The scenarios beside Locust's own examples in `scenarios/locust`: each compiles, with
//! its profiles, and does against a server what its locustfile does. How much both are alike is
//! measured by `scenarios/locust/compare`, which needs Locust.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use perfctl::metrics::Outcome;
use regex::Regex;

use crate::support::Perfctl;
use crate::support::recording::{Recording, Seen, answer, ok};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/locust")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// The names of all scenarios, without their ending.
fn scenarios() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    yaml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The profiles that a scenario brings along.
fn own_profiles(text: &str) -> Vec<String> {
    let profiles = text
        .split_once("\nprofiles:\n")
        .map_or("", |(_, rest)| rest);
    let name = Regex::new(r"(?m)^  (\w[\w ]*):").unwrap();
    let names = name.captures_iter(profiles);
    names.map(|found| found[1].to_owned()).collect()
}

/// What Locust's examples are made for, as `compare` has it.
fn target() -> Recording {
    Recording::start(|seen: &Seen, _| {
        let path = seen.line.split([' ', '?']).nth(1).unwrap_or_default();
        match path {
            "/does_not_exist/" => answer("404 Not Found", "", "{}"),
            "/error" => answer("500 Internal Server Error", "", "{}"),
            "/post" => ok(&format!("{{\"data\": {}}}", seen.text())),
            "/json/1" => ok("{\"id\": 1}"),
            "/login" => answer(
                "200 OK",
                "Set-Cookie: sid=1; Path=/\r\n",
                "{\"token\": \"t\"}",
            ),
            _ => ok("{}"),
        }
    })
}

fn perfctl(name: &str) -> Perfctl {
    let mut perfctl = Perfctl::new().file(&format!("{name}.yaml"), read(&format!("{name}.yaml")));
    if name == "credentials" {
        perfctl = perfctl.file("credentials.csv", read("credentials.csv"));
    }
    perfctl
}

/// Lines of requests, such as `GET /`, and how often each came.
fn asked(target: &Recording) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for seen in target.seen() {
        let line = seen.line.split([' ', '?']).take(2).collect::<Vec<_>>();
        *asked.entry(line.join(" ")).or_default() += 1;
    }
    asked
}

#[test]
fn each_scenario_is_beside_its_locustfile_names_its_origin_and_compiles() {
    let names = scenarios();
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        let text = read(&format!("{name}.yaml"));
        let first = text.lines().next().unwrap();
        let is_sourced =
            first.starts_with("# From the page") || first.starts_with("# From the example");
        assert!(is_sourced, "{name}: {first}");
        assert!(text.contains(&format!("{name}.py")), "{name}");
        let locustfile = read(&format!("{name}.py"));
        assert!(locustfile.contains("from locust import"), "{name}");
        let mut profiles = own_profiles(&text);
        assert_eq!(
            locustfile.contains("LoadTestShape"),
            !profiles.is_empty(),
            "{name}"
        );
        profiles.push("smoke".into());
        for profile in profiles {
            let args = ["validate", &format!("{name}.yaml"), "--profile", &profile];
            perfctl(&name).args(args).expect_status(0).run();
        }
    }
}

#[test]
fn each_scenario_does_what_its_locustfile_does() {
    let path =
        Regex::new(r#"client\.(get|post)\(f?"([^"?{]*)|rest\("(GET|POST)", "([^"]*)""#).unwrap();
    // Without the waits, each user comes to each of its tasks.
    let waits = Regex::new(r#"think_time: ("[^"]*"|\w+(\([^)]*\))?)"#).unwrap();
    let steps = Regex::new(r"think: \w+").unwrap();
    for name in scenarios() {
        let target = target();
        let load = "--profile smoke -u 8 --iterations 200 --seed 1".split(' ');
        let text = read(&format!("{name}.yaml"));
        let text = waits.replace_all(&text, "think_time: constant(5ms)");
        let text = steps.replace_all(&text, "think: 1ms");
        let completed = perfctl(&name)
            .file(&format!("{name}.yaml"), text.as_bytes())
            .args(["run", &format!("{name}.yaml"), "-H", &target.url()])
            .args(load)
            .args(["--fail-on", "none"])
            .run();
        let locustfile = read(&format!("{name}.py"));
        let mut wanted = BTreeSet::new();
        for found in path.captures_iter(&locustfile) {
            let part = |a: usize, b: usize| found.get(a).or(found.get(b)).unwrap().as_str();
            wanted.insert(format!("{} {}", part(1, 3).to_uppercase(), part(2, 4)));
        }
        let asked = asked(&target);
        for line in &wanted {
            assert!(
                asked.keys().any(|seen| seen.starts_with(line)),
                "{name}: {line} of {asked:?}"
            );
        }
        assert!(
            asked.len() <= wanted.len() || name == "credentials",
            "{name}: {asked:?}"
        );
        let failed = completed.result().count(Outcome::is_failure);
        assert_eq!(
            failed > 0,
            name == "validation",
            "{name}: {}",
            completed.stdout
        );
    }
}

#[test]
fn failures_have_the_keys_of_the_locustfile_and_a_404_may_be_a_success() {
    let target = target();
    let completed = perfctl("validation")
        .args(["run", "validation.yaml", "-H", &target.url(), "-u", "4"])
        .args(["--iterations", "40", "--fail-on", "none", "--seed", "7"])
        .run();
    let asked = asked(&target);
    let result = completed.result();
    assert_eq!(
        result.count(Outcome::is_failure) as usize,
        asked["GET /"] + asked["GET /error"]
    );
    let shown = completed
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(shown.contains("Got wrong response"), "{shown}");
}

#[test]
fn tags_leave_the_proportions_of_the_weights_and_exclusion_wins() {
    let share = Regex::new(r"GET /(task\d) +([\d.]+)%").unwrap();
    for (tags, wanted) in [
        (&["--tags", "tag1"][..], "task1 33.3 task2 66.7"),
        (&["--tags", "tag2,tag3"], "task2 40 task3 60"),
        (
            &["--exclude-tags", "tag3"],
            "task1 14.3 task2 28.6 task4 57.1",
        ),
        (&["--tags", "tag1", "--exclude-tags", "tag2"], "task1 100"),
    ] {
        let completed = perfctl("tags")
            .args(["validate", "tags.yaml"])
            .args(tags)
            .expect_status(0)
            .run();
        let shares = share.captures_iter(&completed.stdout);
        let shares: Vec<String> = shares
            .map(|found| format!("{} {}", &found[1], &found[2]))
            .collect();
        assert_eq!(shares.join(" "), wanted, "{}", completed.stdout);
    }
}

#[test]
fn users_log_in_with_names_of_their_own() {
    let target = target();
    perfctl("credentials")
        .args(["run", "credentials.yaml", "-H", &target.url()])
        .args(["-u", "5", "--iterations", "10", "--fail-on", "none"])
        .run();
    let seen = target.seen();
    let logins: BTreeSet<String> = seen
        .iter()
        .filter(|seen| seen.line.starts_with("POST /login"))
        .map(Seen::text)
        .collect();
    let wanted = |i| format!("username=user0{i}&password=secret0{i}");
    assert_eq!(logins, (1..=5).map(wanted).collect::<BTreeSet<_>>());
    let mut orders = seen
        .iter()
        .filter(|seen| seen.line.starts_with("GET /orders/"));
    assert!(orders.all(|seen| seen.header("authorization") == Some("Bearer t")));
}
