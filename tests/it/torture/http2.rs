//! Row 26: what services do by HTTP/2, and what it is with each client.

use std::time::Duration;

use perfctl::metrics::{HttpVersion, Outcome};

use crate::support::servers::frames::{Frame, Frames};
use crate::torture::play::{CLIENTS, Played, Script};

const GET: &str = "{get: /, http_version: 2, timeout: 20s}";
const HASTY: &str = "{get: /, http_version: 2, timeout: 300ms}";
const CANCEL: u32 = 8;
const INTERNAL_ERROR: u32 = 2;
const NO_ERROR: u32 = 0;

/// What is expected of requests to a server with this answer.
struct Case {
    answer: Vec<Frame>,
    endpoint: &'static str,
    outcomes: Vec<Outcome>,
    connections: u64,
}

fn case(answer: &[Frame], outcome: Outcome) -> Case {
    Case {
        answer: answer.to_vec(),
        endpoint: GET,
        outcomes: vec![outcome],
        connections: 1,
    }
}

impl Case {
    fn times(self, times: usize, connections: u64) -> Self {
        Self {
            outcomes: vec![self.outcomes[0]; times],
            connections,
            ..self
        }
    }

    fn by(self, endpoint: &'static str) -> Self {
        Self { endpoint, ..self }
    }
}

fn head(is_last: bool) -> Frame {
    Frame::Head(200, vec![("server", "x".into())], is_last)
}

fn announcing(length: u64, is_last: bool) -> Frame {
    Frame::Head(200, vec![("content-length", length.to_string())], is_last)
}

fn with_field(length: usize) -> Frame {
    Frame::Head(200, vec![("x-large", "x".repeat(length))], true)
}

/// Plays a case by one client.
fn play(case: &Case, client: &str) -> Vec<Played> {
    let server = Frames::start(case.answer.clone());
    let url = server.url();
    let mut script = Script::new(&url, case.endpoint, case.outcomes.len());
    // What is sent behind a response comes while the connection is idle.
    script.pause = Duration::from_millis(50);
    let played = script.play(client);
    let what = format!("{client}, {:?}: {played:?}", case.answer);
    let what = &what[..what.len().min(2_000)];
    let outcomes: Vec<_> = played.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, case.outcomes, "{what}");
    let counts = (server.requests(), server.connections());
    assert_eq!(counts, (played.len() as u64, case.connections), "{what}");
    let opened: u16 = played.iter().map(|one| one.response.connections).sum();
    assert_eq!(u64::from(opened), case.connections, "{what}");
    let reused: u16 = played.iter().map(|one| one.response.reused).sum();
    assert_eq!(
        u64::from(reused),
        played.len() as u64 - u64::from(opened),
        "{what}"
    );
    played
}

fn play_all(cases: &[Case]) {
    for case in cases {
        for client in CLIENTS {
            for one in play(case, client) {
                if one.outcome == Outcome::Ok {
                    assert_eq!(one.response.version, Some(HttpVersion::Http2));
                }
            }
        }
    }
}

#[test]
fn row_26_responses_of_every_shape_are_whole() {
    let (hello, end) = (Frame::Body(5, true), Frame::Body(0, true));
    let interim = Frame::Head(103, vec![("link", "</a>".into())], false);
    play_all(&[
        case(&[head(true)], Outcome::Ok).times(3, 1),
        case(&[head(false), hello.clone()], Outcome::Ok).times(3, 1),
        case(
            &[head(false), Frame::Body(5, false), end.clone()],
            Outcome::Ok,
        )
        .times(2, 1),
        case(
            &[head(false), Frame::Body(5, false), Frame::Trailers],
            Outcome::Ok,
        )
        .times(2, 1),
        case(&[head(false), Frame::Trailers], Outcome::Ok).times(2, 1),
        case(&[interim.clone(), interim, head(true)], Outcome::Ok).times(2, 1),
        case(&[announcing(5, false), hello], Outcome::Ok).times(2, 1),
        case(&[announcing(5, true)], Outcome::Ok)
            .times(2, 1)
            .by("{head: /, http_version: 2}"),
        case(&[Frame::Head(204, vec![], true)], Outcome::Ok).times(2, 1),
        case(
            &[Frame::Head(304, vec![("content-length", "5".into())], true)],
            Outcome::Ok,
        )
        .times(2, 1),
        case(
            &[Frame::Head(404, vec![], false), Frame::Body(9, true)],
            Outcome::Http4xx,
        )
        .times(2, 1),
        case(&[with_field(200_000)], Outcome::Ok).times(2, 1),
        case(
            &[
                head(false),
                Frame::Body(5, false),
                Frame::Wait(Duration::from_millis(20)),
                end,
            ],
            Outcome::Ok,
        )
        .times(2, 1),
    ]);
}

#[test]
fn row_26_what_comes_while_a_connection_is_idle_costs_no_request() {
    let (wait, close) = (Frame::Wait(Duration::from_millis(10)), Frame::Close);
    let go_away = Frame::GoAway {
        leaves_out: false,
        error: NO_ERROR,
    };
    let angry = Frame::GoAway {
        leaves_out: false,
        error: INTERNAL_ERROR,
    };
    play_all(&[
        case(
            &[head(true), wait.clone(), Frame::Ping, Frame::Settings],
            Outcome::Ok,
        )
        .times(3, 1),
        case(
            &[Frame::Ping, Frame::Settings, head(true), Frame::Ping],
            Outcome::Ok,
        )
        .times(3, 1),
        case(&[head(true), go_away.clone()], Outcome::Ok).times(3, 3),
        case(&[go_away.clone(), head(true)], Outcome::Ok).times(3, 3),
        case(&[head(true), wait.clone(), go_away.clone()], Outcome::Ok).times(3, 3),
        case(&[head(true), wait.clone(), angry], Outcome::Ok).times(3, 3),
        case(
            &[head(true), wait.clone(), go_away, close.clone()],
            Outcome::Ok,
        )
        .times(3, 3),
        case(&[head(true), wait.clone(), close.clone()], Outcome::Ok).times(3, 3),
        case(&[head(false), Frame::Body(9, true), close], Outcome::Ok).times(3, 3),
        case(&[head(true), wait, Frame::Garbage], Outcome::Ok).times(3, 3),
        // The service wants no more of the request, and has said all.
        case(&[head(true), Frame::Reset(NO_ERROR)], Outcome::Ok).times(3, 1),
        case(
            &[head(false), Frame::Body(9, true), Frame::Reset(NO_ERROR)],
            Outcome::Ok,
        )
        .times(3, 1),
    ]);
}

#[test]
fn row_26_a_body_that_is_cut_by_a_reset_is_no_success() {
    for head in [announcing(9, false), head(false)] {
        let cut = |reason| [head.clone(), Frame::Body(5, false), Frame::Reset(reason)];
        play_all(&[case(&cut(CANCEL), Outcome::H2Reset).times(2, 1)]);
        play(
            &case(&cut(NO_ERROR), Outcome::H2Reset).times(2, 1),
            "direct",
        );
    }
    // hyper does not say that it was reset.
    let cut = [
        announcing(9, false),
        Frame::Body(5, false),
        Frame::Reset(NO_ERROR),
    ];
    play(&case(&cut, Outcome::BodyTruncated).times(2, 1), "reqwest");
}

#[test]
fn row_26_failures_have_the_outcome_of_their_cause_and_are_not_resent() {
    let go_away = Frame::GoAway {
        leaves_out: true,
        error: NO_ERROR,
    };
    play_all(&[
        case(&[Frame::Reset(INTERNAL_ERROR)], Outcome::H2Reset).times(3, 1),
        case(&[Frame::Reset(CANCEL)], Outcome::H2Reset).times(3, 1),
        case(
            &[
                head(false),
                Frame::Body(9, false),
                Frame::Reset(INTERNAL_ERROR),
            ],
            Outcome::H2Reset,
        )
        .times(3, 1),
        case(&[go_away], Outcome::H2Goaway).times(3, 3),
        case(&[Frame::Close], Outcome::ClosedEarly).times(3, 3),
        case(&[head(false), Frame::Close], Outcome::BodyTruncated).times(3, 3),
        case(
            &[head(false), Frame::Half, Frame::Close],
            Outcome::BodyTruncated,
        )
        .times(2, 2),
        case(&[Frame::Abort], Outcome::Reset).times(2, 2),
        case(&[head(false), Frame::Abort], Outcome::Reset).times(2, 2),
        case(&[], Outcome::TimeoutHeaders).times(2, 1).by(HASTY),
        case(&[head(false)], Outcome::TimeoutBody)
            .times(2, 1)
            .by(HASTY),
        case(&[head(false), Frame::Body(9, false)], Outcome::TimeoutBody)
            .times(2, 1)
            .by(HASTY),
        case(&[Frame::Garbage], Outcome::Protocol).times(2, 2),
        case(&[head(false), Frame::Garbage], Outcome::Protocol).times(2, 2),
        // Other lengths than announced.
        case(
            &[announcing(5, false), Frame::Body(4, true)],
            Outcome::Protocol,
        )
        .times(2, 1),
        case(
            &[announcing(5, false), Frame::Body(6, true)],
            Outcome::Protocol,
        )
        .times(2, 1),
        case(&[announcing(5, true)], Outcome::Protocol).times(2, 1),
        // Row 17.
        case(&[with_field(1_000_000)], Outcome::Protocol).times(1, 1),
        // Row 12.
        case(
            &[head(false), Frame::Body(60_000, true)],
            Outcome::BodyTooLarge,
        )
        .times(3, 1)
        .by("{get: /, http_version: 2, max_body: 50kB}"),
    ]);
}

/// Plays `outcomes` against a server with these answers, and how many requests it read.
fn play_in_turn(answers: &[&[Frame]], endpoint: &str, outcomes: &[Outcome], requests: u64) {
    for client in CLIENTS {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let server = Frames::answering(answers);
        let url = server.url();
        let mut script = Script::new(&url, endpoint, outcomes.len());
        script.pause = Duration::from_millis(20);
        let played = script.play(client);
        let what = format!("{client}, {endpoint:.40}: {played:?}");
        let what = &what[..what.len().min(2_000)];
        let ended: Vec<_> = played.iter().map(|one| one.outcome).collect();
        assert_eq!(ended, outcomes, "{what}");
        assert_eq!(server.requests(), requests, "{what}");
        // A failure without a response is of no address, whatever the connections before it had.
        let with_address = played.iter().map(|one| one.response.remote.is_some());
        let with_response = outcomes.iter().map(|outcome| *outcome == Outcome::Ok);
        assert!(with_address.eq(with_response), "{what}");
        // The first connection is made for the first request, and one more for each
        // that was left out or failed.
        let opened: u16 = played.iter().map(|one| one.response.connections).sum();
        assert_eq!(u64::from(opened), server.connections(), "{what}");
        let reused: u16 = played.iter().map(|one| one.response.reused).sum();
        assert_eq!(usize::from(opened + reused), played.len(), "{what}");
        // What was sent twice counts twice. The server makes room for the beginning of a large body only.
        let sizes: Vec<_> = played.iter().map(|one| one.response.bytes_out).collect();
        match endpoint.len() > 65_536 {
            false => assert_eq!(sizes.iter().sum::<u64>(), sizes[0] * requests, "{what}"),
            true => assert!(sizes[1] > sizes[0], "{what}"),
        }
    }
}

#[test]
fn row_26_a_request_that_a_goaway_left_out_of_an_idle_connection_is_sent_again_once() {
    let go_away = |leaves_out, error| {
        let go_away = Frame::GoAway { leaves_out, error };
        [go_away, Frame::Close]
    };
    let (ok, left_out) = ([head(true)], go_away(true, NO_ERROR));
    let open_left_out = &left_out[..1];
    let post = "{post: /, http_version: 2, timeout: 20s, body: a body}";
    // More than is sent with the head.
    let large = "x".repeat(100_000);
    let large = format!("{{post: /, http_version: 2, timeout: 20s, body: {large}}}");
    let good = [Outcome::Ok; 3];
    play_in_turn(&[&ok, &left_out, &ok], &large, &good[..2], 3);
    for endpoint in [GET, post] {
        play_in_turn(&[&ok, &left_out, &ok], endpoint, &good, 4);
        play_in_turn(&[&ok, open_left_out, &ok], endpoint, &good, 4);
        play_in_turn(&[&ok, &ok, &left_out, &ok], endpoint, &good, 4);
    }
    // Once.
    let failed = [Outcome::Ok, Outcome::H2Goaway, Outcome::Ok];
    play_in_turn(&[&ok, &left_out, &left_out, &ok], GET, &failed, 4);
    // A service that ends connections because of an error says so of its requests, too.
    let angry = go_away(true, INTERNAL_ERROR);
    play_in_turn(&[&ok, &angry, &ok], GET, &failed, 3);
    // It may have been processed.
    let failed = [Outcome::Ok, Outcome::ClosedEarly, Outcome::Ok];
    play_in_turn(&[&ok, &go_away(false, NO_ERROR), &ok], GET, &failed, 3);
}

#[test]
fn row_26_a_response_that_comes_before_its_request_is_out_is_taken() {
    // More than the service has room for.
    let post: &'static str = format!(
        "{{post: /, http_version: 2, timeout: 20s, body: {}}}",
        "x".repeat(200_000)
    )
    .leak();
    let refusal = Frame::Head(413, vec![], true);
    play_all(&[
        case(std::slice::from_ref(&refusal), Outcome::Http4xx)
            .times(2, 1)
            .by(post),
        case(&[refusal, Frame::Reset(NO_ERROR)], Outcome::Http4xx)
            .times(2, 1)
            .by(post),
        case(&[head(true), Frame::Reset(NO_ERROR)], Outcome::Ok)
            .times(2, 1)
            .by(post),
        case(
            &[head(false), Frame::Body(9, true), Frame::Reset(NO_ERROR)],
            Outcome::Ok,
        )
        .times(2, 1)
        .by(post),
        // It stops reading, and the rest is not waited for without end.
        case(&[head(true)], Outcome::Ok).times(2, 1).by(post),
        case(&[Frame::Reset(INTERNAL_ERROR)], Outcome::H2Reset)
            .times(2, 1)
            .by(post),
        case(&[Frame::Close], Outcome::ClosedEarly)
            .times(2, 2)
            .by(post),
    ]);
}
