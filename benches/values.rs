//! What rendering a template costs: `cargo bench --bench values`.
//!
//! Goals: a template of two variables in less than 300 ns, a function of a script in less than 2 µs. These are measurements of a machine, not
//! tests.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use perfctl::plan::{Plan, Scope};
use perfctl::scenario::{Options, Source, compile};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// One endpoint for each measurement.
const SCENARIO: &str = r#"
host: demo
script: values.js
variables: {a: "{{ uuid }}", b: "{{ random_int(1, 9) }}"}
data: {users: {file: users.csv, mode: shuffle}}
endpoints:
  - {name: two variables, get: "/x/{{ a }}/y/{{ b }}"}
  - {name: a column of data, get: "/x/{{ users.name }}"}
  - {name: two random values, get: "/x/{{ uuid }}/y/{{ random_int(1, 1000) }}"}
  - {name: an expression, get: "/x/{{ b | int + 1 }}"}
  - {name: a signature, get: "/x/{{ hmac_sha256('key', a) }}"}
  - {name: a function of a script, get: "/x/{{ js.empty() }}"}
"#;
/// How often each is rendered.
const TIMES: u32 = 200_000;

fn main() {
    let dir = tempfile::tempdir().expect("a folder can be created");
    let path = dir.path().join("values.yaml");
    std::fs::write(&path, SCENARIO).expect("the file can be written");
    std::fs::write(
        dir.path().join("values.js"),
        "export const empty = () => '';",
    )
    .expect("the file can be written");
    let rows: String = (0..10_000).map(|i| format!("{i},name {i}\n")).collect();
    std::fs::write(dir.path().join("users.csv"), "id,name\n".to_owned() + &rows)
        .expect("the file can be written");
    let plan =
        compile(&Source::File(path), "smoke", &Options::default()).expect("the scenario is valid");
    for endpoint in 0..plan.endpoints.len() {
        let name = plan.endpoints[endpoint].name.as_str();
        println!("{name:<24} {:>8.0} ns", render_ns(&plan, endpoint));
    }
    println!("{:<24} {:>8.0} ns", "a row of CSV", row_ns(&plan));
}

fn render_ns(plan: &Plan, endpoint: usize) -> f64 {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut counters = BTreeMap::new();
    let variables: Vec<_> = plan.names.iter().map(|_| Some("12345678".into())).collect();
    let mut text = String::new();
    let start = Instant::now();
    for iteration in 0..TIMES {
        text.clear();
        let mut scope = Scope {
            names: &plan.names,
            variables: &variables,
            shared: None,
            user_id: 1,
            iteration: iteration.into(),
            counters: &mut counters,
            rng: &mut rng,
            request: None,
        };
        let template = &plan.endpoints[endpoint].url;
        template
            .render(&mut scope, &mut text)
            .expect("the scenario is valid");
        black_box(&text);
    }
    start.elapsed().as_nanos() as f64 / f64::from(TIMES)
}

fn row_ns(plan: &Plan) -> f64 {
    let rows = &plan.data[0].rows;
    let start = Instant::now();
    for i in 0..u64::from(TIMES) {
        black_box(rows.read(i * 7919 % rows.count()).expect("the row exists"));
    }
    start.elapsed().as_nanos() as f64 / f64::from(TIMES)
}
