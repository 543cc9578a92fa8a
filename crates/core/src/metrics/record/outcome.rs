//! How a planned request ended. Every planned start ends in exactly one outcome.

use serde::{Deserialize, Serialize};

/// The end of a planned request. The serialized names are part of the result format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// A response came, and every check passed.
    Ok,
    /// A 4xx response that the scenario does not expect.
    #[serde(rename = "http_4xx")]
    Http4xx,
    /// A 5xx response that the scenario does not expect.
    #[serde(rename = "http_5xx")]
    Http5xx,
    /// A response came, but a check failed.
    CheckFailed,
    /// An arrival that was never started, because no virtual user was free.
    Dropped,
    /// Never started, because the data had no further row.
    DataExhausted,
    /// Still in flight when the stop timeout ended; its age is a lower bound.
    Interrupted,
    /// The name did not resolve.
    Dns,
    /// The connection was refused.
    ConnectRefused,
    /// The connection could not be made for another reason (unreachable, for example).
    ConnectFailed,
    /// The connection was not made in time.
    TimeoutConnect,
    /// The TLS handshake did not end in time.
    TimeoutTls,
    /// No response head in time.
    TimeoutHeaders,
    /// The body did not end in time.
    TimeoutBody,
    /// The TLS handshake failed, or the certificate was refused.
    Tls,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the response was complete.
    ClosedEarly,
    /// The body ended before its announced length.
    BodyTruncated,
    /// The body was larger than allowed, or too large to be kept or decoded for its checks.
    BodyTooLarge,
    /// A checked body could not be decoded by its `content-encoding`.
    Decode,
    /// The response was not valid HTTP.
    Protocol,
    /// The HTTP/2 stream was reset by the server.
    H2Reset,
    /// The HTTP/2 connection was ended by GOAWAY.
    H2Goaway,
    /// More redirects than allowed.
    RedirectLimit,
    /// A redirect to a host that the scenario does not name; not followed.
    RedirectBlocked,
    /// A redirect without a usable `Location`.
    RedirectInvalid,
    /// The request could not be built, because of a rendered URL or header for example.
    InvalidRequest,
    /// A function of the scenario's script failed, or took too long.
    ScriptError,
    /// Authentication failed: no token could be obtained, for example.
    AuthFailed,
    /// This machine ran out of file descriptors. Makes the run INVALID.
    LocalFd,
    /// This machine ran out of local ports. Makes the run INVALID.
    LocalPorts,
    /// perfctl itself failed: a bug. Makes the run INVALID.
    Internal,
    /// Another failure.
    Other,
}

impl Outcome {
    /// All outcomes, in the order of declaration.
    pub const ALL: [Self; 33] = [
        Self::Ok,
        Self::Http4xx,
        Self::Http5xx,
        Self::CheckFailed,
        Self::Dropped,
        Self::DataExhausted,
        Self::Interrupted,
        Self::Dns,
        Self::ConnectRefused,
        Self::ConnectFailed,
        Self::TimeoutConnect,
        Self::TimeoutTls,
        Self::TimeoutHeaders,
        Self::TimeoutBody,
        Self::Tls,
        Self::Reset,
        Self::ClosedEarly,
        Self::BodyTruncated,
        Self::BodyTooLarge,
        Self::Decode,
        Self::Protocol,
        Self::H2Reset,
        Self::H2Goaway,
        Self::RedirectLimit,
        Self::RedirectBlocked,
        Self::RedirectInvalid,
        Self::InvalidRequest,
        Self::ScriptError,
        Self::AuthFailed,
        Self::LocalFd,
        Self::LocalPorts,
        Self::Internal,
        Self::Other,
    ];

    /// The name in results and reports, such as `connect_refused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::CheckFailed => "check_failed",
            Self::Dropped => "dropped",
            Self::DataExhausted => "data_exhausted",
            Self::Interrupted => "interrupted",
            Self::Dns => "dns",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectFailed => "connect_failed",
            Self::TimeoutConnect => "timeout_connect",
            Self::TimeoutTls => "timeout_tls",
            Self::TimeoutHeaders => "timeout_headers",
            Self::TimeoutBody => "timeout_body",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::ClosedEarly => "closed_early",
            Self::BodyTruncated => "body_truncated",
            Self::BodyTooLarge => "body_too_large",
            Self::Decode => "decode",
            Self::Protocol => "protocol",
            Self::H2Reset => "h2_reset",
            Self::H2Goaway => "h2_goaway",
            Self::RedirectLimit => "redirect_limit",
            Self::RedirectBlocked => "redirect_blocked",
            Self::RedirectInvalid => "redirect_invalid",
            Self::InvalidRequest => "invalid_request",
            Self::ScriptError => "script_error",
            Self::AuthFailed => "auth_failed",
            Self::LocalFd => "local_fd",
            Self::LocalPorts => "local_ports",
            Self::Internal => "internal",
            Self::Other => "other",
        }
    }

    /// Whether the request was sent or tried, rather than dropped or left out because data ran out.
    pub fn is_started(self) -> bool {
        !matches!(self, Self::Dropped | Self::DataExhausted)
    }

    /// Whether the time is only a lower bound of what a user would have waited.
    pub fn is_censored(self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::TimeoutConnect
                | Self::TimeoutTls
                | Self::TimeoutHeaders
                | Self::TimeoutBody
        )
    }

    /// Whether it counts as a failed request: anything that started and did not succeed, except
    /// requests cut off by the end of the run or not sent because of this machine.
    pub fn is_failure(self) -> bool {
        !matches!(
            self,
            Self::Ok | Self::Dropped | Self::DataExhausted | Self::Interrupted
        ) && !self.is_local()
    }

    /// Whether the load generator was at fault.
    pub fn is_local(self) -> bool {
        matches!(self, Self::LocalFd | Self::LocalPorts | Self::Internal)
    }

    /// Whether the service was unavailable: every failure except a response below 500 that the
    /// scenario did not expect, and requests that were never sent.
    pub fn is_unavailable(self) -> bool {
        self.is_failure()
            && !matches!(
                self,
                Self::Http4xx
                    | Self::CheckFailed
                    | Self::BodyTooLarge
                    | Self::RedirectLimit
                    | Self::RedirectBlocked
                    | Self::RedirectInvalid
                    | Self::InvalidRequest
                    | Self::ScriptError
                    | Self::AuthFailed
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_complete_and_names_match_the_format() {
        for (i, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, i);
            let json = serde_json::to_value(outcome).unwrap();
            assert_eq!(json, outcome.name());
        }
        assert_eq!(Outcome::Other as usize + 1, Outcome::ALL.len());
    }
}
