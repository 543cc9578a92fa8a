//! A script: what it exports, and the engine that each thread has for it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::error::ScriptError;
use super::files::{Limits, Sources};
use super::machine::Machine;
use super::modules::Read;
use super::shared::listen;

/// A script, read and checked. Each worker runs it in an engine of its own.
pub struct Script {
    main: String,
    limits: Limits,
    pub(super) sources: Sources,
    /// The names of the functions it exports.
    functions: BTreeSet<String>,
}

thread_local! {
    /// The engine of the script that this thread runs.
    static MACHINE: RefCell<Option<(Arc<Script>, Rc<Machine>)>> = const { RefCell::new(None) };
}

impl Script {
    /// Reads and checks the script at the path `main` from the scenario's folder, and what it imports. `read` gives
    /// the text of a file by its path from there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(
        main: &str,
        limits: Limits,
        read: impl Fn(&str) -> Result<Arc<str>, String> + 'static,
    ) -> Result<Self, ScriptError> {
        let read: Read = Box::new(read);
        let mut sources = Sources::default();
        sources.add(main, read(main).map_err(ScriptError::new)?);
        let (machine, sources) = Machine::check(main, sources, limits, read)?;
        Ok(Self {
            functions: machine.functions().map(str::to_owned).collect(),
            main: main.to_owned(),
            limits,
            sources,
        })
    }

    /// The path of its first file from the scenario's folder.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// The names of the functions it exports, in order.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    /// Whether it exports a function of this name.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// The names of the variables of users that it sets, as it is written: `vars.token = ...`.
    pub fn assigned_variables(&self) -> BTreeSet<&str> {
        static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
            let pattern =
                r"\bvars\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:[-+*/%|&?]{0,2}=(?:[^=>]|$)|\+\+|--)";
            Regex::new(pattern).expect("a fixed pattern")
        });
        let texts = self.sources.0.values();
        let found = texts.flat_map(|text| ASSIGNMENT.captures_iter(text));
        found
            .filter_map(|found| Some(found.get(1)?.as_str()))
            .collect()
    }

    /// The engine of this thread for it, which is made when it is needed first.
    ///
    /// # Errors
    /// The script cannot be started again.
    pub(super) fn machine(self: &Arc<Self>) -> Result<Rc<Machine>, ScriptError> {
        MACHINE.with(|current| {
            if let Some((script, machine)) = &*current.borrow()
                && Arc::ptr_eq(script, self)
            {
                return Ok(machine.clone());
            }
            let machine = Rc::new(Machine::start(&self.main, &self.sources, self.limits)?);
            let before = current.replace(Some((self.clone(), machine.clone())));
            drop(before);
            Ok(machine)
        })
    }

    /// Forgets what scripts have kept on this thread: a new run begins.
    pub fn begin_run() {
        drop(MACHINE.take());
        listen(false);
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.main)
    }
}

/// By the content of its files, so that runs of different scripts are not compared.
impl Serialize for Script {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hash = Sha256::new();
        for (path, text) in &self.sources.0 {
            hash.update(path.as_bytes());
            hash.update([0]);
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        let hash = hash.finalize();
        let digits: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        (&self.main, digits).serialize(serializer)
    }
}
