//! Classifying failures: by errno and by the types in the error's source chain, never by text.

use std::error::Error as StdError;
use std::io;

use rustix::io::Errno;

use super::connect::{ConnectTimeout, DnsError, Step};
use super::payload::FileError;
use crate::metrics::Class;
use crate::protocol::Failure;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the response's head.
    Head,
    /// In its body.
    Body,
}

/// The class of a client's error. The URL, which may hold secrets, is left out of the text.
pub(super) fn classify(error: reqwest::Error, stage: Stage) -> Failure {
    let error = error.without_url();
    let connecting = error.is_connect();
    let mut text = error.to_string();
    let mut class = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = next {
        text = cause.to_string();
        if let Some(found) = class_of(cause, stage, connecting) {
            // The innermost cause knows best: a reset inside an incomplete message is a reset.
            class = Some(found);
        }
        next = cause.source().or_else(|| inner_of(cause));
    }
    let fallback = if connecting {
        Class::ConnectFailed
    } else {
        Class::Other
    };
    Failure {
        class: class.unwrap_or(fallback),
        text,
    }
}

/// The failure of a request whose body file could not be opened.
pub(super) fn of_file(error: FileError) -> Failure {
    let system = error.error.as_ref();
    Failure {
        class: match system.and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => Class::LocalFd,
            _ => Class::InvalidRequest,
        },
        text: error.to_string(),
    }
}

/// The error that an `io::Error` wraps; its own `source` skips it.
fn inner_of<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

fn class_of(cause: &(dyn StdError + 'static), stage: Stage, connecting: bool) -> Option<Class> {
    if cause.is::<FileError>() {
        return Some(Class::InvalidRequest);
    }
    if cause.is::<DnsError>() {
        return Some(Class::Dns);
    }
    if let Some(timeout) = cause.downcast_ref::<ConnectTimeout>() {
        return Some(timeout.step.class());
    }
    if cause.is::<rustls::Error>() {
        return Some(Class::Tls);
    }
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return match error {
            _ if error.is_go_away() => Some(Class::H2Goaway),
            _ if error.is_reset() => Some(Class::H2Reset),
            _ => match error.get_io() {
                Some(error) => class_of_io(error, stage, connecting),
                None => Some(Class::Protocol),
            },
        };
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return match error {
            _ if error.is_parse() => Some(Class::Protocol),
            _ if error.is_incomplete_message() => Some(cut_off(stage)),
            // The connection went away before the request was written to it.
            _ if error.is_canceled() || error.is_closed() => Some(Class::ClosedEarly),
            _ => None,
        };
    }
    class_of_io(cause.downcast_ref::<io::Error>()?, stage, connecting)
}

fn class_of_io(error: &io::Error, stage: Stage, connecting: bool) -> Option<Class> {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Some(Class::ConnectRefused),
        Some(Errno::CONNRESET | Errno::PIPE) => Some(Class::Reset),
        Some(Errno::MFILE | Errno::NFILE) => Some(Class::LocalFd),
        Some(Errno::ADDRNOTAVAIL) => Some(Class::LocalPorts),
        Some(Errno::TIMEDOUT) if connecting => Some(Class::TimeoutConnect),
        Some(Errno::TIMEDOUT) => Some(stage.timeout()),
        Some(_) if connecting => Some(Class::ConnectFailed),
        // Closed within the TLS handshake: there is nothing else to read while connecting.
        _ if error.kind() == io::ErrorKind::UnexpectedEof && connecting => Some(Class::Tls),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => Some(cut_off(stage)),
        // A bad chunk, for example. An error of TLS inside it says so itself.
        None if matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
        ) =>
        {
            Some(Class::Protocol)
        }
        // What h2 calls the end of a connection with requests in flight.
        None if error.kind() == io::ErrorKind::BrokenPipe => Some(cut_off(stage)),
        _ => None,
    }
}

impl Step {
    /// The class of a request whose time ran out in this step.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Connect => Class::TimeoutConnect,
            Self::Tls => Class::TimeoutTls,
        }
    }
}

impl Stage {
    /// The class of a request whose time ran out here.
    pub(super) fn timeout(self) -> Class {
        match self {
            Self::Head => Class::TimeoutHeaders,
            Self::Body => Class::TimeoutBody,
        }
    }
}

fn cut_off(stage: Stage) -> Class {
    match stage {
        Stage::Head => Class::ClosedEarly,
        Stage::Body => Class::BodyTruncated,
    }
}
