//! What the server that has started a run asks of its load.
//!
//! Not here: the socket and its lines (`serve`), and how a load changes (`engine`).

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use crate::engine::{AdjustableLoad, LoadControl, SettingRefusal};
use crate::error::Error;
use crate::metrics::LoadSetting;
use crate::report::live::LiveDisplay;
use crate::serve::{ControlListener, ControlReply, LoadNow};

/// Makes the socket, within a tokio runtime.
pub(super) fn listen(path: &Path) -> Result<ControlListener, Error> {
    ControlListener::bind(path).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Does what is asked for, for as long as it is polled.
pub(super) async fn obey(
    listener: ControlListener,
    control: &LoadControl,
    display: &Rc<RefCell<LiveDisplay>>,
) {
    let respond = |change: LoadSetting| match control.set(change) {
        Err(SettingRefusal::NoLoad) => ControlReply::NoLoad,
        Err(SettingRefusal::NotThis(why)) => ControlReply::Refused(why),
        Ok(()) => {
            if !change.is_empty() {
                let level = control.level_now();
                display.borrow_mut().adjusted(level, control.current());
            }
            ControlReply::Load(now(control))
        }
    };
    listener.serve(respond).await;
}

fn now(control: &LoadControl) -> LoadNow {
    // In a pause, too: it is what the load goes on with.
    let level = control.level_beside_pauses();
    let why = match control.adjustable() {
        AdjustableLoad::Users | AdjustableLoad::Rate => None,
        AdjustableLoad::FewerUsers(why) | AdjustableLoad::Pauses(why) => Some(why.to_owned()),
    };
    let is_rate = control.adjustable() == AdjustableLoad::Rate;
    let most = control.most();
    LoadNow {
        users: (!is_rate).then(|| level.ceil() as u32),
        rate: is_rate.then_some(level),
        paused: control.current().is_paused,
        adjusted: !control.adjustments().is_empty(),
        most: (most > 0.0).then_some(most),
        why,
    }
}
