//! The rows that are one request after the other against a plain server.

use crate::support::{Fault, Misbehaving};
use crate::torture::cases::{LONG, cases};
use crate::torture::play::{CLIENTS, Script};

/// Plays all cases of a row with all clients.
fn play(row: u8) {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.row == row).collect();
    assert!(!cases.is_empty());
    for (number, case) in cases.iter().enumerate() {
        for client in CLIENTS {
            let server = Misbehaving::start(case.fault.clone());
            let url = server.url();
            let played = Script::new(&url, case.endpoint, case.outcomes.len()).play(client);
            let what = format!("row {row}, case {number}, {client}: {played:?}");
            let outcomes: Vec<_> = played.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, case.outcomes, "{what}");
            let counts = (server.requests(), server.connections());
            assert_eq!(counts, (case.requests, case.connections), "{what}");
            let opened: u16 = played.iter().map(|one| one.response.connections).sum();
            assert_eq!(u64::from(opened), case.connections, "{what}");
            let reused: u16 = played.iter().map(|one| one.response.reused).sum();
            if case.connections > 0 {
                assert_eq!(
                    u64::from(reused),
                    case.requests - case.connections,
                    "{what}"
                );
            }
            let last = played.last().unwrap();
            assert!(last.text.contains(case.says), "{what}");
            assert!(last.took < LONG, "{what}");
        }
    }
}

#[test]
fn row_03_a_full_accept_queue_is_a_connect_timeout() {
    play(3);
}

#[test]
fn row_05_a_reset_is_told_from_a_close() {
    play(5);
}

#[test]
fn row_06_a_close_before_any_reply_is_closed_early() {
    play(6);
}

#[test]
fn row_07_a_server_that_announces_its_closes_costs_no_request() {
    play(7);
}

#[test]
fn row_10_a_head_that_trickles_in_ends_at_the_deadline() {
    play(10);
}

#[test]
fn row_11_the_deadline_covers_the_body() {
    play(11);
}

#[test]
fn row_12_a_body_is_cut_off_at_its_cap() {
    play(12);
}

#[test]
fn row_13_compressed_bodies_are_decoded_for_checks_up_to_a_limit() {
    play(13);
}

#[test]
fn row_14_a_body_shorter_than_announced_is_truncated() {
    play(14);
}

#[test]
fn row_15_extra_bytes_do_not_become_the_next_reply() {
    play(15);
}

#[test]
fn row_16_what_is_not_http_is_a_protocol_failure() {
    play(16);
}

#[test]
fn row_16_the_direct_client_quotes_its_first_bytes_without_control_characters() {
    let server = Misbehaving::start(Fault::Garbage);
    let played = Script::new(&server.url(), "{get: /}", 1).play("direct");
    let shown = r"it starts with `\u{1b}[31mSSH-2.0-garbage\r\n\r\n`";
    assert!(played[0].text.ends_with(shown), "{}", played[0].text);
}

#[test]
fn row_17_a_head_that_is_too_large_is_a_protocol_failure() {
    play(17);
}

#[test]
fn row_18_bytes_that_are_not_text_are_accepted() {
    play(18);
}

#[test]
fn row_19_informational_and_bodyless_responses_are_one_request_each() {
    play(19);
}

#[test]
fn row_20_a_redirect_loop_ends_and_its_hops_are_counted() {
    play(20);
}

#[test]
fn row_22_a_server_that_sends_retry_after_gets_no_hidden_retry() {
    play(22);
}
