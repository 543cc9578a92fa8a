//! A gallery of bad scenarios: `tests/errors/NAME.yaml` and beside it the whole text shown for it.
//! `SNAPSHOTS=overwrite cargo test --test it errors` rewrites the texts.

use std::path::Path;
use std::time::{Duration, Instant};

use perfctl::error::{Error, Exit};
use perfctl::scenario::{Options, Source, compile};

fn error(path: &Path, profile: &str, options: &Options) -> Error {
    compile(&Source::File(path.to_owned()), profile, options).unwrap_err()
}

#[test]
fn every_bad_scenario_is_explained_as_in_the_gallery() {
    let mut count = 0;
    for entry in std::fs::read_dir("tests/errors").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let error = error(&path, "smoke", &Options::default());
            assert_eq!(error.exit(), Exit::Usage);
            let expected = snapbox::Data::read_from(&path.with_extension("txt"), None);
            snapbox::assert_data_eq!(format!("{error}\n"), expected.raw());
            count += 1;
        }
    }
    assert_eq!(count, 48);
}

#[test]
fn errors_of_scenario_profile_and_options_are_reported_together() {
    let options = Options {
        slos: vec!["p95>1s".into()],
        users: Some(0),
        ..Options::default()
    };
    let path = Path::new("tests/errors/zero_weights.yaml");
    let text = error(path, "smok", &options).to_string();
    for part in [
        "all weights are 0",
        "unknown profile `smok`: did you mean `smoke`?",
        "p95>1s",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_file_of_100_mb_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge.yaml");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(100_000_000)
        .unwrap();
    let start = Instant::now();
    let text = error(&path, "smoke", &Options::default()).to_string();
    assert!(text.contains("larger than 1 MiB"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, b"name: x\nhost: \xff\n").unwrap();
    for (path, part) in [
        (path.as_path(), "line 2 is not UTF-8"),
        (dir.path(), "not a regular file"),
        (Path::new("/nowhere.yaml"), "No such file"),
    ] {
        let error = error(path, "smoke", &Options::default());
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}
