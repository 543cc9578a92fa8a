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

for_each_client! {
    a_storm_of_cookies_never_stands_in_the_way_of_a_session
    a_cookie_can_be_deleted_however_many_there_are
    cookies_are_sent_in_one_order_longer_paths_first
    a_cookie_keeps_its_bytes
}
