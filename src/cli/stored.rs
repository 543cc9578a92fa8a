//! The commands over stored runs. They send nothing.

pub(super) mod baseline;
pub(super) mod compare;
pub(super) mod explain;
pub(super) mod history;
pub(super) mod recover;
pub(super) mod report;
pub(super) mod results;

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};
    use std::path::Path;

    use crate::cli::main;
    use crate::error::Exit;
    use crate::metrics::{
        Cell, Commit, CommitCell, JournalWriter, Outcome, RunResult, fixture, write_atomically,
    };
    use crate::plan::Metric;

    fn run(args: &[&str], out: &mut dyn Write, errors: &mut dyn Write) -> Exit {
        let arguments = [&["perfctl"], args].concat();
        main(arguments.into_iter().map(Into::into), out, errors)
    }

    /// The exit code, and what was printed or the error.
    fn perfctl(args: &[&str]) -> (u8, String) {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let exit = run(args, &mut out, &mut errors);
        out.extend(errors);
        (exit.code(), String::from_utf8(out).unwrap())
    }

    fn stored(directory: &Path, id: &str, change: impl Fn(&mut RunResult)) -> String {
        let requests: fixture::Requests<'_> =
            &[(Outcome::Ok, 50_000, 990), (Outcome::Http5xx, 100, 10)];
        let mut result = fixture::run(&[("a", requests)]);
        result.run.id = id.into();
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.02)];
        change(&mut result);
        let path = directory.join(id);
        std::fs::create_dir(&path).unwrap();
        write_atomically(&path.join("result.json"), &result).unwrap();
        path.display().to_string()
    }

    #[test]
    fn a_stored_run_is_printed_with_the_exit_code_of_its_verdict() {
        let directory = tempfile::tempdir().unwrap();
        let good = stored(directory.path(), "good", |_| {});
        let (code, text) = perfctl(&["report", &good]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("grade A+"), "{text}");
        assert_eq!(perfctl(&["report", &good, "--fail-on", "errors"]).0, 1);
        let (code, json) = perfctl(&["report", &good, "--format", "json"]);
        assert_eq!(code, 0);
        assert!(json.contains("\"health_score\": 100.0"), "{json}");
        let bad = stored(directory.path(), "bad", |r| r.run.slos[0].limit = 0.001);
        assert_eq!(perfctl(&["report", &bad]).0, 1);
        let invalid = stored(directory.path(), "invalid", |r| {
            r.run.ending.as_mut().unwrap().totals.planned = 0;
        });
        let (code, text) = perfctl(&["report", &invalid]);
        assert_eq!(code, 3);
        assert!(text.contains("INVALID"), "{text}");
        assert_eq!(perfctl(&["report", "no/such/run"]).0, 4);
    }

    #[test]
    fn runs_are_compared_through_a_baseline_file_or_directly() {
        let directory = tempfile::tempdir().unwrap();
        let before = stored(directory.path(), "before", |_| {});
        let same = stored(directory.path(), "same", |_| {});
        let other = stored(directory.path(), "other", |r| {
            r.run.fingerprint.load.clear()
        });
        let file = directory.path().join("base.json").display().to_string();
        let (code, text) = perfctl(&["baseline", "add", &file, &before]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("now holds 1 run"), "{text}");
        for baseline in [&file, &before] {
            assert_eq!(perfctl(&["compare", "--gate=simple", baseline, &same]).0, 0);
            let (code, text) = perfctl(&["compare", "--gate=simple", baseline, &other]);
            assert_eq!(code, 4, "{text}");
            assert!(text.contains("another load"), "{text}");
        }
        let requests: fixture::Requests<'_> =
            &[(Outcome::Ok, 60_000, 990), (Outcome::Http5xx, 100, 10)];
        let slow = stored(directory.path(), "slow", |r| {
            let id = r.run.id.clone();
            *r = fixture::run(&[("a", requests)]);
            r.run.id = id;
        });
        let (code, text) = perfctl(&["compare", "--gate=simple", &file, &slow]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("regressed"), "{text}");
        assert_eq!(
            perfctl(&[
                "compare",
                "--gate=simple",
                &file,
                &slow,
                "--max-regression",
                "25%"
            ])
            .0,
            0
        );
        let report = ["report", "--gate=simple", &slow, "--baseline", &file];
        assert_eq!(perfctl(&report).0, 1);
        // Ten seconds show nothing of the noise: the statistical rule refuses rather than guess.
        let (code, text) = perfctl(&["compare", &file, &slow]);
        assert_eq!(code, 4, "{text}");
        assert!(text.contains("60 s are needed"), "{text}");
    }

    #[test]
    fn baselines_are_listed_and_shown_and_take_no_doubtful_run() {
        let directory = tempfile::tempdir().unwrap();
        let run = stored(directory.path(), "run-1", |_| {});
        let cut = stored(directory.path(), "run-2", |r| {
            r.run.ending.as_mut().unwrap().signal = Some(2);
        });
        let dir = directory.path().display().to_string();
        let file = directory.path().join("base.json").display().to_string();
        assert!(
            perfctl(&["baseline", "list", &dir])
                .1
                .contains("no baseline file")
        );
        perfctl(&["baseline", "add", &file, &run]);
        let (code, text) = perfctl(&["baseline", "add", &file, &cut]);
        assert_eq!(code, 4);
        assert!(
            text.contains("did not finish") && text.contains("--force"),
            "{text}"
        );
        assert_eq!(perfctl(&["baseline", "add", &file, &cut, "--force"]).0, 0);
        assert_eq!(
            perfctl(&["baseline", "add", &file, &run]).0,
            2,
            "it is in already"
        );
        let (_, text) = perfctl(&["baseline", "show", &file]);
        assert!(
            text.contains("run-1") && text.contains("cut short"),
            "{text}"
        );
        std::fs::write(
            directory.path().join("z.json"),
            "{\"format\": \"perfctl-baseline\"",
        )
        .unwrap();
        let (_, text) = perfctl(&["baseline", "list", &dir]);
        assert!(
            text.contains("base.json") && text.contains("ap-intake"),
            "{text}"
        );
        assert!(text.contains("damaged"), "{text}");
    }

    #[test]
    fn a_killed_run_is_recovered_once() {
        let directory = tempfile::tempdir().unwrap();
        let result = fixture::run(&[("a", &[])]);
        let journal = directory.path().join("journal.jsonl");
        let mut writer = JournalWriter::create(&journal, &result.run).unwrap();
        let mut cell = Cell::default();
        cell.outcomes.insert(Outcome::Http4xx, 3);
        let cells = vec![CommitCell {
            phase: 1,
            second: 0,
            endpoint: 0,
            cell,
        }];
        writer.commit(&Commit {
            users: 1,
            cells,
            ..Commit::default()
        });
        let path = directory.path().display().to_string();
        for command in ["recover", "report"] {
            let (code, text) = perfctl(&[command, &path]);
            assert!(code > 1 && text.contains("still going on"), "{text}");
        }
        drop(writer);
        let (code, text) = perfctl(&["report", &path]);
        assert_eq!(code, 4);
        assert!(text.contains("perfctl recover"), "{text}");
        let (code, text) = perfctl(&["recover", &path]);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("http_4xx 3"), "{text}");
        assert_eq!(perfctl(&["report", &path]), (code, text));
        assert_eq!(perfctl(&["recover", &path]).0, 2);
    }

    #[test]
    fn a_page_of_a_comparison_shows_what_the_console_does() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let before = stored(directory.path(), "before", |_| {});
        let slow = |id: &str| {
            stored(directory.path(), id, |result| {
                *result = fixture::run(&[("a", &[(Outcome::Ok, 60_000, 1_000)])]);
                result.run.id = id.into();
            })
        };
        let (first, second) = (slow("slow-1"), slow("slow-2"));
        let page = at("{u}-{r}-{t}.html");
        let args = [
            "compare",
            "--gate=simple",
            &before,
            &first,
            &second,
            "--html",
            &page,
        ];
        let (code, text) = perfctl(&args);
        assert_eq!(code, 1, "{text}");
        // 5 users within 2 s, and 12 s in all.
        let page = std::fs::read_to_string(at("5-2.5-12s.html")).unwrap();
        assert!(page.contains("Compared with the baseline"), "{page}");
        let parts = [
            "FAIL",
            "2 runs against 1 run",
            "slow-1",
            "slow-2",
            "regressed",
            "+20%",
            "-1 pp",
            "too few",
        ];
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
            assert!(page.contains(part), "{part}: {page}");
        }
        // By name, as `perfctl results` lists them.
        let out = directory.path().display().to_string();
        let by_name = [
            "compare",
            "--gate=simple",
            "before",
            "slow-1",
            "slow-2",
            "--out",
            &out,
        ];
        assert_eq!(perfctl(&by_name), (code, text));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        struct ClosedPipe;
        impl Write for ClosedPipe {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let good = stored(directory.path(), "good", |_| {});
        for format in ["console", "json", "markdown"] {
            let args = ["report", &good, "--format", format];
            let mut errors = Vec::new();
            assert_eq!(
                run(&args, &mut ClosedPipe, &mut errors),
                Exit::Pass,
                "{format}"
            );
            assert!(errors.is_empty(), "{format}");
        }
    }
}
