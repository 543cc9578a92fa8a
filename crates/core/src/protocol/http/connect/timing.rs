//! The steps of making one connection, and how long each took: the same clock for every client.
//!
//! A client says when a step is over. Not here: how a client learns of that, and what is made.

use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::http::transport::{ConnectStep, Handshake, OpenedConnections};

/// Times one connection while it is being made.
///
/// What is not name resolution is TCP until the first TLS handshake begins, and TLS from then on. So the tunnel of a proxy
/// is part of TCP if the proxy is reached without TLS, and of TLS if it is reached by TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectTimer {
    started: Instant,
    dns: Option<Duration>,
    tls_started: Option<Instant>,
}

impl ConnectTimer {
    /// A connection is begun.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            dns: None,
            tls_started: None,
        }
    }

    /// A name was resolved, which took so long.
    pub(crate) fn resolved(&mut self, took: Duration) {
        self.dns = Some(self.dns.unwrap_or_default() + took);
    }

    /// A TLS handshake begins.
    pub(crate) fn tls_starts(&mut self) {
        self.tls_started.get_or_insert_with(Instant::now);
    }

    /// The step that is under way.
    pub(crate) fn step(&self) -> ConnectStep {
        match self.tls_started {
            None => ConnectStep::Connect,
            Some(_) => ConnectStep::Tls,
        }
    }

    /// The connection was made: adds it to what was `opened`. If there were TLS handshakes, `is_resumed` says whether all
    /// of them resumed an earlier session.
    pub(crate) fn made(self, is_resumed: bool, opened: &mut OpenedConnections) {
        let now = Instant::now();
        let before_tls = self.tls_started.unwrap_or(now) - self.started;
        let connect = before_tls.saturating_sub(self.dns.unwrap_or_default());
        let tls = self.tls_started.map(|started| Handshake {
            took: now - started,
            is_resumed,
        });
        opened.add(self.dns, connect, tls);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_own_time_and_what_is_left_is_tcp() {
        let mut opened = OpenedConnections::default();
        let mut timer = ConnectTimer::start();
        advance(3 * MS).await;
        timer.resolved(3 * MS);
        assert_eq!(timer.step(), ConnectStep::Connect);
        advance(20 * MS).await;
        timer.tls_starts();
        assert_eq!(timer.step(), ConnectStep::Tls);
        advance(100 * MS).await;
        // A second handshake, through a tunnel.
        timer.tls_starts();
        advance(400 * MS).await;
        timer.made(true, &mut opened);
        assert_eq!(opened.dns, Some(3 * MS));
        assert_eq!(opened.connect, Some(20 * MS));
        assert_eq!(opened.tls, Some(500 * MS));
        assert_eq!((opened.tls_handshakes, opened.tls_resumed), (1, 1));
        // The next one adds up with it.
        let timer = ConnectTimer::start();
        advance(7 * MS).await;
        timer.made(false, &mut opened);
        assert_eq!(opened.connect, Some(27 * MS));
        assert_eq!((opened.dns, opened.tls), (Some(3 * MS), Some(500 * MS)));
        assert_eq!((opened.connections, opened.tls_handshakes), (2, 1));
    }
}
