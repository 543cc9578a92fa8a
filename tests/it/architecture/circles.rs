//! Files that import each other in a circle. A name is followed through re-exports to the file that
//! defines it, and a file that only re-exports a name does not import it.
//!
//! Not here: which module may use which (`architecture`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{compiled, files_of, in_program, text_in_program, without_comments};

/// A path of a module or an item, from the crate's root: `["plan", "Plan"]`.
type ItemPath = Vec<String>;

/// The files of all crates, what each exports, and what each uses.
struct Imports {
    /// The module of each file, such as `plan::load`; the root is empty.
    modules: BTreeSet<String>,
    /// What `use` brings into a module's scope, by name.
    in_scope: BTreeMap<String, BTreeMap<String, ItemPath>>,
    /// The items that a module's own code names.
    used: BTreeMap<String, Vec<ItemPath>>,
}

/// The module of a file, or `None` for what is left out: tests, fixtures and `main.rs`.
fn module_of(path: &str) -> Option<String> {
    let path = in_program(path);
    let module = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let module = module.replace('/', "::");
    match module.as_str() {
        "main" => None,
        "lib" => Some(String::new()),
        test if test.contains("tests") || test.ends_with("fixture") => None,
        _ => Some(module),
    }
}

fn segments(path: &str) -> ItemPath {
    let names = path.split("::").filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The single paths of `a::{b, c::{self, d as e}}`, without what they are renamed to.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().to_owned()];
    };
    let group = group.trim_end().trim_end_matches('}');
    let (mut entries, mut depth) = (vec![String::new()], 0);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(String::new());
                continue;
            }
            _ => {}
        }
        entries.last_mut().unwrap().push(c);
    }
    // The last bracket of the group may have been that of an entry.
    let last = entries.last_mut().unwrap();
    last.push_str(&"}".repeat(last.matches('{').count() - last.matches('}').count()));
    let entries = entries.iter().map(|entry| entry.trim());
    let entries = entries.filter(|entry| !entry.is_empty());
    let paths = entries.flat_map(|entry| match entry {
        "self" => vec![prefix.trim_end_matches("::").to_owned()],
        entry => leaves(&format!("{prefix}{entry}")),
    });
    paths.collect()
}

impl Imports {
    /// Reads files as path and text.
    fn read(files: &[(String, String)]) -> Self {
        let named = files
            .iter()
            .filter_map(|(path, text)| Some((module_of(path)?, text)));
        let files: Vec<(String, &String)> = named.collect();
        let mut imports = Self {
            modules: files.iter().map(|(module, _)| module.clone()).collect(),
            in_scope: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        for (module, text) in files {
            imports.read_module(&module, text);
        }
        imports
    }

    fn read_module(&mut self, module: &str, text: &str) {
        let inline = compiled(r"(?ms)^(#\[cfg\(test\)\]\n)?mod \w+ \{\n.*?^\}\n");
        let statement = compiled(r"(?m)^\s*(?<public>pub(?:\([^)]*\))? )?use (?<tree>[^;]+);");
        let text = inline.replace_all(&without_comments(text), "").into_owned();
        let code = statement.replace_all(&text, "").into_owned();
        let words: BTreeSet<&str> = code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        let (mut in_scope, mut used) = (BTreeMap::new(), Vec::new());
        for found in statement.captures_iter(&text) {
            let paths = leaves(&found["tree"].replace('\n', " "));
            for path in paths.iter().filter_map(|path| self.absolute(path, module)) {
                let Some(name) = path.last().filter(|name| *name != "*") else {
                    continue;
                };
                if found.name("public").is_none() || words.contains(name.as_str()) {
                    used.push(path.clone());
                }
                in_scope.insert(name.clone(), path);
            }
        }
        let path = compiled(r"(?<before>[:\w.]?)\b(?<path>[a-z_]+(?:::\w+)+)");
        let paths = path.captures_iter(&code);
        let whole = paths.filter(|found| found["before"].is_empty());
        used.extend(whole.filter_map(|found| self.absolute(&found["path"], module)));
        self.in_scope.insert(module.to_owned(), in_scope);
        self.used.insert(module.to_owned(), used);
    }

    /// A path as written in a module, from the root; `None` for other crates.
    fn absolute(&self, path: &str, module: &str) -> Option<ItemPath> {
        let (own, path) = (segments(module), segments(path));
        let (first, rest) = path.split_first()?;
        let base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => own,
            "super" => own[..own.len() - 1].to_vec(),
            child => {
                let child = [own.clone(), vec![child.to_owned()]].concat();
                if !self.modules.contains(&child.join("::")) {
                    return None;
                }
                child
            }
        };
        Some([base, rest.to_vec()].concat())
    }

    /// The file that defines what a path names.
    fn home(&self, path: &[String]) -> String {
        let mut module = String::new();
        for (i, name) in path.iter().enumerate() {
            let child = match module.is_empty() {
                true => name.clone(),
                false => format!("{module}::{name}"),
            };
            if self.modules.contains(&child) {
                module = child;
                continue;
            }
            let handed_on = self.in_scope.get(&module).and_then(|scope| scope.get(name));
            return match handed_on {
                Some(source) if source != &path[..=i] => {
                    self.home(&[source.as_slice(), &path[i + 1..]].concat())
                }
                _ => module,
            };
        }
        module
    }

    /// Which files each file imports, with the names.
    fn arrows(&self) -> BTreeMap<&str, BTreeMap<String, BTreeSet<&str>>> {
        let mut arrows: BTreeMap<&str, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
        for (module, paths) in &self.used {
            let from = arrows.entry(module).or_default();
            for path in paths {
                let home = self.home(path);
                if home != *module && !home.is_empty() {
                    let names = from.entry(home).or_default();
                    names.extend(path.last().map(String::as_str));
                }
            }
        }
        arrows
    }
}

/// Each file that can be reached from itself, with the arrow that leads on in the circle.
fn circles(files: &[(String, String)]) -> Vec<String> {
    let imports = Imports::read(files);
    let arrows = imports.arrows();
    let reached_from = |start: &str| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start.to_owned()]);
        while let Some(module) = next.pop() {
            for to in arrows
                .get(module.as_str())
                .into_iter()
                .flat_map(BTreeMap::keys)
            {
                if reached.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<String>> = arrows
        .keys()
        .map(|module| (*module, reached_from(module)))
        .collect();
    let mut found = Vec::new();
    for (from, to) in &arrows {
        let leads_back = |to: &&String| reached.get(to.as_str()).is_some_and(|r| r.contains(*from));
        for to in to.keys().filter(leads_back) {
            let names: Vec<&str> = arrows[from][to].iter().copied().collect();
            found.push(format!("{from} -> {to}: {}", names.join(", ")));
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files: Vec<(String, String)> = files_of(&["src"])
        .into_iter()
        .map(|(path, file)| {
            let text = fs::read_to_string(file).unwrap();
            (path.clone(), text_in_program(&path, &text))
        })
        .collect();
    let found = circles(&files);
    assert!(
        found.is_empty(),
        "files import each other in a circle; move what they share to a file of its own:\n{}\n",
        found.join("\n")
    );
}

#[test]
fn a_circle_is_found_in_whatever_way_it_is_written() {
    let of = |files: &[(&str, &str)]| {
        let owned = files
            .iter()
            .map(|(path, text)| (format!("src/{path}"), text.to_string()));
        circles(&owned.collect::<Vec<_>>())
    };
    let cases: [&[(&str, &str)]; 5] = [
        // By two `use`s.
        &[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
        // Through the names that a parent hands on.
        &[
            ("a.rs", "mod x;\nmod y;\npub use x::X;\npub use y::Y;"),
            ("a/x.rs", "use super::Y;"),
            ("a/y.rs", "use super::{\n    X,\n};"),
        ],
        // By paths in the code.
        &[
            ("a.rs", "fn f() { crate::b::g() }"),
            ("b.rs", "fn g() { crate::a::f() }"),
        ],
        // Between a parent that uses its child and the child that uses its parent's own.
        &[
            ("a.rs", "mod x;\nuse x::X;\nstruct A(X);"),
            ("a/x.rs", "use super::A;"),
        ],
        // Of three, within a group.
        &[
            ("a.rs", "use crate::{b::{self, B}, units};"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A as Other;"),
        ],
    ];
    for case in cases {
        assert!(of(case).len() >= 2, "{case:?}: {:?}", of(case));
    }
    let without: [&[(&str, &str)]; 3] = [
        // A parent that only hands names on.
        &[
            ("a.rs", "mod x;\nmod y;\npub use x::X;\npub use y::Y;"),
            ("a/x.rs", "use super::Y;"),
        ],
        // What only tests use.
        &[
            ("a.rs", "mod x;\nuse x::X;\nfn f() -> X {}"),
            (
                "a/x.rs",
                "pub struct X;\n#[cfg(test)]\nmod tests {\n    use super::super::f;\n}\n",
            ),
        ],
        // What is only talked about.
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "//! As crate::a::A has it.\nstruct B;"),
        ],
    ];
    for case in without {
        assert_eq!(of(case), Vec::<String>::new(), "{case:?}");
    }
}
