//! Name and password in a header, for whatever asks for them: services, proxies, collectors.
//!
//! Not here: where they come from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The value of a header with name and password: RFC 7617.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
