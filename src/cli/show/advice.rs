//! What to do about a request that failed when a scenario is tried out.

use crate::metrics::Outcome;
use crate::protocol::Hop;

/// The next step after a request that ended in `outcome`, whose last exchange was `hop`; `None` where
/// the failure says it all.
pub fn next_step(outcome: Outcome, hop: Option<&Hop>) -> Option<String> {
    let place = hop.map_or("the service", |hop| hop.authority.as_str());
    let status = hop.and_then(|hop| hop.status);
    Some(match outcome {
        Outcome::Dns => {
            "check the host name in `host`, or give another address with `--host`".into()
        }
        Outcome::ConnectRefused => format!(
            "nothing listens at {place}: start the service, or give its address with `--host`"
        ),
        Outcome::ConnectFailed | Outcome::TimeoutConnect => {
            format!("check the address {place}, the network and firewalls")
        }
        Outcome::Tls | Outcome::TimeoutTls => format!(
            "check that {place} speaks TLS; trust a private CA with `tls: {{ca_file: ...}}`, or \
             accept any certificate with `tls: {{insecure: true}}`"
        ),
        Outcome::TimeoutHeaders | Outcome::TimeoutBody => {
            "raise `timeout` (or `--timeout`), or find out what takes the service so long".into()
        }
        Outcome::Reset | Outcome::ClosedEarly | Outcome::BodyTruncated => {
            "the service ended the connection: its log may say why".into()
        }
        Outcome::Protocol => {
            format!("check that {place} speaks HTTP, and whether the URL needs `https://`")
        }
        Outcome::RedirectLimit => {
            "raise `max_redirects`, or set it to 0 to take the redirect as the response".into()
        }
        Outcome::RedirectBlocked => "allow its host with `allow_redirects_to`".into(),
        Outcome::Http5xx => "the log of the service may say why".into(),
        Outcome::Http4xx => match status {
            Some(401 | 403) => {
                "check the credentials: `auth`, or the header that carries them".into()
            }
            Some(404) => "check the path, and the address of the service".into(),
            Some(405) => "check the method".into(),
            Some(400 | 415 | 422) => "check the body and its `content-type`".into(),
            _ => return None,
        },
        _ => return None,
    })
}
