//! The page in a browser: a run from its start to its comparison, and what the page does to names that are code.

use std::path::Path;

use serde_json::Value;

use super::Server;
use crate::support::browser::Browser;
use crate::support::simulation::{Shape, Simulation};
use crate::support::{Perfctl, Signal};

/// Names that would be code in a page that is put together from texts.
const HOSTILE: &str = r#"
name: "<img src=x onerror='document.title = 1'>"
host: demo
defaults: {think_time: 20ms}
endpoints:
- {name: "<script>document.title = 'pwned'</script>", get: /api/v1/invoices/, weight: 3}
- {name: "</table><svg onload=alert(1)>", get: /status/404}
slo: {error_rate: 50%, p95: 30s}
profiles:
  quick: {stages: [{name: "<b>steady</b>", users: 2, ramp: 0s, duration: 1s}]}
  long: {stages: [{name: first, users: 2, ramp: 5s, duration: 5s}, {name: second, users: 4, ramp: 5s, duration: 40s}]}
"#;

fn text(browser: &mut Browser, id: &str) -> String {
    let value = browser.value(&format!("document.getElementById('{id}').innerText"));
    value.as_str().unwrap_or_default().to_owned()
}

/// A list of seconds with numbers as scripts know them: 150.0 is 150.
fn as_in_script(seconds: &Value) -> Vec<Value> {
    let second = |second: &Value| {
        let fields = second.as_object().unwrap().iter();
        let fields = fields.map(|(name, value)| {
            let number = value.as_f64().map(Value::from);
            (name.clone(), number.unwrap_or_else(|| value.clone()))
        });
        Value::Object(fields.collect())
    };
    seconds.as_array().unwrap().iter().map(second).collect()
}

/// Fills the form and sends it.
fn begin(browser: &mut Browser, profile: &str) {
    browser.wait_until("document.querySelector('[name=scenario]').value === 'hostile'");
    browser.value(&format!(
        "document.querySelector('[name=profile]').value = '{profile}'"
    ));
    browser.value("document.getElementById('start').requestSubmit()");
}

#[test]
fn a_run_is_started_watched_stopped_compared_and_downloaded_on_the_page() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let server = Server::of(Perfctl::new().file("scenarios/hostile.yaml", HOSTILE), &[]);
    let address = server.address.clone();
    // Without the token there is a form for it, and with it the link vanishes from the line of the address.
    browser.open(&format!("http://{address}/"));
    browser.wait_until("!document.getElementById('login').hidden");
    browser.value(&format!(
        "location.href = 'http://{address}/#token={}'",
        server.token
    ));
    browser.wait_until("!document.getElementById('main').hidden");
    assert_eq!(browser.value("location.hash"), "");
    // What is wrong is said before anything is sent.
    browser.wait_until("document.querySelector('[name=scenario]').value === 'hostile'");
    browser.value("document.querySelector('[name=profile]').value = 'quik'");
    browser.value("document.getElementById('preview').click()");
    browser.wait_until("document.getElementById('problem').innerText.includes('quik')");
    browser.value("document.querySelector('[name=profile]').value = 'quick'");
    browser.value("document.getElementById('preview').click()");
    browser.wait_until("document.getElementById('preview-text').innerText.includes('2 users')");
    begin(&mut browser, "quick");
    browser.wait_until("document.getElementById('state').innerText === 'PASS'");
    begin(&mut browser, "long");
    browser.wait_until("document.getElementById('state').innerText === 'RUNNING'");
    browser.wait_until("document.getElementById('tile-rate') && document.querySelectorAll('#charts path').length === 5");
    let id = server.get("/active").json()["active"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text(&mut browser, "run-facts").contains(&id));
    pictures(&mut browser, "running");
    // A reload, and a gap in which the server was killed, lose nothing.
    browser.open(&format!("http://{address}/"));
    browser.wait_until(
        "document.getElementById('state').innerText === 'RUNNING' && shown.seconds.length > 3",
    );
    let before = browser.value("shown.seconds");
    server.running.signal(Signal::Kill);
    let (listen, token) = (server.address.clone(), server.token.clone());
    let dead = Perfctl::after(server.running.wait()).file("token", token);
    let server = Server::of(dead, &["--listen", &listen, "--token-file", "token"]);
    let server = Server {
        token: browser.value("token").as_str().unwrap().to_owned(),
        ..server
    };
    browser.wait_until(&format!(
        "shown.seconds.length > {}",
        before.as_array().unwrap().len() + 2
    ));
    let after = browser.value("shown.seconds");
    let series = server.get(&format!("/{id}/series")).json()["seconds"].clone();
    let [after, series] = [after, series].map(|list| as_in_script(&list));
    assert!(
        series.starts_with(&after) || after.starts_with(&series),
        "{after:?}\n{series:?}"
    );
    // The load is changed, and paused and not.
    browser.wait_until("!document.getElementById('load').hidden");
    browser.value("document.getElementById('level').value = '9'");
    browser.value("document.getElementById('load').requestSubmit()");
    browser.wait_until("document.getElementById('tile-users').innerText === '9'");
    browser.wait_until("document.getElementById('adjusted').innerText.includes('held at 9 users')");
    assert!(text(&mut browser, "adjusted").contains("no grade"));
    for (next, rate) in [("Go on", "==="), ("Pause", "!==")] {
        browser.value("document.getElementById('pause').click()");
        browser.wait_until(&format!(
            "document.getElementById('pause').innerText === '{next}' && document.getElementById('tile-rate').innerText {rate} '0/s'"
        ));
    }
    pictures(&mut browser, "changed");
    browser.value("document.getElementById('stop').click()");
    browser.wait_until("document.getElementById('state').innerText === 'INCONCLUSIVE'");
    assert!(text(&mut browser, "run-reasons").contains("changed by hand"));
    assert_eq!(
        browser.value("document.getElementById('load').hidden"),
        true
    );
    browser.wait_until("document.getElementById('endpoints').innerText.includes('GET')");
    // The numbers are those of `perfctl report --format json`.
    let report = server
        .get(&format!("/{id}/report?format=json"))
        .expect(200)
        .json();
    let shown = browser.value("shown.known.report");
    assert_eq!(shown["total_requests"], report["total_requests"]);
    let count = text(&mut browser, "tile-requests").replace(',', "");
    assert_eq!(count, report["total_requests"].to_string());
    let whole = server.get(&format!("/{id}/series")).json()["seconds"].clone();
    browser.wait_until(&format!(
        "shown.seconds.length === {}",
        whole.as_array().unwrap().len()
    ));
    let shown = browser.value("shown.seconds");
    assert_eq!(as_in_script(&shown), as_in_script(&whole));
    // Two runs of other profiles have no decision, but their numbers stand side by side.
    browser.wait_until("document.querySelectorAll('#baseline option').length === 1");
    browser.value("document.getElementById('compare').click()");
    browser.wait_until(
        "document.getElementById('comparison').innerText.includes('without a decision')",
    );
    // What a click on a download saves.
    let saved = "(async () => { const made = []; const create = URL.createObjectURL; URL.createObjectURL = (blob) => { made.push(blob); return create(blob); }; \
                 document.querySelector('[data-format=json]').click(); while (!made.length) await new Promise((r) => setTimeout(r, 20)); return made[0].text(); })()";
    let saved = browser.value(saved);
    let saved: Value = serde_json::from_str(saved.as_str().unwrap()).unwrap();
    assert_eq!(saved, report);
    // Names are texts.
    assert_eq!(browser.value("document.title"), "perfctl");
    let made = browser.value(
        "document.querySelectorAll('main img, main script, main svg[onload], main b').length",
    );
    assert_eq!(made, 0);
    assert!(text(&mut browser, "endpoints").contains("<script>document.title"));
    pictures(&mut browser, "ended");
    // The server was away for a moment, and two previews were refused.
    let complaints: Vec<&String> = browser
        .complaints
        .iter()
        .filter(|text| !text.contains("Failed to load resource") && !text.contains("ERR_"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn runs_are_compared_on_the_page_as_on_the_command_line() {
    let mut simulation = Simulation::new(1, Shape::default(), 0.0);
    let mut program = Perfctl::new().file("scenarios/hostile.yaml", HOSTILE);
    for (id, factor) in [("before", 1.0), ("later", 1.5)] {
        let mut run = simulation.occasion(id, 1, factor).remove(0);
        run.run.id = id.to_owned();
        let path = format!("results/{id}/result.json");
        program = program.file(&path, serde_json::to_string(&run).unwrap());
    }
    let server = Server::of(program, &[]);
    let compared = server.get("/later/report?baseline=before").expect(200);
    let compared = compared.json()["comparison"].clone();
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_perfctl"))
        .current_dir(server.running.dir())
        .args([
            "report",
            "later",
            "--baseline",
            "before",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(compared, printed["comparison"]);
    let rows = compared["rows"].as_array().unwrap();
    assert!(rows.len() > 3, "{compared:#}");
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open(&format!(
        "http://{}/#token={}",
        server.address, server.token
    ));
    browser.wait_until("document.querySelectorAll('#history button').length === 2");
    browser.value("[...document.querySelectorAll('#history button')].find((one) => one.innerText === 'later').click()");
    browser.wait_until("document.getElementById('run-facts').innerText.includes('later')");
    browser.wait_until("document.querySelector('#baseline option').value === 'before'");
    browser.value("document.getElementById('compare').click()");
    let decision = compared["decision"].as_str().unwrap();
    browser.wait_until(&format!(
        "document.getElementById('decision').innerText === 'Decision: {decision}'"
    ));
    let shown = browser.value("document.querySelectorAll('#comparison tbody tr').length");
    assert_eq!(shown, rows.len());
}

/// The page fits every width; with `PICTURES`, how it looks is kept there.
fn pictures(browser: &mut Browser, state: &str) {
    for (width, is_dark, name) in [
        (1200, false, "light"),
        (1200, true, "dark"),
        (390, false, "phone"),
    ] {
        browser.look(width, is_dark);
        let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.value(fits), true, "{name}");
        if let Some(folder) = std::env::var_os("PICTURES") {
            let path = Path::new(&folder).join(format!("{state}-{name}.png"));
            std::fs::write(path, browser.picture()).unwrap();
        }
    }
}
