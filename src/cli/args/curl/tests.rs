//! What `curl` commands become.

use super::*;
use crate::scenario::{QuickContent, QuickPart};

fn read(command: &str) -> Result<QuickRequest, String> {
    let words = split(command).map_err(|error| error.to_string())?;
    request(&words).map_err(|error| error.to_string())
}

fn header(request: &QuickRequest, name: &str) -> Option<String> {
    request.header(name).map(str::to_owned)
}

#[test]
fn the_method_follows_from_the_data_unless_it_is_given() {
    for (command, method, url, body) in [
        ("curl http://h/a", Method::Get, "http://h/a", None),
        ("curl h:8000/a#top", Method::Get, "http://h:8000/a", None),
        ("curl -I HTTP://h/a", Method::Head, "http://h/a", None),
        ("curl -XDELETE h/1", Method::Delete, "http://h/1", None),
        (
            "curl h -d a=1 -d b=2",
            Method::Post,
            "http://h",
            Some("a=1&b=2"),
        ),
        ("curl -X PUT h -d x", Method::Put, "http://h", Some("x")),
        (
            "curl -G h/s -d q=tea -d n=1",
            Method::Get,
            "http://h/s?q=tea&n=1",
            None,
        ),
        (
            "curl -G 'h/s?a=1' --data-urlencode 'q=a b&c'",
            Method::Get,
            "http://h/s?a=1&q=a%20b%26c",
            None,
        ),
        ("curl h --data-raw @x", Method::Post, "http://h", Some("@x")),
        (
            "curl --url h --json '{\"a\":' --json '1}'",
            Method::Post,
            "http://h",
            Some("{\"a\":1}"),
        ),
        ("$ curl -sSkLXPOST h", Method::Post, "http://h", None),
    ] {
        let request = read(command).unwrap();
        assert_eq!(
            (request.method, request.url.as_str()),
            (method, url),
            "{command}"
        );
        let expected = body.map_or(QuickBody::None, |text: &str| QuickBody::Text(text.into()));
        assert_eq!(request.body, expected, "{command}");
        assert!(!request.has_templates, "braces of curl are text");
    }
}

#[test]
fn content_types_are_those_of_curl() {
    let of = |command| header(&read(command).unwrap(), "content-type");
    let form = Some("application/x-www-form-urlencoded".to_owned());
    assert_eq!(of("curl h -d x"), form);
    assert_eq!(of("curl h --json 1"), Some("application/json".into()));
    assert_eq!(
        of("curl h -d x -H 'Content-Type: text/csv'"),
        Some("text/csv".into())
    );
    assert_eq!(of("curl h -d x -H 'Content-Type:'"), None);
    assert_eq!(of("curl h"), None);
    assert_eq!(
        of("curl h -F a=1 -H 'Content-Type: multipart/form-data'"),
        None
    );
}

#[test]
fn everything_else_about_a_request_is_taken_over() {
    let request = read(
        "curl 'https://h/x' -H 'Accept: */*' -H 'X-Empty;' -H 'Connection: close' \
         -H 'Content-Length: 3' -b 'a=1' -b b=2 -A me -e http://r/ -u 'ann:s3:cret' --digest -k \
         --compressed --http1.1 -m 2.5 --connect-timeout 1 -o /dev/null -w '%{http_code}' -L --max-redirs 3",
    )
    .unwrap();
    let headers = [
        ("accept", "*/*"),
        ("x-empty", ""),
        ("cookie", "a=1; b=2"),
        ("user-agent", "me"),
        ("referer", "http://r/"),
        ("accept-encoding", ENCODINGS),
    ];
    for (name, value) in headers {
        assert_eq!(header(&request, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(
        request.headers.len(),
        headers.len(),
        "{:?}",
        request.headers
    );
    let auth = request.auth.unwrap();
    assert_eq!(
        (auth.username.as_str(), auth.password.as_str()),
        ("ann", "s3:cret")
    );
    assert!(auth.is_digest && request.is_insecure && !request.keep_alive);
    assert_eq!(request.http_version, HttpChoice::Http1);
    assert_eq!(request.timeout, Some(Duration::from_millis(2_500)));
    assert_eq!(request.connect_timeout, Some(Duration::from_secs(1)));
    assert_eq!(request.max_redirects, Some(3));
    assert_eq!(read("curl h").unwrap().max_redirects, Some(0), "without -L");
    let of_url = read("curl http://ann:p%40ss@h/x").unwrap();
    assert_eq!(
        (of_url.url.as_str(), of_url.auth.unwrap().password.as_str()),
        ("http://h/x", "p@ss")
    );
}

#[test]
fn files_are_parts_bodies_and_data() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("a.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let at = path.display();
    let body = |command: String| read(&command).unwrap().body;
    assert_eq!(
        body(format!("curl h --data-binary @{at}")),
        QuickBody::File(path.clone())
    );
    assert_eq!(
        body(format!("curl h -d @{at}")),
        QuickBody::Text("a,b1,2".into())
    );
    assert_eq!(
        body(format!("curl h -d x --data-urlencode y@{at}")),
        QuickBody::Text("x&y=a%2Cb%0A1%2C2%0A".into())
    );
    let form = body(format!(
        "curl h -F 'note=a;b' -F 'f=@{at};type=text/csv;filename=x.csv' -F 't=<{at}'"
    ));
    let text = |name: &str, text: &str| QuickPart {
        name: name.into(),
        content: QuickContent::Text(text.into()),
        filename: None,
        content_type: None,
    };
    let file = QuickPart {
        content: QuickContent::File(path.clone()),
        filename: Some("x.csv".into()),
        content_type: Some("text/csv".into()),
        ..text("f", "")
    };
    let parts = vec![text("note", "a;b"), file, text("t", "a,b\n1,2\n")];
    assert_eq!(form, QuickBody::Multipart(parts));
}

#[test]
fn what_is_not_understood_is_named() {
    for (command, part) in [
        ("wget http://h", "not a curl command"),
        ("", "empty"),
        ("curl", "no URL"),
        ("curl h --proxy p", "curl's `--proxy` is not understood"),
        ("curl h -sT f", "curl's `-T` is not understood"),
        ("curl h -X", "curl's `-X` needs a value"),
        ("curl h -X BREW", "unknown method `BREW`; known: GET"),
        ("curl h i", "more than one URL"),
        ("curl h | jq", "`|` belongs to the shell"),
        ("curl ftp://h", "neither `http://` nor"),
        ("curl h -b jar.txt", "file of cookies"),
        ("curl h -u ann", "no password"),
        ("curl h -m soon", "number of seconds"),
        ("curl h -F x", "`name=value`"),
        ("curl h -F a=1 -d b", "both `-d` and `-F`"),
        ("curl h -d @no/such/file", "cannot use `no/such/file`"),
        ("curl h -H s3cret", "not written like `name: value`"),
    ] {
        let error = read(command).unwrap_err();
        assert!(
            error.contains(part) && !error.contains("s3cret"),
            "{command}: {error}"
        );
    }
}
