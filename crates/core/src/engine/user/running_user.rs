//! The count of running users.

use std::rc::Rc;

use crate::metrics::Recorder;

/// Counts a user as running for as long as it lives, however it ends.
pub(crate) struct RunningUser(Rc<Recorder>);

impl RunningUser {
    pub(crate) fn new(recorder: &Rc<Recorder>) -> Self {
        recorder.users_changed(1);
        Self(recorder.clone())
    }
}

impl Drop for RunningUser {
    fn drop(&mut self) {
        self.0.users_changed(-1);
    }
}
