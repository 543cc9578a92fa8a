//! Where requests go, whatever is filled in: never to a host that the author did not write, and what is
//! filled in stays in its place.

use crate::support::Perfctl;
use crate::support::clients::{chosen, for_each_client};
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{count as count_of, outcomes};
use perfctl::metrics::Outcome;

/// `host:port` of a server.
fn authority(server: &Recording) -> String {
    server.url().trim_start_matches("http://").to_owned()
}

fn a_url_without_a_host_is_refused_before_anything_is_sent() {
    let other = Recording::ok();
    let at = authority(&other);
    for (host, url) in [
        ("demo", format!("http:///{at}/api")),
        ("demo", format!("http://{{{{ env.EMPTY }}}}/{at}/api")),
        ("demo", format!("http://{{{{ none }}}}/{at}/{{{{ uuid }}}}")),
        ("demo", format!("http:\\\\{at}/api")),
        ("demo", format!("http://good.example\\@{at}/api")),
        ("demo", format!("http://good.example@{at}/api")),
        ("demo", "http://good.example@{{ env.OTHER }}/api".to_owned()),
        ("demo", "http://{{ host }}/api".to_owned()),
        ("demo", "http://good.example@{{ host }}/api".to_owned()),
        ("demo", "{{ host }}/api".to_owned()),
        (&format!("http:///{at}"), "/".to_owned()),
        (
            &format!("'http://{{{{ env.EMPTY }}}}/{at}'"),
            "/".to_owned(),
        ),
    ] {
        let keys = format!(
            "- {{get: '{url}', extract: {{host: {{header: x, default: '{at}'}}}}}}\n\
             variables: {{none: ''}}\nallow_redirects_to: ['{at}']"
        );
        let completed = Perfctl::scenario(host, &keys)
            .args(["-i", "1", "-u", "1", "-e", "EMPTY="])
            .args(["-e", &format!("OTHER={at}")])
            .expect_status(2)
            .run();
        let place = if host == "demo" { ":4:9" } else { ":2:7" };
        assert!(
            completed.stderr.contains(place),
            "{url}: {}",
            completed.stderr
        );
    }
    assert!(other.seen().is_empty());
}

/// Runs an endpoint with this URL once for each value of `rows.v`, and returns the paths that came.
fn filled(service: &Recording, url: &str, values: &[&str]) -> (String, String) {
    let rows = values.iter().map(|value| {
        let row = serde_json::json!({ "v": value });
        format!("{row}\n")
    });
    let completed = Perfctl::scenario(
        &service.url(),
        &format!("- {{name: a, get: '{url}'}}\ndata: {{rows: rows.jsonl}}"),
    )
    .file("scenarios/rows.jsonl", rows.collect::<String>())
    .args(["-i", &values.len().to_string(), "-u", "1", "--seed", "7"])
    .run();
    (outcomes(&completed.result()), completed.stdout)
}

fn no_value_leads_to_another_host() {
    let other = Recording::ok();
    let at = authority(&other);
    let values = [
        format!("//{at}/"),
        format!("@{at}/"),
        format!("http://{at}/"),
        format!("/../..//{at}/"),
        format!(":80@{at}"),
        format!("?@{at}"),
    ];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    for form in ["{{ rows.v }}", "{{ rows.v | raw }}"] {
        for start in ["/", "//", "SERVICE/", "SERVICE?", "/a?b="] {
            let service = Recording::ok();
            let url = format!("{}{form}", start.replace("SERVICE", &service.url()));
            filled(&service, &url, &values);
            assert!(service.seen().len() >= 5, "{url}: {:?}", service.paths());
        }
    }
    assert!(other.seen().is_empty());
}

fn no_redirect_leads_to_a_host_that_is_not_allowed() {
    let other = Recording::ok();
    let at = authority(&other);
    let locations = [
        format!("http://{at}/"),
        format!("//{at}/"),
        format!("///{at}/"),
        format!("\\\\{at}/"),
        format!("/\\{at}/"),
        format!("http:///{at}/"),
        format!("http:\\\\{at}"),
        format!("http://127.0.0.1@{at}/"),
        format!("http://{at}#@127.0.0.1/"),
        format!("\t//{at}"),
    ];
    let count = locations.len();
    let service = Recording::start(move |_, number| {
        let location = format!("location: {}\r\n", locations[number % locations.len()]);
        answer("302 Found", &location, "")
    });
    let completed = Perfctl::get_root(&service.url())
        .args(["-i", &count.to_string(), "-u", "1"])
        .run();
    let result = completed.result();
    let refused =
        count_of(&result, Outcome::RedirectBlocked) + count_of(&result, Outcome::RedirectInvalid);
    assert_eq!(refused, count as u64, "{}", outcomes(&result));
    assert!(other.seen().is_empty());
}

fn values_are_encoded_for_their_place_and_what_is_written_stays() {
    let values = [
        "C#",
        "a b/c?d=e&f",
        "x\ny\\z",
        "é%",
        "a.b-c_d~e",
        "a+b;c,d'",
    ];
    let encoded = [
        "C%23",
        "a%20b%2Fc%3Fd%3De%26f",
        "x%0Ay%5Cz",
        "%C3%A9%25",
        "a.b-c_d~e",
        "a%2Bb%3Bc%2Cd%27",
    ];
    let service = Recording::ok();
    let url = "/a//{{ rows.v }}/%41%2f;b=1?q={{ rows.v }}&r=é {x}%zz";
    let (outcomes, shown) = filled(&service, url, &values);
    assert_eq!(outcomes, "ok 6", "{shown}");
    let expected = encoded.map(|v| format!("/a//{v}/%41%2f;b=1?q={v}&r=%C3%A9%20{{x}}%zz"));
    assert_eq!(service.paths(), expected);
}

fn raw_values_are_sent_as_they_are_or_not_at_all() {
    let service = Recording::ok();
    let values = ["a/b?c=d&e", "a%2Fb", "C#", "a b", "x\ny", "a\\b", "é"];
    let (outcomes, shown) = filled(&service, "/x/{{ rows.v | raw }}", &values);
    assert_eq!(outcomes, "ok 2, invalid_request 5");
    assert_eq!(service.paths(), ["/x/a/b?c=d&e", "/x/a%2Fb"]);
    assert!(shown.contains("which starts a fragment"), "{shown}");
    let service = Recording::ok();
    let url = "/x/{{ rows.v | urlencode }}/{{ rows.v | upper }}";
    assert_eq!(filled(&service, url, &["a b"]).0, "ok 1");
    assert_eq!(service.paths(), ["/x/a%20b/A%20B"]);
}

/// reqwest resolves dot segments, so it refuses them instead.
fn dot_segments_are_sent_as_they_are_written_or_refused() {
    let is_direct = chosen() == Some("direct");
    let paths = ["/a/../b", "/a/./b", "/a/%2e%2E/b", "/.."];
    for path in paths {
        let service = Recording::ok();
        let run = Perfctl::scenario(&service.url(), &format!("- get: '{path}?c=/../'"))
            .args(["-i", "1", "-u", "1"]);
        if is_direct {
            run.expect_status(0).run();
            assert_eq!(service.only().path(), format!("{path}?c=/../"));
        } else {
            let completed = run.expect_status(2).run();
            assert!(
                completed.stderr.contains("use `client: direct`"),
                "{}",
                completed.stderr
            );
            assert!(service.seen().is_empty());
        }
    }
    let service = Recording::ok();
    let (outcomes, _) = filled(&service, "/a/{{ rows.v }}/b", &["..", "x", "."]);
    if is_direct {
        assert_eq!((&*outcomes, service.paths().len()), ("ok 3", 3));
        assert!(service.paths().contains(&"/a/../b".to_owned()));
    } else {
        assert_eq!(outcomes, "ok 1, invalid_request 2");
        assert_eq!(service.paths(), ["/a/x/b"]);
    }
}

fn a_fragment_is_refused_at_its_place() {
    for url in ["/a#b", "/a?q=C#", "/{{ env.LANGUAGE | raw }}/#{{ uuid }}"] {
        let completed = Perfctl::scenario("demo", &format!("- get: '{url}'"))
            .args(["-e", "LANGUAGE=x"])
            .expect_status(2)
            .run();
        assert!(
            completed
                .stderr
                .contains("a fragment (`#...`) is never sent"),
            "{}",
            completed.stderr
        );
    }
}

/// JSON numbers of any length, and JSON behind a byte order mark, come back as they were.
fn numbers_keep_all_their_digits() {
    const NUMBERS: [&str; 6] = [
        "9007199254740993",
        "2733382000000000049",
        "18446744073709551617",
        "-123456789012345678901234567890123456789012345",
        "1.10",
        "0.1000000000000000055511151231257827",
    ];
    let service = Recording::start(|seen, _| match seen.path() {
        "/get" => ok(&format!("\u{feff}{{\"n\": [{}]}}", NUMBERS.join(", "))),
        _ => ok(""),
    });
    let rows: String = NUMBERS
        .iter()
        .map(|n| format!("{{\"n\": {n}}}\n"))
        .collect();
    let completed = Perfctl::scenario(
        &service.url(),
        "- name: all
  get: /get
  weight: 0
flows:
  f:
    steps:
      - name: get
        get: /get
        extract: {n: {json: '$.n[*]', index: all}, big: '$.n[3]', one: '$.n[0]', id: '$.n[1]'}
        check:
          - json: {'$.n[0]': 9007199254740993, '$.n[4]': 1.1}
          - json: {'$.n[1]': {at_most: 2733382000000000049, above: 2733382000000000048}}
          - json: {'$.n[2]': {equals: 18446744073709551617, below: 18446744073709551618}}
          - that: id == 2733382000000000049 and id != 2733382000000000048
          - not: {json: {'$.n[1]': {at_most: 2733382000000000048}}}
      - name: put
        put: '/put?{{ big }}&{{ one + 0 }}&{{ rows.n }}'
        json: {n: '{{ n }}', own: 18446744073709551617, row: '{{ rows.n }}', zip: 01234}
data: {rows: rows.jsonl}",
    )
    .file("scenarios/rows.jsonl", rows)
    .args(["-i", "6", "-u", "1"])
    .run();
    let shown = outcomes(&completed.result());
    assert_eq!(shown, "ok 12", "{}", completed.stdout);
    let puts = service
        .seen()
        .into_iter()
        .filter(|seen| seen.path() != "/get");
    for (seen, number) in puts.zip(NUMBERS) {
        let path = format!("/put?{}&{}&{number}", NUMBERS[3], NUMBERS[0]);
        assert_eq!(seen.path(), path);
        let n = NUMBERS.join(",");
        let body = format!(
            "{{\"n\":[{n}],\"own\":18446744073709551617,\"row\":{number},\"zip\":\"01234\"}}"
        );
        assert_eq!(seen.text(), body);
    }
}

for_each_client! {
    a_url_without_a_host_is_refused_before_anything_is_sent
    no_value_leads_to_another_host
    no_redirect_leads_to_a_host_that_is_not_allowed
    values_are_encoded_for_their_place_and_what_is_written_stays
    raw_values_are_sent_as_they_are_or_not_at_all
    dot_segments_are_sent_as_they_are_written_or_refused
    a_fragment_is_refused_at_its_place
    numbers_keep_all_their_digits
}
