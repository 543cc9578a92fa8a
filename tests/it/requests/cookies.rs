//! Cookies, as a server sees them that sets many.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, answer};
use crate::support::scenario::outcomes;

/// The cookies of a request.
fn cookies(seen: &Seen) -> Vec<&str> {
    let line = seen.header("cookie").unwrap_or_default();
    line.split("; ").filter(|one| !one.is_empty()).collect()
}

/// What a server receives whose responses have these header lines.
fn seen(times: u32, lines: impl Fn(usize) -> String + Send + Sync + 'static) -> Vec<Seen> {
    let server = Recording::start(move |_, number| answer("200 OK", &lines(number), ""));
    let completed = Perfctl::scenario(&server.url(), "- {get: /a/b/c}")
        .args(["-u", "1", "-i", &times.to_string()])
        .run();
    assert_eq!(outcomes(&completed.result()), format!("ok {times}"));
    server.seen()
}

fn a_storm_of_cookies_never_stands_in_the_way_of_a_session() {
    let seen = seen(300, |number| {
        format!(
            "set-cookie: session={number}\r\nset-cookie: c{number}=1\r\n\
             set-cookie: brief{number}=1; Max-Age=0\r\n\
             set-cookie: past{number}=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        )
    });
    for (number, one) in seen.iter().enumerate().skip(1) {
        let cookies = cookies(one);
        assert_eq!(cookies[0], format!("session={}", number - 1));
        assert_eq!(cookies.len(), (number + 1).min(50));
        assert!(!cookies.iter().any(|one| one.starts_with(['b', 'p'])));
    }
}

fn a_cookie_can_be_deleted_however_many_there_are() {
    let seen = seen(61, |number| match number {
        0..60 => format!("set-cookie: c{number}=1\r\n"),
        _ => String::new(),
    });
    assert_eq!(cookies(&seen[60]).len(), 50);
    let server = Recording::start(|_, number| {
        let line = match number {
            0..60 => format!("set-cookie: c{number}=1; Path=/\r\n"),
            60 => "set-cookie: c59=; Path=/; Max-Age=0\r\n".to_owned(),
            _ => String::new(),
        };
        answer("200 OK", &line, "")
    });
    Perfctl::scenario(&server.url(), "- {get: /}")
        .args(["-u", "1", "-i", "62"])
        .run();
    let last = &server.seen()[61];
    assert_eq!(cookies(last).len(), 49);
    assert!(!cookies(last).contains(&"c59=1"));
}

fn cookies_are_sent_in_one_order_longer_paths_first() {
    let lines = "set-cookie: x=1; Path=/\r\nset-cookie: deep=1; Path=/a/b\r\n\
                 set-cookie: y=1; Path=/\r\nset-cookie: mid=1; Path=/a\r\n\
                 set-cookie: z=1; Path=/\r\n";
    for one in &seen(5, |_| lines.to_owned())[1..] {
        assert_eq!(cookies(one), ["deep=1", "mid=1", "x=1", "y=1", "z=1"]);
    }
}

fn a_cookie_keeps_its_bytes() {
    let seen = seen(2, |_| {
        "set-cookie: name=J\u{f6}rg\r\nset-cookie: q=\"a, b\" ; HttpOnly\r\n".to_owned()
    });
    assert_eq!(cookies(&seen[1]), ["name=J\u{f6}rg", "q=\"a, b\""]);
}

/// What a server receives of one user with these steps, whose responses to `/login` set cookies.
fn seen_of_steps(steps: &str, expected: &str) -> (Vec<Seen>, String) {
    let server = Recording::start(|seen, number| match seen.path() {
        "/login" => answer(
            "200 OK",
            &format!(
                "set-cookie: sid=s-{number}-0123456789; Path=/\r\nset-cookie: XSRF-TOKEN=\"x{number}\"\r\n\
                 set-cookie: deep=1; Path=/elsewhere\r\nset-cookie: deep=2; Path=/elsewhere/below\r\n\
                 set-cookie: other=1; Domain=example.org\r\nset-cookie: my.one=m; Path=/\r\n"
            ),
            "",
        ),
        "/echo" => answer("200 OK", "", seen.header("cookie").unwrap_or_default()),
        _ => answer("200 OK", "", ""),
    });
    let text =
        format!("{{name: login, post: /login, weight: 0}}\nflows:\n  visit:\n    steps:\n{steps}");
    let completed = Perfctl::scenario(&server.url(), &format!("- {text}"))
        .args(["-u", "1", "-i", "1", "--no-progress"])
        .run();
    assert_eq!(
        outcomes(&completed.result()),
        expected,
        "{}",
        completed.stdout
    );
    (server.seen(), completed.stdout)
}

fn templates_read_the_cookies_that_a_user_has_now() {
    let (seen, _) = seen_of_steps(
        "      - {get: \"/a/{{ cookie.sid | default('none') }}\"}
      - {if: \"{{ cookie.sid is defined }}\", then: {get: /never}}
      - {post: /login, check: {that: \"cookie.sid == 's-1-0123456789'\"}}
      - {get: \"/b/{{ cookie.sid }}\", headers: {X-Xsrf: \"{{ cookie.XSRF-TOKEN }}\"}}
      - {get: \"/c/{{ cookie['XSRF-TOKEN'] ~ cookie.deep ~ cookie['my.one'] }}/{{ cookie.my.one }}\"}
      - {set: {before: \"{{ cookie.sid }}\"}}
      - {post: /login}
      - {get: \"/d/{{ before }}/{{ cookie.sid }}/{{ cookie.other is defined }}\"}
      - {parallel: [{post: /login}]}
      - {get: \"/e/{{ cookie.sid }}\"}
",
        "ok 8",
    );
    let paths: Vec<&str> = seen.iter().map(Seen::path).collect();
    assert_eq!(
        paths,
        [
            "/a/none",
            "/login",
            "/b/s-1-0123456789",
            "/c/x12m/m",
            "/login",
            "/d/s-1-0123456789/s-4-0123456789/false",
            "/login",
            "/e/s-6-0123456789",
        ]
    );
    assert_eq!(seen[2].header("x-xsrf"), Some("x1"));
}

fn a_request_that_needs_a_cookie_is_not_sent_without_it_and_no_value_is_shown() {
    let (seen, shown) = seen_of_steps(
        "      - {get: \"/a/{{ cookie.sid }}\"}
",
        "invalid_request 1",
    );
    assert!(seen.is_empty());
    let shown: Vec<&str> = shown.split_whitespace().collect();
    let shown = shown.join(" ");
    assert!(shown.contains("the user has no cookie `sid`"), "{shown}");
    let (_, shown) = seen_of_steps(
        "      - {post: /login}
      - {get: /echo, headers: {X-Sid: \"{{ cookie.sid }}\"}, check: {body_contains: nobody}}
",
        "ok 1, check_failed 1",
    );
    assert!(
        shown.contains("***") && !shown.contains("s-0-0123456789"),
        "{shown}"
    );
}

fn steps_set_remove_and_clear_cookies() {
    let (seen, _) = seen_of_steps(
        "      - cookies: {lang: \"{{ 'de' | upper }}\", theme: dark, n: 1}
      - {get: /a/b}
      - {post: /login}
      - cookies: {sid: own, theme: null}
      - {get: \"/{{ cookie.sid }}\"}
      - {burst: 2, requests: [{get: /c}]}
      - cookies: clear
      - {get: \"/{{ cookie.sid is defined }}\"}
",
        "ok 6",
    );
    let sent: Vec<Vec<&str>> = seen.iter().map(cookies).collect();
    let own = ["lang=DE", "theme=dark", "n=1"];
    assert_eq!(sent[0], own);
    assert_eq!(sent[1], own);
    let kept = ["lang=DE", "n=1", "sid=own", "XSRF-TOKEN=\"x1\"", "my.one=m"];
    for sent in &sent[2..5] {
        assert_eq!(*sent, kept);
    }
    assert_eq!(sent[5], Vec::<&str>::new());
    assert_eq!(seen[5].path(), "/false");
}

fn a_value_that_no_cookie_can_hold_fails_the_flow() {
    let (seen, shown) = seen_of_steps(
        "      - cookies: {a: \"{{ 'x;y' ~ user_id }}\"}
      - {get: /never}
",
        "",
    );
    assert!(seen.is_empty());
    let shown: Vec<&str> = shown.split_whitespace().collect();
    let shown = shown.join(" ");
    assert!(
        shown.contains("the value of the cookie `a` has a `;`"),
        "{shown}"
    );
}

for_each_client! {
    templates_read_the_cookies_that_a_user_has_now
    a_request_that_needs_a_cookie_is_not_sent_without_it_and_no_value_is_shown
    steps_set_remove_and_clear_cookies
    a_value_that_no_cookie_can_hold_fails_the_flow
    a_storm_of_cookies_never_stands_in_the_way_of_a_session
    a_cookie_can_be_deleted_however_many_there_are
    cookies_are_sent_in_one_order_longer_paths_first
    a_cookie_keeps_its_bytes
}
