//! The support code does what the other tests rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Fault, Misbehaving, Perfctl, Signal, closed_port};
use snapbox::str;

/// Longer than any machine needs.
const LONG: Duration = Duration::from_secs(20);

/// Sends one request on a fresh connection, and reads until `tail` came; then, unless the
/// connection `stays` open, until it ends. Returns what came and how it ended.
fn ask(server: &Misbehaving, method: &str, tail: &str, stays: bool) -> (String, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let request = format!("{method} /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let mut text = String::new();
    let end = loop {
        if stays && text.ends_with(tail) {
            let while_open = Some(Duration::from_millis(50));
            stream.set_read_timeout(while_open).unwrap();
        }
        match stream.read(&mut chunk) {
            Ok(0) => break None,
            Ok(length) => answer.extend(&chunk[..length]),
            Err(error) => break Some(error.kind()),
        }
        text = String::from_utf8_lossy(&answer).into_owned();
    };
    (text, end)
}

#[test]
fn each_fault_shows_on_the_wire() {
    let open = Some(ErrorKind::WouldBlock);
    let reset = Some(ErrorKind::ConnectionReset);
    let elsewhere = "http://127.0.0.1:1/x";
    let cases = [
        (Fault::Ok, "content-length: 2\r\n\r\nok", open),
        (Fault::Hang, "", open),
        (Fault::ResetInHead, "HTTP/1.1 200 OK\r\ncontent-le", reset),
        (Fault::ResetInBody, "\r\n\r\n12345", reset),
        (Fault::CloseUnanswered, "", None),
        (Fault::CloseIdle(Duration::from_millis(5)), "ok", None),
        (Fault::CloseIdle(Duration::ZERO), "ok", None),
        (Fault::CloseSecond, "ok", open),
        (Fault::KeepAlive(1), "connection: close\r\n\r\nok", None),
        (Fault::KeepAlive(2), "ok", open),
        (Fault::BigBody(70_000), "\0\0", open),
        (Fault::Raw(b"raw".to_vec()), "raw", open),
        (Fault::RawThenClose(b"raw".to_vec()), "raw", None),
        (Fault::SlowHead, "H", open),
        (Fault::ShortBody, "\r\n\r\n12345", None),
        (Fault::ExtraBytes, "okHTTP/1.1 500 Not yours\r\n\r", open),
        (Fault::Garbage, "garbage\r\n\r\n", open),
        (Fault::RedirectLoop, "location: /a\r\n\r\n", open),
        (
            Fault::RedirectTo(elsewhere.into()),
            "location: http://127.0.0.1:1/x\r\n\r\n",
            open,
        ),
        (
            Fault::RedirectInvalid,
            "location: http://[\u{fffd}\u{fffd}\r\n\r\n",
            open,
        ),
        (
            Fault::Informational,
            "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            open,
        ),
        (
            Fault::NoContent,
            "204 No Content\r\ncontent-length: 5\r\n\r\n",
            open,
        ),
        (
            Fault::NotModified,
            "304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            open,
        ),
        (
            Fault::TooManyRequests,
            "retry-after: 1\r\ncontent-length: 0\r\n\r\n",
            open,
        ),
        (Fault::Echo, "3\r\nabc\r\n0\r\n\r\n", open),
        (Fault::StreamEarly, "\r\n\r\nfirstlater", open),
        (Fault::OkEarly, "\r\n\r\nok", open),
        (Fault::OkUnread, "\r\n\r\nok", open),
        (
            Fault::RefuseEarly,
            "close\r\ncontent-length: 0\r\n\r\n",
            None,
        ),
    ];
    for (fault, tail, end) in cases {
        let server = Misbehaving::start(fault.clone());
        let found = ask(&server, "GET", tail, end == open);
        assert!(found.0.ends_with(tail), "{fault:?}: {found:?}");
        assert_eq!(found.1, end, "{fault:?}: {found:?}");
        let start = Instant::now();
        while server.requests() == 0 && start.elapsed() < LONG {
            std::thread::yield_now();
        }
        let counts = (server.connections(), server.requests());
        assert_eq!(counts, (1, 1), "{fault:?}");
    }
}

#[test]
fn an_endless_body_goes_on() {
    let server = Misbehaving::start(Fault::EndlessBody);
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 50_000]).unwrap();
}

#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    let server = Misbehaving::start(Fault::Ok);
    let (answer, _) = ask(&server, "HEAD", "\r\n\r\n", true);
    assert!(answer.ends_with("content-length: 2\r\n\r\n"), "{answer}");
}

#[test]
fn a_connection_that_was_idle_is_closed_and_a_new_one_served() {
    let server = Misbehaving::start(Fault::CloseIdle(Duration::ZERO));
    for _ in 0..2 {
        assert!(ask(&server, "GET", "ok", false).0.ends_with("ok"));
    }
    assert_eq!((server.connections(), server.requests()), (2, 2));
}

#[test]
fn no_connection_can_be_made_to_a_closed_port_or_a_full_queue() {
    let error = TcpStream::connect(closed_port()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let server = Misbehaving::start(Fault::NeverAccept);
    let error = TcpStream::connect_timeout(&server.addr(), Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_program_is_stopped_by_a_signal_and_its_text_compared() {
    let mut running = Perfctl::new()
        .args(["demo", "--port", "0"])
        .stdin_closed()
        .expect_status(0)
        .expect_stderr("")
        .expect_stdout(str![[r#"
listening on http://127.0.0.1:[PORT]; stop with Ctrl-C

...
2 requests

"#]])
        .spawn();
    let text = running.wait_for_stdout("{ms}");
    let addr = text.split(['/', ';']).nth(2).unwrap();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
    }
    running.signal(Signal::Int);
    running.wait();
}

#[test]
fn a_program_killed_has_no_exit_code_and_one_too_slow_fails_its_test() {
    let demo = || Perfctl::new().args(["demo", "--port", "0"]);
    let mut running = demo().spawn();
    running.wait_for_stdout("listening");
    running.signal(Signal::Kill);
    assert_eq!(running.wait().status, None);

    let slow = std::panic::catch_unwind(|| demo().limit(Duration::from_millis(50)).run());
    let message = *slow.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("took too long"), "{message}");
}

#[test]
fn the_demo_serves_on_though_nobody_reads_what_it_prints() {
    let port = closed_port().port();
    let running = Perfctl::new()
        .args(["demo", "--port", &port.to_string()])
        .stdout_closed()
        .expect_status(0)
        .expect_stderr("")
        .spawn();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < LONG, "nothing listens");
        std::thread::yield_now();
    }
    running.signal(Signal::Term);
    running.wait();
}

#[test]
fn a_port_in_use_is_told_with_the_next_step() {
    let server = Misbehaving::start(Fault::Ok);
    Perfctl::new()
        .args(["demo", "--port", &server.addr().port().to_string()])
        .expect_status(4)
        .expect_stdout("")
        .expect_stderr(str![[r#"
error: the built-in service cannot listen on 127.0.0.1:[PORT]: Address already in use (os error 98)
  help: choose another port with `--port`, or use any free port with `--port 0`

"#]])
        .run();
}
