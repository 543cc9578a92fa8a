//! Row 7: the server closes a connection as the next request leaves.

use std::time::Duration;

use perfctl::metrics::Outcome;

use crate::support::{Fault, Misbehaving};
use crate::torture::play::{CLIENTS, Played, Script};

const POST: &str = "{post: /, body: abc, timeout: 20s}";

#[test]
fn row_07_a_request_that_was_written_is_never_resent() {
    for client in CLIENTS {
        let server = Misbehaving::start(Fault::CloseSecond);
        let played = Script::new(&server.url(), POST, 20).play(client);
        for (number, one) in played.iter().enumerate() {
            let wanted = [Outcome::Ok, Outcome::ClosedEarly][number % 2];
            assert_eq!(one.outcome, wanted, "{client}, request {number}: {one:?}");
            let is_fresh = number % 2 == 0;
            assert_eq!(one.response.connections, u16::from(is_fresh));
            assert_eq!(one.response.reused, u16::from(!is_fresh));
        }
        assert_eq!((server.requests(), server.connections()), (20, 10));
    }
}

#[test]
fn row_07_a_connection_closed_while_idle_costs_a_connection_and_no_request() {
    for client in CLIENTS {
        let server = Misbehaving::start(Fault::CloseIdle(Duration::ZERO));
        let url = server.url();
        let mut script = Script::new(&url, POST, 10);
        script.pause = Duration::from_millis(200);
        let played = script.play(client);
        let failed: Vec<_> = played
            .iter()
            .filter(|one| one.outcome != Outcome::Ok)
            .collect();
        assert!(failed.is_empty(), "{client}: {failed:?}");
        assert!(played.iter().all(|one| one.response.connections == 1));
        assert_eq!((server.requests(), server.connections()), (10, 10));
    }
}

#[test]
fn row_07_in_the_race_each_request_reaches_the_server_at_most_once() {
    for (client, idle_ms) in CLIENTS
        .map(|client| [0, 1, 3, 5].map(|ms| (client, ms)))
        .concat()
    {
        let server = Misbehaving::start(Fault::CloseIdle(Duration::from_millis(idle_ms)));
        let url = server.url();
        let mut script = Script::new(&url, POST, 60);
        script.pause = Duration::from_millis(idle_ms);
        let played = script.play(client);
        let count = |wanted: &[Outcome]| {
            let is_wanted = |one: &&Played| wanted.contains(&one.outcome);
            played.iter().filter(is_wanted).count() as u64
        };
        let ok = count(&[Outcome::Ok]);
        let lost = count(&[Outcome::ClosedEarly, Outcome::Reset]);
        let what = format!("{client}, closed after {idle_ms} ms idle");
        assert_eq!(ok + lost, 60, "{what}: {played:?}");
        let requests = server.requests();
        assert!((ok..=60).contains(&requests), "{what}: {requests}, {ok} ok");
        let opened: u16 = played.iter().map(|one| one.response.connections).sum();
        assert_eq!(u64::from(opened), server.connections(), "{what}");
    }
}
