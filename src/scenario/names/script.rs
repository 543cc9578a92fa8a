//! Functions of the script, as expressions call them: `js.sign(body)`.
//!
//! Here: which calls there may be. Not here: the script itself (`script`).

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::Names;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Condition, Expression, Input, InputName};
use crate::scenario::yaml::decode::{Located, list};
use crate::scenario::yaml::findings::Findings;
use crate::script::Script;

impl Names<'_> {
    /// What `path` means in an expression, if that has to do with `js`; what is wrong with its functions.
    pub(super) fn functions(
        &self,
        source: &str,
        path: &str,
    ) -> Option<Result<(InputName, Input), Diagnostic>> {
        if path.split('.').next() != Some("js") || self.value("js").is_some() {
            return None;
        }
        let Some(script) = &self.script else {
            let diagnostic = Diagnostic::new("there is no script whose functions `js` could be")
                .help("add `script: FILE.js` at the top of the scenario");
            return Some(Err(diagnostic));
        };
        let input = (("js".to_owned(), None), Input::Script(script.clone()));
        Some(check_calls(script, source).map(|()| input))
    }

    /// A call of a function of the script with the `response` and values of the user: `isFresh(response)`. Problems
    /// are reported.
    pub(crate) fn script_call(
        &self,
        text: &Located<String>,
        findings: &mut Findings,
    ) -> Option<Condition> {
        static CALL: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"^[A-Za-z_]\w*\s*\(.*\)$").expect("a fixed pattern"));
        let written = text.value.trim();
        if !CALL.is_match(written) {
            let diagnostic = Diagnostic::new("not a call of a function of the script")
                .help("write a call such as `isFresh(response)`, without braces or `js.`");
            findings.report(Some(text.at), diagnostic);
            return None;
        }
        let source = format!("js.{written}");
        let resolve = |path: &str| match path {
            "response" if self.value("response").is_none() => {
                Ok((("response".to_owned(), None), Input::Response))
            }
            path => self.input_of(&source, path),
        };
        match Expression::compile::<Diagnostic>(&source, resolve) {
            Ok(expression) => {
                let condition = Condition::new(expression);
                self.log.note_place(condition.shared_source(), text.at);
                Some(condition)
            }
            Err(mut diagnostic) => {
                diagnostic.label = diagnostic.label.map(|label| label.replace("`js.", "`"));
                if let Some(name) = diagnostic.message.strip_prefix("unknown variable `")
                    && did_you_mean(name.trim_end_matches('`'), ["response"]).is_some()
                {
                    diagnostic.label = Some("did you mean `response`?".to_owned());
                }
                findings.report(Some(text.at), diagnostic);
                None
            }
        }
    }
}

/// Whether an expression names nothing but functions of the script, and calls them.
fn check_calls(script: &Arc<Script>, source: &str) -> Result<(), Diagnostic> {
    static USE: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r#"'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\bjs\b(?:\s*\.\s*(\w+)\s*(\(?))?"#;
        Regex::new(pattern).expect("a fixed pattern")
    });
    for found in USE.captures_iter(source) {
        if found[0].starts_with(['\'', '"']) {
            continue;
        }
        let functions = || script.functions();
        let Some(name) = found.get(1).map(|name| name.as_str()) else {
            let help = format!("call one of its functions: {}", list(functions()));
            return Err(Diagnostic::new("`js` is the script, and no value").help(help));
        };
        if !script.has_function(name) {
            return Err(unknown_function(script, name, &format!("js.{name}")));
        }
        if found
            .get(2)
            .is_none_or(|parenthesis| parenthesis.is_empty())
        {
            let message = format!("`js.{name}` is a function");
            return Err(Diagnostic::new(message).help(format!("call it: `js.{name}()`")));
        }
    }
    Ok(())
}

/// The script exports no function of this name, which is written as `written`.
pub(crate) fn unknown_function(script: &Script, name: &str, written: &str) -> Diagnostic {
    let main = script.main();
    let known = match script.functions().next() {
        None => format!("export it: `export function {name}() {{ ... }}`"),
        Some(_) => format!("exported functions: {}", list(script.functions())),
    };
    let message = format!("`{main}` exports no function `{name}`");
    let diagnostic = Diagnostic::new(message).help(known);
    match did_you_mean(name, script.functions()) {
        Some(close) => {
            let close = written.replace(name, close);
            diagnostic.label(format!("did you mean `{close}`?"))
        }
        None => diagnostic,
    }
}
