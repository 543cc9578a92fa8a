//! Which files a script may import, and how they are found.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

use super::error::ScriptError;
use super::files::Sources;

/// Reads a file by its path from the scenario's folder; what is wrong with it, for people.
pub(super) type Read = Box<dyn Fn(&str) -> std::result::Result<Arc<str>, String>>;

/// The files that are imported, and the first that could not be.
pub(super) struct Imports {
    pub(super) sources: RefCell<Sources>,
    pub(super) failed: RefCell<Option<ScriptError>>,
    /// Reads files that are not known yet; there is none in a run.
    read: Option<Read>,
}

impl Imports {
    pub(super) fn new(sources: Sources, read: Option<Read>) -> Rc<Self> {
        Rc::new(Self {
            sources: RefCell::new(sources),
            failed: RefCell::default(),
            read,
        })
    }

    /// Notes why `name`, which `base` imports, cannot be.
    fn fail(&self, base: &str, name: &str, why: &str, help: &str) -> Error {
        let sources = self.sources.borrow();
        let mut error = ScriptError::new(format!("cannot import `{name}`: {why}"));
        error.help = Some(help.to_owned());
        if let Some((line, column)) = sources.place_of(base, name) {
            error = error.at(&sources, base, line, column);
        }
        self.failed.borrow_mut().get_or_insert(error);
        Error::new_resolving(base, name)
    }
}

/// Finds files beside the one that imports them.
pub(super) struct FileResolver(pub(super) Rc<Imports>);

impl Resolver for FileResolver {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let fail = |why: &str, help: &str| Err(self.0.fail(base, name, why, help));
        if name == "k6" {
            return fail(
                "it is not a file",
                "remove the import: `check`, `sleep` and `group` are there without it",
            );
        }
        if !name.starts_with("./") && !name.starts_with("../") {
            return fail(
                "it is not a file",
                "scripts can import files in the scenario's folder or below, such as `./helpers.js`",
            );
        }
        let Some(path) = joined(base, name) else {
            return fail(
                "it is outside the scenario's folder",
                "put it in the scenario's folder or below",
            );
        };
        if self.0.sources.borrow().contains(&path) {
            return Ok(path);
        }
        let Some(read) = &self.0.read else {
            return fail(
                "it was not read before the run",
                "import it at the top of the script: `import * as helpers from \"./helpers.js\"`",
            );
        };
        match read(&path) {
            Ok(text) => {
                self.0.sources.borrow_mut().add(&path, text);
                Ok(path)
            }
            Err(why) => fail(
                &why,
                "write the path from the file that imports it, with its ending",
            ),
        }
    }
}

/// The path of `name`, which the file at `base` imports; `None` if it leads out of the folder.
fn joined(base: &str, name: &str) -> Option<String> {
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Declares the files that were found.
pub(super) struct FileLoader(pub(super) Rc<Imports>);

impl Loader for FileLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        path: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let text = self.0.sources.borrow().text(path);
        let text = text.ok_or_else(|| Error::new_loading(path))?;
        Module::declare(ctx.clone(), path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_folder() {
        for (base, name, path) in [
            ("shop.js", "./a.js", Some("a.js")),
            ("lib/shop.js", "./a.js", Some("lib/a.js")),
            ("lib/shop.js", "../x/./a.js", Some("x/a.js")),
            ("shop.js", "../a.js", None),
            ("lib/shop.js", "../../a.js", None),
        ] {
            assert_eq!(joined(base, name).as_deref(), path, "{base} {name}");
        }
    }
}
