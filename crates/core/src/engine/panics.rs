//! Panics: bugs of perfctl itself. A user or a worker that ends this way is counted and reported, so
//! that no run passes because a part of its load is gone.
//!
//! Here: the text of a panic. Not here: what it means for a run (`metrics`).

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::PanicHookInfo;
use std::sync::Mutex;

use tokio::task::JoinError;

use crate::metrics::Recorder;

thread_local! {
    /// The last panic of this thread, with its place in the code.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes each place in the code that panics `tell` its message once, however many users meet it, and
/// lets reports quote the message with its place.
pub fn report_panics(tell: fn(&str)) {
    let seen = Mutex::new(HashSet::new());
    std::panic::set_hook(Box::new(move |info| {
        let text = message(info);
        LAST.with_borrow_mut(|last| *last = Some(text.clone()));
        let is_new = seen
            .lock()
            .is_ok_and(|mut seen| seen.insert(info.location().map(ToString::to_string)));
        if is_new {
            tell(&format!(
                "error: perfctl itself failed: {text}; this is a bug, please report it"
            ));
        }
    }));
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let text = payload_text(info.payload());
    match info.location() {
        Some(location) => format!("{text} ({}:{})", location.file(), location.line()),
        None => text,
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// What a panic that unwound this thread, or a task on it, said.
pub(super) fn text_of(payload: &(dyn Any + Send)) -> String {
    LAST.take().unwrap_or_else(|| payload_text(payload))
}

/// The message of the panic that is unwinding this thread.
pub(super) fn current_text() -> String {
    LAST.with_borrow(Clone::clone)
        .unwrap_or_else(|| "a panic".to_owned())
}

/// Counts the user whose task ended like this, if it panicked.
pub(super) fn count(ended: Result<(), JoinError>, recorder: &Recorder) {
    if let Err(error) = ended
        && let Ok(payload) = error.try_into_panic()
    {
        recorder.panicked(text_of(payload.as_ref()));
    }
}
