//! Classifying what reqwest reports: by the types in the error's source chain, never by text.

use std::error::Error as StdError;
use std::io;

use super::connect::ConnectTimeout;
use crate::metrics::Class;
use crate::protocol::Failure;
use crate::protocol::http::failure::{DnsError, Stage, class_of_io, cut_off};
use crate::protocol::http::payload::FileError;

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
