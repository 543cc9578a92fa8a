//! Where the numbers of a run go while it goes on.
//!
//! Not here: what is done with them each second (`each_second`).

use crate::exporters::Exporters;
use crate::metrics::{Commit, JournalWriter};
use crate::observation::Observer;
use crate::report::RunSamples;

/// Where the numbers of a run go while it goes on.
pub(super) struct Storage<'w> {
    pub(super) journal: JournalWriter,
    pub(super) samples: Option<RunSamples>,
    pub(super) exporters: Option<Exporters>,
    /// What observes the service, until the load begins.
    pub(super) observer: Option<Observer>,
    /// Who may end the load.
    pub(super) watch: Option<Watch<'w>>,
}

/// Is told what ended in each second, and says whether the load has shown what it was made for.
pub type Watch<'w> = &'w mut dyn FnMut(&Commit) -> bool;
