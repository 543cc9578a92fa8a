//! Classifying failures: by errno and by the types in the error's source chain, never by text.

use std::error::Error as StdError;
use std::{fmt, io};

use jiff::Timestamp;
use rustix::io::Errno;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::request::payload::FileError;
use crate::metrics::Outcome;
use crate::protocol::Failure;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the response's head.
    Head,
    /// In its body.
    Body,
}

/// A name that did not resolve.
#[derive(Debug)]
pub(super) struct DnsError {
    pub(super) host: String,
    pub(super) source: io::Error,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve `{}`: {}", self.host, self.source)
    }
}

impl StdError for DnsError {}

/// The failure of a request whose body file could not be opened.
pub(super) fn file_failure(error: FileError) -> Failure {
    let system = error.error.as_ref();
    Failure {
        outcome: match system.and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => Outcome::LocalFd,
            _ => Outcome::InvalidRequest,
        },
        text: error.to_string(),
    }
}

/// The text for a proxy that opened no tunnel, with what it did instead.
pub(super) fn refused_by_proxy(why: &str) -> String {
    format!("refused by the proxy (CONNECT): {why}")
}

/// The text for a proxy that responds to CONNECT with 407.
pub(super) fn wants_other_proxy_credentials() -> String {
    "refused by the proxy with status 407: it requires other credentials".to_owned()
}

/// The text for a connection that failed on its way to the proxy, or at it.
pub(super) fn unreachable_by_proxy(why: &str) -> String {
    format!("no connection by the proxy: {why}")
}

/// The failure of a response that states its length in two ways.
pub(super) fn conflicting_lengths() -> Failure {
    // RFC 9112, section 6.3: a sign of request smuggling, to be handled as an error.
    let text = "the response has both `content-length` and `transfer-encoding`";
    Failure::new(Outcome::Protocol, text)
}

/// The failure of a connection that the system or TLS ended, with the text of the innermost cause.
pub(super) fn io_failure(error: &io::Error, stage: Stage, connecting: bool) -> Failure {
    let inner = error.get_ref();
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error) = tls {
        return Failure::new(Outcome::Tls, tls_text(error));
    }
    let outcome = match outcome_of_io(error, stage, connecting) {
        Some(outcome) => outcome,
        None if connecting => Outcome::ConnectFailed,
        None => Outcome::Other,
    };
    let text = inner.map_or_else(|| error.to_string(), |inner| inner.to_string());
    Failure::new(outcome, text)
}

/// The failure of a stream or a connection by HTTP/2.
pub(super) fn h2_failure(error: &h2::Error, stage: Stage) -> Failure {
    let Some(io) = error.get_io() else {
        return Failure::new(outcome_of_h2(error, stage, false), error.to_string());
    };
    let failure = io_failure(io, stage, false);
    match failure.outcome {
        Outcome::Other => Failure::new(outcome_of_h2(error, stage, false), failure.text),
        _ => failure,
    }
}

/// Whether the service ended the connection in good order before it processed this request, which can
/// then be sent again (RFC 9113, sections 6.8 and 8.7): h2 gives the error of a GOAWAY only to streams that
/// are left out of it.
pub(super) fn is_left_out(error: &h2::Error) -> bool {
    let is_orderly = error.reason() == Some(h2::Reason::NO_ERROR);
    error.is_go_away() && error.is_remote() && is_orderly
}

/// The outcome of an error of HTTP/2.
pub(super) fn outcome_of_h2(error: &h2::Error, stage: Stage, connecting: bool) -> Outcome {
    if let Some(error) = error.get_io() {
        // What is none of the system's is the end of a connection in the middle of a frame.
        return outcome_of_io(error, stage, connecting).unwrap_or(cut_off(stage));
    }
    match error {
        // This side ended it for what came.
        _ if error.is_library() => Outcome::Protocol,
        _ if error.is_go_away() => Outcome::H2Goaway,
        _ if error.is_reset() => Outcome::H2Reset,
        _ => Outcome::Protocol,
    }
}

/// What TLS says of a failure, with dates that people can read.
pub(super) fn tls_text(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(why) = error else {
        return error.to_string();
    };
    match why {
        CertificateError::ExpiredContext { time, not_after } => {
            let (now, end) = (date(*time), date(*not_after));
            format!("the certificate expired on {end}; this machine's clock says {now}")
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (now, start) = (date(*time), date(*not_before));
            format!("the certificate is not valid before {start}; this machine's clock says {now}")
        }
        _ => error.to_string(),
    }
}

/// Such as `2026-11-26 08:00:00 UTC`.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}

/// The outcome of an error of the system, or of one that stands for it.
pub(super) fn outcome_of_io(error: &io::Error, stage: Stage, connecting: bool) -> Option<Outcome> {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Some(Outcome::ConnectRefused),
        Some(Errno::CONNRESET | Errno::PIPE) => Some(Outcome::Reset),
        Some(Errno::MFILE | Errno::NFILE) => Some(Outcome::LocalFd),
        Some(Errno::ADDRNOTAVAIL) => Some(Outcome::LocalPorts),
        Some(Errno::TIMEDOUT) if connecting => Some(Outcome::TimeoutConnect),
        Some(Errno::TIMEDOUT) => Some(stage.timeout()),
        Some(_) if connecting => Some(Outcome::ConnectFailed),
        // Closed within the TLS handshake: there is nothing else to read while connecting.
        _ if error.kind() == io::ErrorKind::UnexpectedEof && connecting => Some(Outcome::Tls),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => Some(cut_off(stage)),
        // A bad chunk, for example. An error of TLS inside it has an outcome of its own.
        None if matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
        ) =>
        {
            Some(Outcome::Protocol)
        }
        // As h2 passes it on, without its number.
        None if error.kind() == io::ErrorKind::ConnectionReset => Some(Outcome::Reset),
        // What h2 calls the end of a connection with requests in flight.
        None if error.kind() == io::ErrorKind::BrokenPipe => Some(cut_off(stage)),
        _ => None,
    }
}

impl Stage {
    /// The outcome of a request whose time ran out here.
    pub(super) fn timeout(self) -> Outcome {
        match self {
            Self::Head => Outcome::TimeoutHeaders,
            Self::Body => Outcome::TimeoutBody,
        }
    }
}

/// The outcome of a connection that was closed in this stage.
pub(super) fn cut_off(stage: Stage) -> Outcome {
    match stage {
        Stage::Head => Outcome::ClosedEarly,
        Stage::Body => Outcome::BodyTruncated,
    }
}
