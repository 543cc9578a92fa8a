//! Scripts without requests: what they give, what is wrong with them, and what they may use.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

use crate::script::*;

/// The script of these files, of which the first is its main one.
fn load(files: &[(&str, &str)]) -> Result<Arc<Script>, ScriptError> {
    load_with(files, Limits::default())
}

fn load_with(files: &[(&str, &str)], limits: Limits) -> Result<Arc<Script>, ScriptError> {
    let texts: BTreeMap<String, Arc<str>> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Arc::from(*text)))
        .collect();
    let read = move |path: &str| {
        let text = texts.get(path).cloned();
        text.ok_or_else(|| "No such file or directory".to_owned())
    };
    Script::load(files[0].0, limits, read).map(Arc::new)
}

fn call(text: &str, arguments: &[Value]) -> Result<Value, ScriptError> {
    call_with(text, arguments, Limits::default(), 1)
}

fn call_with(
    text: &str,
    arguments: &[Value],
    limits: Limits,
    seed: u64,
) -> Result<Value, ScriptError> {
    let script = load_with(&[("shop.js", text)], limits)?;
    let arguments: Vec<Argument> = arguments.iter().cloned().map(Argument::Json).collect();
    script.call("f", &arguments, &mut ChaCha12Rng::seed_from_u64(seed))
}

#[test]
fn values_keep_their_types() {
    for value in [
        json!(null),
        json!(true),
        json!(0),
        json!(-7),
        json!(1.5),
        json!(9007199254740991u64),
        json!("tea é \u{1f375}"),
        json!([1, "a", null]),
        json!({"a": {"b": [2.5]}}),
    ] {
        let same = call("export const f = (x) => x", std::slice::from_ref(&value));
        assert_eq!(same, Ok(value));
    }
    for (text, expected) in [
        ("export function f() { return 2 + 1 }", json!(3)),
        (
            "export async function f() { return (await 1) + 1 }",
            json!(2),
        ),
        (
            "export default 1; export function f() { return new Date(0) }",
            json!("1970-01-01T00:00:00.000Z"),
        ),
        (
            "const a = 1; export { g as f }; function g() { return a }",
            json!(1),
        ),
        (
            "export const f = () => crypto.hmac('sha256', 'key', 'text')",
            json!("6afa9046a9579cad143a384c1b564b9a250d27d6f6a63f9f20bf3a7594c9e2c6"),
        ),
        (
            "export const f = () => crypto.hash('md5', '', 'base64')",
            json!("1B2M2Y8AsgTpgAmY7PhCfg=="),
        ),
        ("export const f = () => atob(btoa('tea'))", json!("tea")),
    ] {
        assert_eq!(call(text, &[]), Ok(expected), "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let column = regex::Regex::new(r"(shop\.js:\d+):\d+:").unwrap();
    for (text, expected) in [
        (
            "export function f(x) {\n  return x.y.z;\n}",
            "TypeError: cannot read property 'y' of undefined, at shop.js:2: `return x.y.z;`",
        ),
        ("export function f() { throw 'no' }", "no"),
        (
            "export function f() { throw new Error('gone') }",
            "gone, at shop.js:1: `export function f() { throw new Error('gone') }`",
        ),
        ("export function f() { }", "`js.f()` returned undefined"),
        (
            "export function f() { return NaN }",
            "TypeError: NaN is not a number of JSON",
        ),
        (
            "export async function f() { await new Promise(() => {}) }",
            "TypeError: `f` waits, and has no value yet: only steps `run` can wait",
        ),
        (
            "export function f() { return sleep(1) }",
            "TypeError: there is no user here: requests and waits are for functions that `run` names, \
             at shop.js:1: `export function f() { return sleep(1) }`",
        ),
        (
            "export function f() { while (true) {} }",
            "it took more than 100ms of processor time without waiting, \
             at shop.js:1: `export function f() { while (true) {} }`",
        ),
        (
            "export function f() { try { for (;;) {} } catch { return 1 } }",
            "it took more than 100ms of processor time without waiting, \
             at shop.js:1: `export function f() { try { for (;;) {} } catch { return 1 } }`",
        ),
        (
            "export async function f() { await 1; for (;;) {} }",
            "it took more than 100ms of processor time without waiting",
        ),
    ] {
        let shown = call(text, &[]).map_err(|error| {
            // The engine decides which part of an expression is to blame.
            let text = error.to_string();
            column.replace(&text, "$1:").into_owned()
        });
        assert_eq!(shown, Err(expected.to_owned()), "{text}");
    }
    // A stack without end.
    assert!(call("export function f() { return f() }", &[]).is_err());
}

#[test]
fn memory_is_limited() {
    let limits = Limits {
        memory: 4_000_000,
        time: Duration::from_secs(10),
    };
    let text =
        "export function f() { const all = []; for (;;) all.push('x'.repeat(1000) + all.length) }";
    let error = call_with(text, &[], limits, 1).unwrap_err();
    assert_eq!(error.message, "it needs more than 4 MB of memory");
}

#[test]
fn what_cannot_be_loaded_is_explained() {
    let explained = |files: &[(&str, &str)]| {
        let error = load(files).unwrap_err();
        let help = error.help.clone().unwrap_or_default();
        format!("{error}; {help}")
    };
    let alone = |text: &str| explained(&[("shop.js", text)]);
    assert_eq!(
        alone("export function f() {\n  return 1 +;\n}"),
        "SyntaxError: unexpected token in expression: ';', at shop.js:2:13: `return 1 +;`; "
    );
    assert_eq!(
        alone("const x = y;"),
        "ReferenceError: y is not defined, at shop.js:1:11: `const x = y;`; "
    );
    assert_eq!(
        alone("import a from './a.js';"),
        "cannot import `./a.js`: No such file or directory, at shop.js:1:15: `import a from './a.js';`; \
         write the path from the file that imports it, with its ending"
    );
    assert_eq!(
        alone("import { check } from \"k6\";"),
        "cannot import `k6`: it is not a file, at shop.js:1:23: `import { check } from \"k6\";`; \
         remove the import: `check`, `sleep` and `group` are there without it"
    );
    assert!(alone("import '../a.js';").contains("outside the scenario's folder"));
    assert!(alone("import 'lodash';").contains("such as `./helpers.js`"));
    assert!(alone("await new Promise(() => {});").contains("waits while it is loaded"));
    assert_eq!(
        explained(&[
            ("shop.js", "import { a } from './lib/a.js';"),
            ("lib/a.js", "export const b = 1;")
        ]),
        "SyntaxError: Could not find export 'a' in module 'lib/a.js'; "
    );
    assert_eq!(
        explained(&[
            ("shop.js", "import { a } from './lib/a.js';"),
            ("lib/a.js", "export const a = (;")
        ]),
        "SyntaxError: unexpected token in expression: ';', at lib/a.js:1:19: `export const a = (;`; "
    );
}

#[test]
fn files_that_are_imported_share_their_state() {
    let script = load(&[
        (
            "shop.js",
            "import { next } from './lib/counter.js'; export const f = () => next();",
        ),
        (
            "lib/counter.js",
            "import './more.js'; let n = 0; export const next = () => ++n;",
        ),
        ("lib/more.js", ""),
    ])
    .unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut next = || script.call("f", &[], &mut rng).unwrap();
    assert_eq!([next(), next()], [json!(1), json!(2)]);
    Script::begin_run();
    assert_eq!(next(), json!(1));
}

#[test]
fn there_are_no_files_and_no_network() {
    for name in [
        "std",
        "os",
        "require",
        "process",
        "fetch",
        "scriptArgs",
        "print",
        "bjson",
        "setTimeout",
    ] {
        let text = format!("export const f = () => typeof {name}");
        assert_eq!(call(&text, &[]), Ok(json!("undefined")), "{name}");
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    let text = "export const f = () => [Math.random(), crypto.randomUUID()]";
    let draw = |seed| call_with(text, &[], Limits::default(), seed).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn assigned_variables_are_found() {
    let text = "export async function f(user) {
        user.vars.token = 1; const { vars } = user; vars.count += 2; vars.n++;
        if (user.vars.state === 'a' || user.vars.x == 1) return user.vars.list;
    }";
    let script = load(&[("shop.js", text)]).unwrap();
    let assigned: Vec<&str> = script.assigned_variables().into_iter().collect();
    assert_eq!(assigned, ["count", "n", "token"]);
}

fn user(text: &str) -> ScriptUser {
    let script = load(&[("shop.js", text)]).unwrap();
    let user = ScriptUser::new(&script, 7, &["token".to_owned()]).unwrap();
    user.lend(ScriptLoan {
        variables: vec![Some(json!("t1"))],
        rng: ChaCha12Rng::seed_from_u64(1),
    });
    user
}

fn response(status: u16) -> Rc<ResponseData> {
    let mut headers = http::HeaderMap::new();
    headers.insert("etag", "\"x\"".parse().unwrap());
    Rc::new(ResponseData {
        status,
        url: "/cart".into(),
        elapsed: Duration::from_millis(3),
        headers,
        body: Box::new(|| Ok("{\"id\": 5}".into())),
        error: None,
    })
}

#[test]
fn a_call_waits_for_its_operations() {
    let user = user(
        "export async function f(user) {
            const r = await user.post('/cart?x=1', {json: {n: 1}, headers: {'X-A': 'b'}, status: [201, '4xx']});
            user.vars.token = `${user.vars.token} ${r.status} ${r.headers.get('ETag')} ${r.json().id} ${user.id}`;
            await user.think(1.5);
        }",
    );
    user.begin("f", 1);
    assert_eq!(user.end(), None);
    let operations = user.take_operations();
    let [operation] = operations.as_slice() else {
        panic!("{operations:?}");
    };
    let OperationKind::Request(request) = &operation.kind else {
        panic!("{operation:?}");
    };
    assert_eq!(
        **request,
        RequestSpec {
            method: "POST".into(),
            url: "/cart?x=1".into(),
            headers: vec![
                ("x-a".into(), "b".into()),
                ("content-type".into(), "application/json".into())
            ],
            row: "POST /cart".into(),
            timeout_us: None,
            status: vec![(201, 201), (400, 499)],
            body: Some("{\"n\":1}".into()),
        }
    );
    user.settle(operation.number(), Some(response(201)));
    let operations = user.take_operations();
    assert!(matches!(operations[0].kind, OperationKind::Think(wait) if wait.as_millis() == 1500));
    user.settle(operations[0].number(), None);
    assert_eq!(user.end(), Some((CallEnd::Done, None)));
    let lent = user.take_back().unwrap();
    assert_eq!(lent.variables, [Some(json!("t1 201 \"x\" 5 7"))]);
}

#[test]
fn calls_end_in_different_ways() {
    let end = |text: &str| {
        let user = user(&format!("export async function f(user) {{ {text} }}"));
        user.begin("f", 1);
        let (end, unmet) = user.end().unwrap();
        let end = match end {
            CallEnd::Error(error) => error.to_string(),
            end => format!("{end:?}"),
        };
        (end, unmet)
    };
    let done = || "Done".to_owned();
    assert_eq!(end(""), (done(), None));
    assert_eq!(
        end("user.fail('no cart')"),
        ("Failed(\"no cart\")".into(), None)
    );
    assert_eq!(end("user.stop()"), ("Stopped(User)".into(), None));
    assert_eq!(end("user.stop('run')"), ("Stopped(Run)".into(), None));
    assert_eq!(
        end("check(1, {'is 2': (x) => x === 2, 'is 3': false})"),
        (done(), Some("is 2".into()))
    );
    assert_eq!(end("check(1, {'is 1': (x) => x === 1})"), (done(), None));
    for (text, why) in [
        ("user.get('/', {jsn: 1})", "unknown option `jsn`"),
        (
            "user.get('/', {json: 1, body: 'a'})",
            "cannot be used together",
        ),
        ("user.get('/', {status: 99})", "`99` is not a status"),
        ("user.think('1s')", "is not a number of seconds"),
        (
            "user.vars.other = 1",
            "the scenario has no variable `other`",
        ),
        ("await 1; for (;;) {}", "100ms of processor time"),
        ("await 1; null.x", "at shop.js:1:41"),
        ("await Promise.reject(new Error('x'))", "x, at shop.js:1:"),
    ] {
        let (end, _) = end(text);
        assert!(end.contains(why), "{text}: {end}");
    }
}

#[test]
fn users_can_wait_for_each_other() {
    let script = load(&[(
        "shop.js",
        "let login;
         export async function f(user) {
            login ??= user.post('/login');
            const r = await login;
            user.got = r.status;
            await user.get('/' + user.got + '/' + user.id, {name: user.vars.token});
         }",
    )])
    .unwrap();
    let users: Vec<ScriptUser> = (1..=2)
        .map(|number| {
            let user = ScriptUser::new(&script, number, &["token".to_owned()]).unwrap();
            user.lend(ScriptLoan {
                variables: vec![Some(json!(format!("t{number}")))],
                rng: ChaCha12Rng::seed_from_u64(number),
            });
            user.begin("f", 1);
            user
        })
        .collect();
    let first = users[0].take_operations();
    assert_eq!((first.len(), users[1].take_operations().len()), (1, 0));
    users[0].settle(first[0].number(), Some(response(200)));
    for (user, path) in users.iter().zip(["/200/1", "/200/2"]) {
        let operations = user.take_operations();
        let OperationKind::Request(request) = &operations[0].kind else {
            panic!();
        };
        assert_eq!(request.url, path);
        assert_eq!(request.row, format!("t{}", &path[5..]));
    }
    let mut woken = tokio_test_poll(users[1].woken());
    assert!(woken.take().is_some());
}

/// What a future gives at once.
fn tokio_test_poll<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn iterations_and_users_leave_nothing_behind() {
    let script = load(&[(
        "shop.js",
        "export async function f(user) {
            const r = await user.post('/cart', {json: {n: user.iteration}});
            user.last = r.json();
            user.get('/never');
         }",
    )])
    .unwrap();
    let machine = script.machine().unwrap();
    let iterate = |times: u64| {
        let user = ScriptUser::new(&script, 1, &["token".to_owned()]).unwrap();
        for iteration in 0..times {
            user.begin("f", iteration);
            let operations = user.take_operations();
            user.settle(operations[0].number(), Some(response(200)));
            assert_eq!(user.end(), Some((CallEnd::Done, None)));
            user.forget();
        }
        drop(user);
        machine.memory()
    };
    iterate(100);
    let (before, after) = (iterate(100), iterate(3_000));
    assert!(after <= before + 1_000, "{before} B, then {after} B");
    let users: Vec<ScriptUser> = (0..1_000)
        .map(|number| ScriptUser::new(&script, number, &[]).unwrap())
        .collect();
    let each = (machine.memory() - after) / 1_000;
    assert!(each < 1_000, "{each} B a user");
    drop(users);
    assert!(machine.memory() <= after + 60_000);
}
