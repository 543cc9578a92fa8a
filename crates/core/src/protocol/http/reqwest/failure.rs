//! Classifying what reqwest reports: by the types in the error's source chain, never by text.

use std::error::Error as StdError;
use std::io;

use super::connect::ConnectTimeout;
use crate::metrics::Outcome;
use crate::protocol::Failure;
use crate::protocol::http::failure::{
    self, DnsError, Stage, cut_off, outcome_of_h2, outcome_of_io, refused_by_proxy, tls_text,
    unreachable_by_proxy, wants_other_proxy_credentials,
};
use crate::protocol::http::request::payload::FileError;

/// The outcome of a client's error. The URL, which may hold secrets, is left out of the text. Whether
/// the request `is_proxied` tells whose fault it is that there is no connection.
pub(super) fn classify(error: reqwest::Error, stage: Stage, is_proxied: bool) -> Failure {
    let error = error.without_url();
    let connecting = error.is_connect();
    let mut text = error.to_string();
    let mut outcome = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = next {
        text = match cause.downcast_ref::<rustls::Error>() {
            Some(error) => tls_text(error),
            None => cause.to_string(),
        };
        if let Some(found) = outcome_of(cause, stage, connecting) {
            // The innermost cause knows best: a reset inside an incomplete message is a reset.
            outcome = Some(found);
        }
        next = cause.source().or_else(|| inner_of(cause));
    }
    let fallback = if connecting {
        Outcome::ConnectFailed
    } else {
        Outcome::Other
    };
    if connecting && is_proxied {
        text = match outcome {
            // Of the service, or of a proxy by TLS: the text says whose certificate it is.
            Some(Outcome::Tls | Outcome::TimeoutTls) => text,
            Some(_) => unreachable_by_proxy(&text),
            // What is left are the responses to CONNECT.
            None => response_to_connect(&text),
        };
    }
    Failure {
        outcome: outcome.unwrap_or(fallback),
        text,
    }
}

/// Whether the service ended the connection in good order before it processed this request.
pub(super) fn is_left_out(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            return failure::is_left_out(error);
        }
        next = cause.source();
    }
    false
}

/// The text for a refused CONNECT. Of its status, reqwest says only whether it was 407, and that only
/// in words.
fn response_to_connect(text: &str) -> String {
    match text.contains("authorization required") {
        true => wants_other_proxy_credentials(),
        false => refused_by_proxy(text),
    }
}

/// The error that an `io::Error` wraps; its own `source` skips it.
fn inner_of<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

fn outcome_of(cause: &(dyn StdError + 'static), stage: Stage, connecting: bool) -> Option<Outcome> {
    if cause.is::<FileError>() {
        return Some(Outcome::InvalidRequest);
    }
    if cause.is::<DnsError>() {
        return Some(Outcome::Dns);
    }
    if let Some(timeout) = cause.downcast_ref::<ConnectTimeout>() {
        return Some(timeout.step.outcome());
    }
    if cause.is::<rustls::Error>() {
        return Some(Outcome::Tls);
    }
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return Some(outcome_of_h2(error, stage, connecting));
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return match error {
            _ if error.is_parse() => Some(Outcome::Protocol),
            _ if error.is_incomplete_message() => Some(cut_off(stage)),
            // The connection went away before the request was written to it.
            _ if error.is_canceled() || error.is_closed() => Some(Outcome::ClosedEarly),
            _ => None,
        };
    }
    outcome_of_io(cause.downcast_ref::<io::Error>()?, stage, connecting)
}
