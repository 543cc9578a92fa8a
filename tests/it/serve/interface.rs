//! The description of the interface, held to the routes and to what is really sent.

use std::collections::BTreeSet;

use perfctl::report::FORMATS;
use perfctl::serve::{OPENAPI, ROUTES};
use serde_json::{Value, json};

use super::{BASE, Server};
use crate::support::documents::read;

fn description() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let description = description();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let routes = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path));
    let routes: BTreeSet<String> = routes.collect();
    assert_eq!(described, routes);
    let text = read("docs/serve.md");
    for route in &routes {
        let path = route.split(' ').nth(1).unwrap();
        let short = path
            .strip_prefix(BASE)
            .filter(|short| short.len() > 1)
            .unwrap_or(path);
        let documented =
            text.contains(&format!("`{route}`")) || text.contains(&format!("{short}`"));
        assert!(documented, "{route}");
    }
    let report = &description["paths"][format!("{BASE}/{{id}}/report")]["get"];
    let formats: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(report["parameters"][1]["schema"]["enum"], json!(formats));
}

#[test]
fn every_option_of_the_server_is_documented() {
    let help = crate::support::Perfctl::new()
        .args(["serve", "--help"])
        .expect_status(0)
        .run()
        .stdout;
    let text = read("docs/serve.md");
    let names = regex::Regex::new(r"--[a-z][a-z-]+|PERFCTL_[A-Z_]+").unwrap();
    for name in names.find_iter(&help).map(|found| found.as_str()) {
        assert!(
            name == "--help" || text.contains(&format!("`{name}")),
            "{name}"
        );
    }
}

/// What of a value is not as its schema says.
fn mismatches(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let description = description();
        let known = description
            .pointer(reference.trim_start_matches('#'))
            .unwrap();
        return mismatches(value, known, at, found);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = allowed.contains(&kind) || kind == "integer" && allowed.contains(&"number");
    if !allowed.is_empty() && !fits {
        found.push(format!("{at}: {value} is no {allowed:?}"));
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|known| !known.contains(value))
    {
        found.push(format!("{at}: {value} is not known"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, one) in value.as_object().into_iter().flatten() {
            match properties.get(name) {
                Some(schema) => mismatches(one, schema, &format!("{at}.{name}"), found),
                // Those of an alert are of an SLO or of a finding.
                None if at.contains("alerts") => {}
                None => found.push(format!("{at}.{name} is not described")),
            }
        }
    }
    for one in value.as_array().into_iter().flatten() {
        mismatches(one, &schema["items"], &format!("{at}[]"), found);
    }
}

#[test]
fn responses_are_as_described() {
    let server = Server::start(&[]);
    let described = server.get("/openapi.json").expect(200).json();
    assert_eq!(described, description());
    let check = |method: &str, route: &str, reply: super::Reply| {
        let schema = &described["paths"][route][method]["responses"][reply.status.to_string()];
        assert!(!schema.is_null(), "{route}: {reply:?}");
        let schema = &schema["content"]["application/json"]["schema"];
        let mut found = Vec::new();
        mismatches(&reply.json(), schema, route, &mut found);
        assert!(found.is_empty(), "{found:#?}");
    };
    let at = |path: &str| format!("{BASE}{path}");
    let start = json!({"scenario": "small", "profile": "quick"});
    let started = server.post("/start", &start);
    let id = started.json()["id"].as_str().unwrap().to_owned();
    check("post", &at("/start"), started);
    check("post", &at("/start"), server.post("/start", &start));
    check(
        "post",
        &at("/start"),
        server.post("/start", &json!({"scenario": "none"})),
    );
    check("post", &at("/validate"), server.post("/validate", &start));
    let queued = server.post(
        "/start",
        &json!({"scenario": "small", "profile": "quick", "queue": true}),
    );
    let waiting = queued.json()["id"].as_str().unwrap().to_owned();
    check("post", &at("/start"), queued);
    for _ in 0..2 {
        for run in [&id, &waiting] {
            check("get", &at("/{id}"), server.get(&format!("/{run}")));
            check(
                "get",
                &at("/{id}/series"),
                server.get(&format!("/{run}/series")),
            );
            let load = format!("/{run}/load");
            check("get", &at("/{id}/load"), server.get(&load));
            let change = json!({"paused": false});
            check("patch", &at("/{id}/load"), server.patch(&load, &change));
        }
        check("get", &at("/"), server.get("/"));
        check("get", &at("/active"), server.get("/active"));
        server.wait_until(&id, "sending", |shown| {
            shown["elapsed_s"].as_f64() > Some(0.0)
        });
    }
    check(
        "get",
        &at("/{id}/report"),
        server.get(&format!("/{id}/report")),
    );
    check(
        "post",
        &at("/{id}/cancel"),
        server.post(&format!("/{waiting}/cancel"), &json!({})),
    );
    check("get", &at("/{id}"), server.get(&format!("/{waiting}")));
    server.wait_for(&id, "ended");
    check("get", &at("/{id}"), server.get(&format!("/{id}")));
    check("get", &at("/"), server.get("/"));
    check("get", &at("/scenarios"), server.get("/scenarios"));
    check("get", &at("/{id}"), server.get("/none"));
    for view in [
        "health",
        "metrics",
        "prd-compliance",
        "alerts",
        "optimization/recommendations",
        "report",
    ] {
        let route = format!("/api/v1/performance/{view}");
        let reply = server.send("GET", &route, &[("authorization", &server.bearer())], "");
        check("get", &route, reply.expect(200));
    }
}
