//! `perfctl init --from-curl`: a scenario of a `curl` command.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::write_all;
use crate::cli::args::{content, curl};
use crate::cli::show::output::print;
use crate::error::{Error, Exit};
use crate::plan::is_secret_header;
use crate::scenario::{QuickBody, QuickRequest};

/// Writes the scenario of a command into `dir`, with the files that it sends. `given` is the command, the
/// path of a file with it, or `-` for standard input.
///
/// # Errors
/// Wrong usage if the command is not understood, or files exist and `force` is not given.
pub fn run(given: &str, dir: &Path, force: bool, out: &mut dyn Write) -> Result<Exit, Error> {
    let words = given.trim_start().trim_start_matches("$ ");
    let command = match words.starts_with("curl ") {
        true => given.to_owned(),
        false => content::read_text("--from-curl", given)?,
    };
    let mut request = curl::request(&curl::split(&command)?)?;
    write_as_yaml(&mut request);
    let folder = dir.join("scenarios");
    let name = name(&request);
    let path = folder.join(format!("{name}.yaml"));
    let mut files = vec![(path.clone(), Vec::new())];
    for file in request.files_mut() {
        let content = fs::read(&*file).map_err(|source| Error::Read {
            path: file.clone(),
            source,
        })?;
        // A scenario's files are beside it.
        *file = file.file_name().map(PathBuf::from).unwrap_or_default();
        let beside = folder.join(&*file);
        match files.iter().find(|(known, _)| *known == beside) {
            Some((_, known)) if *known != content => {
                return Err(Error::usage_help(
                    format!("two files of the command are named `{}`", file.display()),
                    "rename one of them: both would be copied beside the scenario",
                ));
            }
            Some(_) => {}
            None => files.push((beside, content)),
        }
    }
    files[0].1 = text(&request, &name).into_bytes();
    let files: Vec<(PathBuf, &[u8])> = files
        .iter()
        .map(|(path, content)| (path.clone(), content.as_slice()))
        .collect();
    write_all(&files, force, out)?;
    print(out, &format!("\nnext: perfctl run {}\n", path.display()))?;
    Ok(Exit::Pass)
}

/// Writes a JSON body as YAML, which sets its content type.
fn write_as_yaml(request: &mut QuickRequest) {
    let is_json = |value: &str| value.eq_ignore_ascii_case("application/json");
    if !request.header("content-type").is_some_and(is_json) {
        return;
    }
    if let QuickBody::Text(text) = &request.body
        && let Ok(json) = serde_json::from_str(text)
    {
        request.body = QuickBody::Json(json);
        let is_type = |name: &str| name.eq_ignore_ascii_case("content-type");
        request.headers.retain(|(name, _)| !is_type(name));
    }
}

fn text(request: &QuickRequest, name: &str) -> String {
    let mut headers = request.headers.iter();
    let has_secrets = request.auth.is_some()
        || headers.any(|(name, _)| is_secret_header(&name.to_ascii_lowercase()));
    let mut text = "# Made of a curl command.\n".to_owned();
    if has_secrets {
        text += "# It holds credentials: write `{{ env.NAME }}` for them before you commit it.\n";
    }
    text + &request.to_yaml(name)
}

/// `post-orders` for `POST /orders`.
fn name(request: &QuickRequest) -> String {
    let endpoint = request.endpoint_name().to_ascii_lowercase();
    let words = endpoint.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(60).collect();
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(command: &str, dir: &Path) -> Result<String, String> {
        let mut out = Vec::new();
        run(command, dir, false, &mut out).map_err(|error| error.to_string())?;
        let said = String::from_utf8(out).unwrap();
        let path = said.lines().next().unwrap().strip_prefix("wrote ").unwrap();
        Ok(fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_command_becomes_a_scenario_that_can_be_edited() {
        let dir = tempfile::tempdir().unwrap();
        let command = "curl 'http://127.0.0.1:8000/api/orders/?dry=1' -H 'Authorization: Bearer abc' \
                       --json '{\"sku\": \"A-1\", \"quantity\": 2}'";
        let expected = r#"# Made of a curl command.
# It holds credentials: write `{{ env.NAME }}` for them before you commit it.
name: post-api-orders
host: http://127.0.0.1:8000
endpoints:
  - name: POST /api/orders/
    post: /api/orders/?dry=1
    headers:
      Authorization: Bearer abc
      accept: application/json
    json: {"sku":"A-1","quantity":2}
    max_redirects: 0
"#;
        assert_eq!(written(command, dir.path()).unwrap(), expected);
        let again = written(command, dir.path()).unwrap_err();
        assert!(again.contains("would be overwritten"), "{again}");
    }

    #[test]
    fn the_command_may_be_in_a_file_and_its_files_are_copied() {
        let dir = tempfile::tempdir().unwrap();
        let sent = dir.path().join("invoice.csv");
        fs::write(&sent, "a,b\n").unwrap();
        let command = format!("$ curl h/upload \\\n  -F f=@{}\n", sent.display());
        let file = dir.path().join("command.txt");
        fs::write(&file, command).unwrap();
        let text = written(file.to_str().unwrap(), dir.path()).unwrap();
        assert!(text.contains("f: {file: \"invoice.csv\"}"), "{text}");
        let copy = dir.path().join("scenarios/invoice.csv");
        assert_eq!(fs::read_to_string(copy).unwrap(), "a,b\n");
    }
}
