//! How long a request may take, how far it may be redirected, and how large its response may be.

use std::time::Duration;

use crate::error::Diagnostic;
use crate::scenario::yaml::decode::{Field, Size, TimeLimit};
use crate::scenario::yaml::findings::Findings;
use crate::units::format_duration;

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndpointLimits {
    /// From sending to the last byte.
    pub timeout: Duration,
    /// For name resolution, TCP and TLS; at most `timeout`.
    pub connect_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: u32,
    /// The largest response body on the wire; bytes.
    pub max_body: u64,
}

impl Default for EndpointLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_redirects: 10,
            max_body: 100_000_000,
        }
    }
}

impl EndpointLimits {
    /// These, with what is written in their place.
    pub(crate) fn with(
        self,
        timeout: &Field<TimeLimit>,
        connect_timeout: &Field<TimeLimit>,
        max_redirects: &Field<u32>,
        max_body: &Field<Size>,
        findings: &mut Findings,
    ) -> Self {
        let mut positive = |field: &Field<TimeLimit>| {
            let given = field.get()?;
            if given.value.0.is_zero() {
                findings.report(Some(given.at), Diagnostic::new("a timeout must be above 0"));
                return None;
            }
            Some(given.value.0)
        };
        let new_timeout = positive(timeout).unwrap_or(self.timeout);
        let new_connect = positive(connect_timeout);
        if let Some(given) = connect_timeout
            .get()
            .filter(|given| given.value.0 > new_timeout)
        {
            let (connect, whole) = (format_duration(given.value.0), format_duration(new_timeout));
            findings.report(
                Some(given.at),
                Diagnostic::new(format!(
                    "the connect timeout {connect} is longer than the timeout {whole}"
                ))
                .help("connecting is part of the request: shorten it, or raise the timeout"),
            );
        }
        if let Some(given) = max_redirects.get().filter(|given| given.value > 100) {
            let diagnostic = Diagnostic::new("at most 100 redirects can be followed");
            findings.report(Some(given.at), diagnostic);
        }
        Self {
            timeout: new_timeout,
            connect_timeout: new_connect.unwrap_or(self.connect_timeout).min(new_timeout),
            max_redirects: max_redirects.copied().unwrap_or(self.max_redirects),
            max_body: max_body.copied().map_or(self.max_body, |size| size.0),
        }
    }
}
