//! What holds for each port.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;

use super::trial::folder;
use crate::support::Perfctl;

/// The texts of all ports, by name without the ending.
fn ports() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    yaml.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap())
    })
    .collect()
}

#[test]
fn each_port_names_its_locustfile_and_compiles_with_its_profiles() {
    let profile = Regex::new(r"(?m)^  (\w+):").unwrap();
    let variable = Regex::new(r"env\.(\w+)|env: (\w+)").unwrap();
    for (name, text) in ports() {
        assert!(text.starts_with("# After "), "{name}");
        let own = text
            .split_once("\nprofiles:\n")
            .map_or("", |(_, rest)| rest);
        let own = profile.captures_iter(own).map(|found| found[1].to_owned());
        for profile in own.chain(["smoke".to_owned()]) {
            let mut perfctl = Perfctl::new();
            for found in variable.captures_iter(&text) {
                let name = found.get(1).or(found.get(2)).unwrap().as_str();
                let needs = !text.contains(&format!("env.{name} | default"))
                    && !text.contains(&format!("env.{name} is defined"));
                if needs {
                    perfctl = perfctl.env(name, "x");
                }
            }
            perfctl
                .args(["validate".into(), folder().join(format!("{name}.yaml"))])
                .args(["--profile", &profile])
                .expect_status(0)
                .run();
        }
    }
}

#[test]
fn the_table_has_each_port_and_its_length() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    let ports = ports();
    for (name, text) in &ports {
        let cell = format!("[{name}]({name}.yaml)");
        let row = table.lines().find(|line| line.contains(&cell));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[3], text.lines().count().to_string(), "{row}");
        let is_lossless = cells[5] == "nothing";
        assert_eq!(!is_lossless, text.contains("; lost: "), "{row}");
    }
    assert_eq!(table.matches(".yaml)").count(), ports.len());
}
