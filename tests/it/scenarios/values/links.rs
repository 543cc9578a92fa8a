//! URLs that are filled in as a whole: where they lead, and what is sent there.

use std::sync::Arc;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, ok};
use crate::support::scenario::outcomes;
use crate::support::{Completed, Perfctl};

/// `host:port` of a server.
fn authority(server: &Recording) -> String {
    server.url().trim_start_matches("http://").to_owned()
}

/// One user visits these steps, written one a line.
fn visit(host: &str, steps: &[String], more: &str) -> Completed {
    let steps: Vec<String> = steps
        .iter()
        .map(|step| format!("      - {step}\n"))
        .collect();
    let keys = format!(
        "- {{name: unused, get: /unused, weight: 0}}\n{more}\nflows:\n  visit:\n    on_error: continue\n    \
         steps:\n{}",
        steps.concat()
    );
    Perfctl::scenario(host, &keys)
        .args([
            "-u",
            "1",
            "-i",
            "1",
            "--no-progress",
            "-e",
            "KEY=s3cret-key",
        ])
        .run()
}

fn paths(server: &Recording) -> Vec<String> {
    server
        .seen()
        .iter()
        .map(|seen| seen.path().to_owned())
        .collect()
}

fn a_link_leads_where_it_would_in_a_page() {
    let urls: Arc<std::sync::Mutex<String>> = Arc::default();
    let known = urls.clone();
    let service = Recording::start(move |seen, _| match seen.path() {
        "/api/v1/start" => ok(&format!(
            "{{\"next\": \"list/?page=1&q=a%2Fb+c#top\", \"whole\": \"{}/whole?x={{y}}\", \"dots\": \"../up\", \
             \"path\": \"/below\"}}",
            known.lock().unwrap()
        )),
        _ => ok("{\"next\": \"?page=2\"}"),
    });
    urls.lock().unwrap().push_str(&service.url());
    let completed = visit(
        &format!("{}/api", service.url()),
        &[
            "{get: /v1/start, extract: {next: $.next, whole: $.whole, dots: $.dots, path: $.path}}"
                .into(),
            "{get: '{{ next }}', extract: {again: $.next}}".into(),
            "{get: '{{ again }}'}".into(),
            "{post: '{{ whole }}', body: x}".into(),
            "{get: '{{ path }}'}".into(),
            "{get: \"{{ dots ~ '?n=1' }}\"}".into(),
            "{parallel: \"{{ ['p?1', 'p?2'] }}\", request: {get: '{{ item }}'}}".into(),
        ],
        "",
    );
    assert_eq!(
        outcomes(&completed.result()),
        "ok 8",
        "{}",
        completed.stdout
    );
    let mut paths = paths(&service);
    paths[6..].sort();
    assert_eq!(
        paths,
        [
            "/api/v1/start",
            "/api/v1/list/?page=1&q=a%2Fb+c",
            "/api/v1/list/?page=2",
            "/whole?x={y}",
            "/api/below",
            "/up?n=1",
            "/p?1",
            "/p?2",
        ]
    );
    assert!(
        completed.stdout.contains("GET {{ again }}"),
        "{}",
        completed.stdout
    );
}

fn nothing_is_sent_to_a_host_that_the_scenario_does_not_name() {
    let (service, other) = (Recording::ok(), Recording::ok());
    let at = authority(&other);
    let links = [
        format!("http://{at}/s3cret"),
        format!("//{at}/"),
        format!("https://{at}/"),
        format!("http://{}@{at}/", authority(&service)),
        "mailto:ann@example.org".to_owned(),
        "/a\\r\\nx: y".to_owned(),
        String::new(),
    ];
    let steps: Vec<String> = links
        .iter()
        .map(|link| {
            format!("{{set: {{link: \"{link}\"}}}}\n      - {{name: go, get: '{{{{ link }}}}'}}")
        })
        .collect();
    let completed = visit(&service.url(), &steps, "");
    assert_eq!(
        outcomes(&completed.result()),
        "invalid_request 7",
        "{}",
        completed.stdout
    );
    assert!(service.seen().is_empty() && other.seen().is_empty());
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    let shown = shown.join(" ");
    assert!(
        shown.contains(&format!("the link leads to `http://{at}`")),
        "{shown}"
    );
    assert!(!shown.contains("s3cret"), "{shown}");
}

fn credentials_stay_with_the_host_of_the_user() {
    let (service, other) = (Recording::ok(), Recording::ok());
    let step = |url: &str| {
        format!(
            "{{set: {{link: '{url}'}}}}\n      - {{get: '{{{{ link }}}}', headers: {{X-Token: t-12345678, X-Own: own, \
             Host: service.example}}, auth: {{bearer: '{{{{ env.KEY }}}}'}}}}\n      - {{get: '{{{{ link }}}}', auth: \
             {{api_key: {{query: key, value: '{{{{ env.KEY }}}}'}}}}}}"
        )
    };
    let completed = visit(
        &service.url(),
        &[
            "{cookies: {sid: s-12345678}}".into(),
            step(&format!("{}/home", service.url())),
            step(&format!("{}/away", other.url())),
        ],
        &format!("allow_redirects_to: ['{}']", authority(&other)),
    );
    assert_eq!(
        outcomes(&completed.result()),
        "ok 4",
        "{}",
        completed.stdout
    );
    let [home, away] = [service.seen(), other.seen()];
    let header = |seen: &Seen, name: &str| seen.header(name).map(str::to_owned);
    assert_eq!(
        header(&home[0], "authorization").unwrap(),
        "Bearer s3cret-key"
    );
    assert_eq!(header(&home[0], "x-token").unwrap(), "t-12345678");
    assert_eq!(header(&home[0], "cookie").unwrap(), "sid=s-12345678");
    assert_eq!(header(&home[0], "host").unwrap(), "service.example");
    assert_eq!(
        (home[1].path(), away[1].path()),
        ("/home?key=s3cret-key", "/away")
    );
    assert_eq!(header(&away[0], "x-own").unwrap(), "own");
    assert_eq!(header(&away[0], "host").unwrap(), authority(&other));
    // Cookies do not depend on the port: both are the same host to them.
    for name in ["authorization", "x-token"] {
        assert_eq!(header(&away[0], name), None, "{name}");
    }
}

fn a_path_is_below_the_host_of_the_class() {
    let (service, other) = (Recording::ok(), Recording::ok());
    let keys = format!(
        "- {{name: go, get: '{{{{ to }}}}', headers: {{X-Cookie: '{{{{ cookie.a | default(1) }}}}'}}}}\n\
         variables: {{to: '/x{{{{ user_id }}}}'}}\n\
         users: {{web: {{fixed_count: 1}}, api: {{fixed_count: 1, host: '{}/v2'}}}}",
        other.url()
    );
    let completed = Perfctl::scenario(&service.url(), &keys)
        .args(["-u", "2", "-i", "2"])
        .run();
    assert_eq!(
        outcomes(&completed.result()),
        "ok 2",
        "{}",
        completed.stdout
    );
    assert_eq!(paths(&service), ["/x1"]);
    assert_eq!(paths(&other), ["/v2/x2"]);
}

for_each_client! {
    a_link_leads_where_it_would_in_a_page
    nothing_is_sent_to_a_host_that_the_scenario_does_not_name
    credentials_stay_with_the_host_of_the_user
    a_path_is_below_the_host_of_the_class
}
