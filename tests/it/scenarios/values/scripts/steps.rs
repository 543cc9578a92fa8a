//! Steps that run functions of a script: what they send, how it counts, and how they end.

use perfctl::metrics::{Outcome, RunResult};
use serde_json::{Value, json};

use super::{running, scripted};
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{cells, outcomes, started};

fn counted(result: &RunResult, name: &str, outcome: Outcome) -> u64 {
    let counts = cells(result, name).map(|cell| cell.count(|one| one == outcome));
    counts.sum()
}

for_each_client! {
    requests_go_the_way_of_all_requests
    requests_of_a_function_can_be_sent_at_once
    functions_end_in_different_ways
    only_hosts_of_the_scenario_are_reached
    the_same_seed_gives_the_same_requests
    user_classes_send_in_their_own_way
}

fn requests_go_the_way_of_all_requests() {
    let server = Recording::start(|seen, _| match seen.path() {
        _ if seen.line.starts_with("HEAD") => ok(""),
        "/login" => answer("200 OK", "set-cookie: sid=9\r\n", "{\"token\": \"t-5\"}"),
        _ => ok("{\"items\": [1, 2]}"),
    });
    let script = "
        export async function buy(user) {
            const r = await user.post('/login', { form: { name: user.vars.name, 'a b': 'ü&' }, name: 'login' });
            user.vars.token = r.json().token;
            user.count = (user.count ?? 0) + 1;
            const list = await user.get('/items/é', { query: { q: 'a b', n: [1, 2] }, headers: { 'X-Count': user.count } });
            check(list, { 'has items': (r) => r.json().items.length === 2 });
            await user.think(0.01);
            await group('cart', async () => {
                await user.put('/cart', { json: { n: user.iteration, user: user.id, seen: user.vars.seen }, name: 'put' });
                await user.patch('/cart', { body: 'x' });
            });
            await user.delete('/cart');
            await user.head('/');
            await user.options('/');
        }";
    let rest = r#"
defaults: {headers: {x-all: "{{ user_id }}"}}
variables: {name: ann}
flows:
  shop:
    steps:
      - set: {seen: [1, {a: "{{ iteration }}"}]}
      - {run: buy, name: buying, with: {name: "{{ name }}-{{ iteration }}"}}
      - {name: after, get: "/after/{{ token }}/{{ name }}"}
"#;
    let completed = scripted(&server, script, rest, 2).expect_status(0).run();
    let seen = server.seen();
    let lines: Vec<&str> = seen[..9].iter().map(|one| one.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /login HTTP/1.1",
            "GET /items/%C3%A9?q=a%20b&n=1&n=2 HTTP/1.1",
            "PUT /cart HTTP/1.1",
            "PATCH /cart HTTP/1.1",
            "DELETE /cart HTTP/1.1",
            "HEAD / HTTP/1.1",
            "OPTIONS / HTTP/1.1",
            "GET /after/t-5/ann HTTP/1.1",
            "POST /login HTTP/1.1",
        ]
    );
    assert_eq!(seen[0].text(), "name=ann-1&a%20b=%C3%BC%26");
    let header = |request: usize, name: &str| seen[request].header(name).map(str::to_owned);
    assert_eq!(
        header(0, "content-type").unwrap(),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(header(1, "x-all").unwrap(), "1");
    assert_eq!(
        (header(1, "x-count").unwrap(), header(9, "x-count").unwrap()),
        ("1".into(), "2".into())
    );
    assert_eq!(header(2, "cookie").unwrap(), "sid=9");
    assert_eq!(header(2, "content-type").unwrap(), "application/json");
    assert_eq!(header(3, "content-type"), None);
    let body: Value = serde_json::from_str(&seen[10].text()).unwrap();
    assert_eq!(body, json!({"n": 2, "user": 1, "seen": [1, {"a": 2}]}));
    assert_eq!(server.connections(), 1);
    let result = completed.result();
    let rows = started(&result);
    let rows: Vec<(&str, u64)> = rows.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(
        rows,
        [
            ("after", 2),
            ("shop", 2),
            ("buying", 2),
            ("login", 2),
            ("GET /items/é", 2),
            ("cart/put", 2),
            ("cart/PATCH /cart", 2),
            ("DELETE /cart", 2),
            ("HEAD /", 2),
            ("OPTIONS /", 2),
        ]
    );
    let methods = result.endpoints.iter().map(|one| &one.endpoint);
    let methods: Vec<&str> = methods
        .filter(|one| one.name.contains("cart"))
        .map(|one| one.method.as_str())
        .collect();
    assert_eq!(methods, ["PUT", "PATCH", "DELETE"]);
    assert!(
        !completed.stdout.contains("by the script"),
        "{}",
        completed.stdout
    );
}

fn requests_of_a_function_can_be_sent_at_once() {
    let server = Recording::start(|_, _| ok("{}"));
    let script = "
        export async function page(user) {
            await user.get('/');
            const parts = await Promise.all([1, 2, 3].map((n) => user.get(`/part/${n}`, { name: 'part', timeout: 20 })));
            user.get('/unawaited/' + parts.map((r) => r.status).join());
        }";
    let rest = "flows: {page: {steps: {run: page}}}";
    let completed = scripted(&server, script, rest, 2).expect_status(0).run();
    let mut paths = server.paths();
    paths[1..4].sort();
    assert_eq!(
        paths[..5],
        [
            "/",
            "/part/1",
            "/part/2",
            "/part/3",
            "/unawaited/200,200,200"
        ]
    );
    assert_eq!(
        server.connections(),
        4,
        "connections are kept for the next iteration"
    );
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 10");
    assert_eq!(counted(&result, "part", Outcome::Ok), 6);
    assert_eq!(counted(&result, "page", Outcome::Ok), 2);
    let flows = result.endpoints.iter().filter(|one| one.endpoint.is_flow);
    assert_eq!(
        flows.count(),
        1,
        "a flow that is one function is measured once"
    );
}

fn functions_end_in_different_ways() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/404" => answer("404 Not Found", "", "{}"),
        _ => ok("{}"),
    });
    let script = "
        export async function work(user) {
            switch (user.iteration) {
                case 1: await user.get('/a'); throw new TypeError('broken');
                case 2: await user.get('/b'); for (;;) {}
                case 3: await user.get('/c'); user.fail('no cart');
                case 4: { const r = await user.get('/404', { name: 'lost' }); await user.get('/after/' + r.ok + r.error.length); return; }
                case 5: { const r = await user.get('/404', { name: 'known', status: [404, '2xx'] }); return r.ok; }
                case 6: await user.get('/d', { name: 'strict', status: 201 }); return;
                case 7: check(7, { 'is odd': (n) => n % 2 === 1, 'is even': (n) => n % 2 === 0 }); return;
                case 8: await user.get('relative'); return;
                case 9: await user.get('/e', { headers: { 'bad name': 1 } }); return;
                case 10: await user.get('/f', { jsn: {} }); return;
                case 11: user.stop('flow');
                case 12: await new Promise((resolve) => resolve(user.get('/g'))); user.stop();
            }
        }";
    let rest = "flows: {work: {steps: [{run: work}, {name: next, get: /next}]}}";
    let completed = scripted(&server, script, rest, 14).run();
    let result = completed.result();
    let flows = |outcome| counted(&result, "work", outcome);
    assert_eq!(flows(Outcome::ScriptError), 3, "{}", completed.stdout);
    assert_eq!(flows(Outcome::Http4xx), 1);
    assert_eq!(flows(Outcome::CheckFailed), 3);
    assert_eq!(flows(Outcome::InvalidRequest), 2);
    assert_eq!(flows(Outcome::Ok), 3);
    assert_eq!(counted(&result, "known", Outcome::Ok), 1);
    assert_eq!(counted(&result, "strict", Outcome::CheckFailed), 1);
    assert_eq!(counted(&result, "GET relative", Outcome::InvalidRequest), 1);
    assert_eq!(
        counted(&result, "next", Outcome::Ok),
        1,
        "after the iteration that expects 404"
    );
    let paths = server.paths();
    assert_eq!(paths.last().unwrap(), "/g", "the user has ended");
    assert!(paths.contains(&"/after/false21".to_owned()), "{paths:?}");
    let text = completed.read(completed.runs()[0].join("result.json"));
    for part in [
        "TypeError: broken, at shop.js:4:",
        "`relative` is neither a path nor a URL",
        "`bad name` is not a header name",
        "no cart",
        "status 200, expected 201",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn waits_of_scripts_are_replaced_like_all_others() {
    let server = Recording::ok();
    let script = "export async function visit(user) { await user.think(3600); await user.get('/a'); await sleep(3600); }";
    let program = running(&server, script, "flows: {visit: {steps: {run: visit}}}");
    let once = ["run", "--profile", "quick", "--no-think-time", "-i", "3"];
    program.args(once).run();
    assert_eq!(server.paths(), ["/a", "/a", "/a"]);
}

#[test]
fn a_throttle_holds_back_the_requests_of_scripts() {
    let server = Recording::ok();
    let script = "
        export async function visit(user) {
            await user.get('/first');
            await Promise.all(['/a', '/b', '/c'].map((path) => user.get(path)));
        }";
    let program = running(&server, script, "flows: {visit: {steps: {run: visit}}}");
    let throttle = [
        "--throttle",
        "40/s",
        "-u",
        "8",
        "-t",
        "2s",
        "--workers",
        "2",
    ];
    let completed = program
        .args(["run", "--profile", "quick"])
        .args(throttle)
        .run();
    let sent = server.paths().len();
    // 2 s, a request at once for each worker, and those in flight at the end.
    assert!((1..=90).contains(&sent), "{sent}");
    let load = completed.result().run.ending.unwrap();
    assert!(load.totals.throttled > 0, "{}", completed.stdout);
}

fn only_hosts_of_the_scenario_are_reached() {
    let other = Recording::start(|_, _| ok("{}"));
    let allowed = Recording::start(|_, _| ok("{}"));
    let server = Recording::start(|_, _| ok("{}"));
    let script = format!(
        "export async function links(user) {{
            await user.get('{}/own?a=1#top', {{ name: 'own' }});
            await user.get('{}/allowed', {{ name: 'allowed', headers: {{ 'X-Api-Key': 'of-allowed' }} }});
            await user.get('{}/other', {{ name: 'other host' }});
            await user.get('//127.0.0.1/x', {{ name: 'path' }});
        }}",
        server.url(),
        allowed.url(),
        other.url()
    );
    let rest = format!(
        "allow_redirects_to: [\"{}\"]\nflows: {{links: {{steps: {{run: links}}}}}}\n\
         defaults: {{headers: {{X-Token: t-12345678, X-Own: own}}, auth: {{bearer: of-service}}}}",
        allowed.addr()
    );
    let completed = scripted(&server, &script, &rest, 1).run();
    assert_eq!(server.paths(), ["/own?a=1", "//127.0.0.1/x"]);
    assert_eq!(allowed.paths(), ["/allowed"]);
    assert_eq!(other.connections(), 0);
    // Credentials of the scenario stay with its own host.
    let header = |at: &Recording, name: &str| at.seen()[0].header(name).map(str::to_owned);
    for (name, own, elsewhere) in [
        ("authorization", Some("Bearer of-service"), None),
        ("x-token", Some("t-12345678"), None),
        ("x-own", Some("own"), Some("own")),
        ("x-api-key", None, Some("of-allowed")),
    ] {
        assert_eq!(header(&server, name).as_deref(), own, "{name}");
        assert_eq!(header(&allowed, name).as_deref(), elsewhere, "{name}");
    }
    let result = completed.result();
    assert_eq!(counted(&result, "other host", Outcome::InvalidRequest), 1);
    let text = completed.read(completed.runs()[0].join("result.json"));
    assert!(
        text.contains("is not a host that the scenario names"),
        "{text}"
    );
}

fn the_same_seed_gives_the_same_requests() {
    let script = "
        export async function draw(user) {
            await user.think(user.random() / 1000);
            await user.get(`/${user.randomInt(1, 6)}/${user.choice(['a', 'b', 'c'])}/${Math.random()}`, { name: 'draw' });
        }";
    let sent = |seed: &str| {
        let server = Recording::start(|_, _| ok("{}"));
        let program = running(&server, script, "flows: {draw: {steps: {run: draw}}}");
        let program = program.args([
            "run",
            "--profile",
            "quick",
            "--iterations",
            "5",
            "--seed",
            seed,
        ]);
        program.expect_status(0).run();
        server.paths()
    };
    assert_eq!(sent("3"), sent("3"));
    assert_ne!(sent("3"), sent("4"));
}

fn user_classes_send_in_their_own_way() {
    let (server, own) = (
        Recording::start(|_, _| ok("{}")),
        Recording::start(|_, _| ok("{}")),
    );
    let script =
        "export async function ask(user) { await user.post('/ask', { json: user.vars.who }); }";
    let rest = format!(
        r#"
variables: {{who: none}}
users:
  plain: {{on_start: [{{set: {{who: plain}}}}, {{run: ask, name: login}}], flows: [{{flow: asks}}]}}
  other: {{host: "{}/api", headers: {{x-class: other}}, auth: {{bearer: "s3cret-token"}}, flows: [{{flow: asks}}]}}
flows: {{asks: {{steps: {{run: ask}}}}}}
"#,
        own.url()
    );
    let program = running(&server, script, &rest);
    program.args(["try"]).expect_status(0).run();
    assert_eq!(server.paths(), ["/ask", "/ask"]);
    assert_eq!(server.seen()[1].text(), "\"plain\"");
    let seen = own.only();
    assert_eq!(
        (seen.path(), seen.text().as_str()),
        ("/api/ask", "\"none\"")
    );
    assert_eq!(seen.header("x-class"), Some("other"));
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret-token"));
}

#[test]
fn functions_run_before_and_after_the_load() {
    let server = Recording::start(|_, _| ok("{\"batch\": 17}"));
    let script = "
        export async function prepare(user) {
            const r = await user.post('/batches');
            user.vars.batch = r.json().batch;
        }
        export async function use(user) { await user.get(`/use/${user.vars.batch}`); }
        export async function remove(user) { await user.delete(`/batches/${user.vars.batch}`); }
        export const wait = () => 0.001;";
    let rest = "
setup: {run: prepare}
teardown: {run: remove}
defaults: {think_time: \"{{ js.wait() }}\"}
flows: {use: {steps: [{run: use}, {get: \"/yaml/{{ batch }}\"}]}}";
    let completed = scripted(&server, script, rest, 2).expect_status(0).run();
    let paths = server.paths();
    let expected = [
        "/batches",
        "/use/17",
        "/yaml/17",
        "/use/17",
        "/yaml/17",
        "/batches/17",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        outcomes(&completed.result()),
        "ok 4",
        "only the load is measured"
    );
}

#[test]
fn rows_of_names_are_bounded() {
    let server = Recording::start(|_, _| ok("{}"));
    let script = "
        export async function many(user) {
            for (let n = 0; n < 250; n++) await user.get('/', { name: `row ${n}` });
        }";
    let completed = scripted(&server, script, "flows: {many: {steps: {run: many}}}", 1).run();
    let result = completed.result();
    assert_eq!(counted(&result, "row 199", Outcome::Ok), 1);
    assert_eq!(counted(&result, "other", Outcome::Ok), 50);
}

#[test]
fn arrivals_are_measured_from_when_they_were_due() {
    let server = Recording::start(|_, _| ok("{}"));
    let script = "
        export async function slow(user) {
            const start = Date.now();
            while (Date.now() - start < 60) {}
            await user.get('/', { name: 'first' });
            await user.get('/', { name: 'second' });
        }";
    let completed = running(&server, script, "flows: {slow: {steps: {run: slow}}}")
        .args([
            "run",
            "--profile",
            "quick",
            "--rate",
            "2",
            "--duration",
            "2s",
            "--workers",
            "1",
        ])
        .run();
    let result = completed.result();
    assert_eq!(
        counted(&result, "first", Outcome::Ok),
        counted(&result, "second", Outcome::Ok)
    );
    let delay = |name: &str| {
        let cells = cells(&result, name);
        let most =
            cells.filter_map(|cell| cell.scheduling_delay.iter().map(|(delay, _)| delay).max());
        most.max().unwrap()
    };
    assert!(delay("first") >= 60_000, "{} µs", delay("first"));
    assert!(delay("second") < 60_000, "{} µs", delay("second"));
}

#[test]
fn a_trial_shows_requests_of_scripts_and_what_they_say() {
    let server = Recording::start(|_, _| ok("{\"token\": \"s3cret-value\"}"));
    let script = "
        export const noisy = () => { console.log('noise'); return 1; };
        export async function work(user) {
            console.log('begins', { user: user.id }, 'abcdefgh');
            const r = await user.get('/x', { name: 'x row' });
            throw new Error('bad ' + user.vars.api_token);
        }";
    let rest = "variables: {api_token: abcdefgh}\nflows: {work: {steps: [{name: y, get: \"/{{ js.noisy() }}\"}, {run: work, name: part}]}}";
    let tried = running(&server, script, rest).args(["try"]);
    let completed = tried.expect_status(1).run();
    for part in [
        "  console noise\n",
        "\nflow part\n  console begins {\"user\":1} ***",
        "\nx row\n  > GET /x HTTP/1.1",
        "flow part: FAILED, bad ***, at shop.js:6:",
    ] {
        assert!(
            completed.stdout.contains(part),
            "{part}\n{}",
            completed.stdout
        );
    }
    assert!(
        !completed.stdout.contains("abcdefgh"),
        "{}",
        completed.stdout
    );
    let ran = |option: &[&str]| {
        let program = running(&server, script, rest);
        let program = program.args(["run", "--profile", "quick", "--iterations", "1"]);
        let ran = program.args(option).run();
        format!("{}{}", ran.stdout, ran.stderr)
    };
    assert!(!ran(&[]).contains("begins"));
    let shown = ran(&["--debug"]);
    assert!(shown.contains("console begins {\"user\":1} ***"), "{shown}");
}
