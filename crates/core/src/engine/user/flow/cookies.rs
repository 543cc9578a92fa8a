//! Steps that change the cookies of a user.

use crate::engine::user::User;
use crate::engine::user::step_error::StepError;
use crate::engine::user::trial::event::TrialEvent;
use crate::plan::CookieChange;
use crate::protocol::{Client, Session};

impl<C: Client> User<C> {
    /// Changes cookies, one after the other.
    pub(super) async fn change_cookies(&mut self, change: &CookieChange) -> Result<(), StepError> {
        // A loop of nothing else must not keep the other users from running.
        tokio::task::consume_budget().await;
        let host = self.state.plan.classes[self.class].host.as_deref();
        let Some(cookies) = self.session.cookies(host) else {
            return Ok(());
        };
        let CookieChange::Set(values) = change else {
            cookies.clear();
            self.tell_cookies("cleared");
            return Ok(());
        };
        for (name, value) in values {
            let Some(template) = value else {
                cookies.remove(name);
                self.tell_cookies(&format!("{name} removed"));
                continue;
            };
            let set = match self.values.text(template).await {
                Ok(text) => cookies.set(name, &text).map_err(Into::into),
                Err(error) => Err(error),
            };
            set.map_err(|error| self.failed(error))?;
            self.tell_cookies(&format!("{name} set"));
        }
        Ok(())
    }

    fn tell_cookies(&self, what: &str) {
        self.state.tell(|| TrialEvent::Cookies(what.to_owned()));
    }
}
