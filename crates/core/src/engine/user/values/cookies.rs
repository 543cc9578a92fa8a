//! The cookies of a user as values.
//!
//! Not here: the cookies themselves, which belong to the session (`protocol`).

use super::Values;
use crate::protocol::Cookies;

impl Values {
    /// Templates read these cookies.
    pub(crate) fn read_cookies(&mut self, cookies: Option<Box<dyn Cookies>>) {
        self.cookies = cookies;
    }

    /// Sets the variables that are cookies to what these are now: responses set them, and they end.
    #[cold]
    pub(super) fn refresh_cookies(&mut self) {
        let Some(cookies) = &self.cookies else { return };
        for (name, variable) in &self.feeding.plan.cookies {
            self.variables[*variable] = cookies.value(name).map(Into::into);
        }
    }
}
