//! The container image. There is no Docker where the tests run, so its steps are carried out otherwise: the program runs
//! in a file system as that of the image, read-only, as its user, without an environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::runner::{SCENARIO, is_there, output, shell};
use crate::support::documents::{read, root};
use crate::support::skip;

/// The libraries of `gcr.io/distroless/cc-debian12` that a program can need.
const LIBRARIES: [&str; 5] = ["linux-vdso", "libgcc_s", "libm", "libc", "ld-linux"];

/// Mounts the image's file system in a name space of its own, and then runs what it is given in an empty environment.
const MOUNT: &str = "
mount --bind root root
mount --bind root/results root/results
mount -o remount,ro,bind root
for folder in lib lib64 usr/lib proc dev; do
    [ ! -d /$folder ] || mount --rbind /$folder root/$folder
done
exec env -i \"$@\"
";

/// Runs perfctl as the image does, as this user. `None` if it cannot be done here.
fn perfctl_as(user: u32, out: Option<&str>, arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        MOUNT,
        "sh",
    ]);
    command.args(out.map(|out| format!("PERFCTL_OUT={out}")));
    let user = [format!("--setgid={user}"), format!("--setuid={user}")];
    command
        .args(["/usr/bin/unshare", "--root=root", "--wd=/work"])
        .args(user);
    command.arg("/usr/local/bin/perfctl").args(arguments);
    command.current_dir(dir).output().unwrap()
}

#[test]
fn perfctl_runs_read_only_as_nobody_and_says_where_it_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let program = env!("CARGO_BIN_EXE_perfctl");
    let folders = "mkdir -p root/work root/results root/proc root/dev root/lib root/lib64 root/usr/lib \
                   root/usr/local/bin && chown 65532:65532 root/results";
    let made = shell(
        dir,
        &format!("{folders} && cp {program} root/usr/local/bin/perfctl"),
    );
    let can_mount = shell(dir, "unshare --mount mount --bind . .");
    if !made.status.success() || !can_mount.status.success() {
        return skip("only root can mount");
    }
    fs::write(dir.join("root/work/shop.yaml"), SCENARIO).unwrap();
    let arguments = ["run", "shop.yaml", "-i", "40", "--assume-healthy"];
    let run = |user, out| {
        let done = perfctl_as(user, out, &arguments, dir);
        (done.status.code(), output(&done))
    };
    let (status, text) = run(65532, Some("/results"));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("files: /results/"), "{text}");
    assert_eq!(fs::read_dir(dir.join("root/results")).unwrap().count(), 1);

    for (user, out, place) in [
        (65532, None, "`results`"),
        (1000, Some("/results"), "`/results/"),
    ] {
        let (status, text) = run(user, out);
        assert_eq!(status, Some(4), "{text}");
        let message = format!("error: cannot store the run in {place}");
        assert!(text.starts_with(&message), "{text}");
        assert!(
            text.contains("in a container, mount a volume there"),
            "{text}"
        );
    }
}

/// What the library is built of, by the compiler's lists of what it read.
fn sources() -> BTreeSet<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_perfctl"));
    let lists = fs::read_dir(program.with_file_name("deps")).unwrap();
    let lists = lists
        .map(|list| list.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "d"))
        .filter_map(|path| fs::read_to_string(path).ok())
        // Not of tests, which read more.
        .filter(|list| list.contains(".rlib:"));
    let root = root().canonicalize().unwrap();
    let mut sources = BTreeSet::new();
    for list in lists {
        for path in list.split_whitespace() {
            // A list may be of an earlier build, when there were other files.
            let Ok(path) = root.join(path).canonicalize() else {
                continue;
            };
            if let Ok(source) = path.strip_prefix(&root)
                && !source.starts_with("target")
            {
                sources.insert(source.display().to_string());
            }
        }
    }
    sources
}

#[test]
fn the_image_has_what_the_program_is_built_of_and_needs() {
    let dockerfile = read("Dockerfile");
    let copied: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--"))
        .flat_map(str::split_whitespace)
        .collect();
    let let_through = read(".dockerignore");
    for path in &copied {
        let is_let_through = let_through.lines().any(|line| line == format!("!{path}"));
        assert!(is_let_through || *path == "./", "{path}");
    }
    let sources = sources();
    for source in &sources {
        let is_copied = copied
            .iter()
            .any(|path| Path::new(source).starts_with(path));
        assert!(is_copied, "{source} is not in the image: {copied:?}");
    }
    assert!(sources.len() > 100, "{sources:?}");
    for line in [
        "USER",
        "ENTRYPOINT [\"/usr/local/bin/perfctl\"]",
        "PERFCTL_OUT=/results",
    ] {
        // The user is that of the base image.
        let line = line.replace("USER", "cc-debian12:nonroot");
        assert!(dockerfile.contains(&line), "{line}");
    }
    if !is_there("ldd") {
        return skip("there is no ldd");
    }
    let program = env!("CARGO_BIN_EXE_perfctl");
    let needed = output(&shell(Path::new("."), &format!("ldd {program}")));
    for library in needed
        .lines()
        .map(|line| line.trim().rsplit('/').next().unwrap())
    {
        assert!(
            LIBRARIES.iter().any(|known| library.starts_with(known)),
            "{needed}"
        );
    }
}
