//! Tests that hold for each client that perfctl has: written once, run with all of them.

use std::cell::Cell;

thread_local! {
    static CLIENT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Runs a test whose runs of perfctl are by this client; `None` leaves it to perfctl.
pub fn by(client: Option<&'static str>, test: fn()) {
    CLIENT.set(client);
    test();
}

/// The client that the test of this thread is about.
pub fn chosen() -> Option<&'static str> {
    CLIENT.get()
}

/// Makes a test of each of these functions for each client.
macro_rules! for_each_client {
    ($($name:ident)*) => {
        mod by_default {
            $(#[test]
            fn $name() {
                crate::support::clients::by(None, super::$name);
            })*
        }
        mod direct {
            $(#[test]
            fn $name() {
                crate::support::clients::by(Some("direct"), super::$name);
            })*
        }
    };
}

pub(crate) use for_each_client;
