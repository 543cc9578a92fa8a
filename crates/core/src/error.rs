//! What can go wrong before, around and after a run, and the exit code each cause maps to.
//!
//! Here: [`Error`], [`Diagnostic`] (one finding in a file, with its location) and [`Exit`].
//! Not here: failures of single requests, which are results and live in `metrics`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::{fmt, io};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The exit code of the program. The table is documented in `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done, and the verdict is pass.
    Pass,
    /// An SLO was missed, a metric regressed, or `--fail-on errors` saw a failed request.
    Failed,
    /// The command line, a scenario or a profile is wrong. Nothing was sent.
    Usage,
    /// The data does not allow a verdict, or the load generator was the bottleneck (INVALID).
    Inconclusive,
    /// The run could not be started or stored, or the runs cannot be compared.
    Error,
    /// Stopped by the signal of this number; the partial report was written.
    Stopped(u8),
    /// The number given with `--exit-code-on-error`.
    Custom(u8),
}

impl Exit {
    /// The number handed to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Error => 4,
            // As a shell says it. A damaged result may name any number.
            Self::Stopped(signal) => 128u8.saturating_add(signal),
            Self::Custom(code) => code,
        }
    }
}

/// Where in a file a [`Diagnostic`] points. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the caret underlines; at least 1.
    pub length: usize,
    /// The text of that line, without its line end.
    pub source_line: String,
}

/// One finding in a file: what is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: lower case, one sentence, names in backticks.
    pub message: String,
    /// Where; `None` only when no file is involved.
    pub location: Option<Box<SourceLocation>>,
    /// The text at the caret: the next step ("did you mean `weight`?").
    pub label: Option<String>,
    /// What is allowed instead.
    pub help: Option<String>,
}

impl From<String> for Diagnostic {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl Diagnostic {
    /// A finding without location or help.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
            label: None,
            help: None,
        }
    }

    /// Adds the location.
    pub fn at(mut self, location: SourceLocation) -> Self {
        self.location = Some(Box::new(location));
        self
    }

    /// Adds the text at the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what is allowed.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn render(&self) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = match &self.location {
            None => Group::with_title(title),
            Some(location) => {
                let start = byte_offset(&location.source_line, location.column.saturating_sub(1));
                let end = byte_offset(
                    &location.source_line,
                    location.column.saturating_sub(1) + location.length.max(1),
                );
                let mut caret = AnnotationKind::Primary.span(start..end.max(start));
                if let Some(label) = &self.label {
                    caret = caret.label(label.as_str());
                }
                title.element(
                    Snippet::source(location.source_line.as_str())
                        .path(location.file.as_str())
                        .line_start(location.line)
                        .annotation(caret),
                )
            }
        };
        if self.location.is_none()
            && let Some(label) = &self.label
        {
            group = group.element(Level::HELP.message(label.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group]).to_string()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

/// The byte offset of character `index`, or the end of `line`.
fn byte_offset(line: &str, index: usize) -> usize {
    line.char_indices()
        .nth(index)
        .map_or(line.len(), |(offset, _)| offset)
}

/// Why a command could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong use of the command line.
    #[error("error: {message}{}", suffix(.help))]
    Usage {
        /// What is wrong.
        message: String,
        /// The next step.
        help: Option<String>,
    },
    /// One or more findings in scenario or profile files; all of them at once.
    #[error("{}", join(.0))]
    Invalid(Vec<Diagnostic>),
    /// The operating system refused a thread.
    #[error("error: cannot start a thread: {0}")]
    Thread(io::Error),
    /// The operating system refused what an asynchronous runtime needs.
    #[error("error: cannot start a runtime: {0}")]
    Runtime(io::Error),
    /// The set-up before the load failed, or did not end; with the reason.
    #[error(
        "error: `setup` failed: {0}\n  help: no load was sent; `perfctl try` shows its requests and \
         responses"
    )]
    Setup(String),
    /// This signal came during the set-up.
    #[error("error: stopped during `setup`; no load was sent")]
    StoppedInSetup(u8),
    /// The thread of a worker panicked, with this message, or ended without a word.
    #[error("error: a worker of perfctl died: {0}; this is a bug in perfctl, please report it")]
    WorkerDied(String),
    /// A level of a search for the capacity did not go on for as long as it was to.
    #[error("error: {message}\n  help: {help}")]
    LevelEnded {
        /// Which level, and why.
        message: String,
        /// The next step.
        help: &'static str,
    },
    /// Signals cannot be handled.
    #[error("error: cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The built-in service could not be started.
    #[error("error: cannot start the built-in service: {0}")]
    StartDemo(io::Error),
    /// The built-in service did not get its port.
    #[error(
        "error: the built-in service cannot listen on {address}: {source}\n  help: choose another \
         port with `--port`, or use any free port with `--port 0`"
    )]
    ListenDemo {
        /// The address with the port.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The page for Prometheus did not get its address.
    #[error(
        "error: `--prometheus` cannot listen on {address}: {source}\n  help: choose another port, or find \
         out who uses it"
    )]
    ListenPage {
        /// The address with the port.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The server did not get its address.
    #[error(
        "error: cannot listen on {address}: {source}\n  help: choose another address with `--listen`, \
         or any free port with `--listen 127.0.0.1:0`"
    )]
    Listen {
        /// The address with the port.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The fixed parts of an endpoint do not make a request that can be sent.
    #[error("error: {0}")]
    Request(String),
    /// No HTTP client can be made for the connections of the plan.
    #[error("error: cannot create an HTTP client: {0}")]
    HttpClient(String),
    /// The HTTP client does not accept the proxy.
    #[error("error: cannot use the proxy: {0}")]
    Proxy(String),
    /// The TLS library does not accept its configuration.
    #[error("error: cannot set up TLS: {0}")]
    Tls(String),
    /// This machine has no trusted certificates, and the plan needs some.
    #[error(
        "error: cannot read the certificates this machine trusts: {0}\n  help: install the package \
         `ca-certificates`, set `SSL_CERT_FILE` to a file of them, or name one in the scenario: \
         `tls: {{ca_file: FILE}}`"
    )]
    Certificates(String),
    /// An address that virtual users are to connect from does not belong to this machine.
    #[error("error: cannot connect from the local address {address}: {source}")]
    LocalAddress {
        /// The address.
        address: IpAddr,
        /// The cause.
        source: io::Error,
    },
    /// Something that only a mistake in perfctl itself can cause.
    #[error("error: {0}; this is a bug in perfctl, please report it")]
    Bug(&'static str),
    /// A file could not be read.
    #[error("error: cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("error: cannot write `{}`: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The directory of a run could not be created.
    #[error(
        "error: cannot store the run in `{}`: {source}\n  help: choose a directory that you can write \
         to with `--out`; in a container, mount a volume there", .path.display()
    )]
    Store {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A stored file has the wrong content.
    #[error("error: `{}` is not a usable {kind}: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it should be, such as "result", "baseline" or "journal".
        kind: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Two runs cannot be compared.
    #[error("error: not comparable: {}", .0.join("; "))]
    NotComparable(Vec<String>),
}

impl Error {
    /// Wrong usage without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: None,
        }
    }

    /// Wrong usage with the next step.
    pub fn usage_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// Joins several errors into one.
    ///
    /// # Errors
    /// All of them, if there are any.
    pub fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        if errors.len() < 2 {
            return errors.pop().map_or(Ok(()), Err);
        }
        let diagnostics = errors.into_iter().flat_map(|error| match error {
            Self::Invalid(diagnostics) => diagnostics,
            Self::Usage { message, help } => vec![Diagnostic {
                help,
                ..Diagnostic::new(message)
            }],
            other => {
                let text = other.to_string();
                vec![Diagnostic::new(text.trim_start_matches("error: "))]
            }
        });
        Err(Self::Invalid(diagnostics.collect()))
    }

    /// The exit code of this cause.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Invalid(_) => Exit::Usage,
            Self::StoppedInSetup(signal) => Exit::Stopped(*signal),
            Self::Thread(_)
            | Self::Setup(_)
            | Self::Runtime(_)
            | Self::WorkerDied(_)
            | Self::LevelEnded { .. }
            | Self::Signals(_)
            | Self::StartDemo(_)
            | Self::ListenDemo { .. }
            | Self::ListenPage { .. }
            | Self::Listen { .. }
            | Self::Request(_)
            | Self::HttpClient(_)
            | Self::Proxy(_)
            | Self::Tls(_)
            | Self::Certificates(_)
            | Self::LocalAddress { .. }
            | Self::Bug(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Store { .. }
            | Self::Unusable { .. }
            | Self::NotComparable(_) => Exit::Error,
        }
    }
}

fn suffix(help: &Option<String>) -> String {
    help.as_ref()
        .map_or_else(String::new, |help| format!("\n  help: {help}"))
}

fn join(diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics.iter().map(Diagnostic::render).collect();
    let count = match diagnostics.len() {
        0 | 1 => String::new(),
        n => format!("\n\n{n} errors"),
    };
    texts.join("\n\n") + &count
}

/// The entry of `allowed` closest to `given`, if any is close enough to be a typo.
pub fn did_you_mean<'a>(
    given: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    allowed
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(given, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_with_a_caret() {
        let diagnostic = Diagnostic::new("unknown key `wieght`")
            .at(SourceLocation {
                file: "a.yaml".into(),
                line: 7,
                column: 5,
                length: 6,
                source_line: "    wieght: 3".into(),
            })
            .label("did you mean `weight`?")
            .help("allowed: `name`, `weight`");
        let text = diagnostic.to_string();
        assert!(text.contains("a.yaml:7:5"), "{text}");
        assert!(text.contains("^^^^^^ did you mean `weight`?"), "{text}");
        assert!(text.contains("help: allowed: `name`, `weight`"), "{text}");
    }

    #[test]
    fn a_caret_past_the_end_of_a_line_or_inside_wide_text_does_not_panic() {
        for (column, source_line) in [(99, "é"), (2, "éé"), (1, ""), (0, "x")] {
            let location = SourceLocation {
                file: "a.yaml".into(),
                line: 1,
                column,
                length: 3,
                source_line: source_line.into(),
            };
            let _ = Diagnostic::new("x").at(location).to_string();
        }
    }

    #[test]
    fn suggestions_are_made_for_typos_only() {
        let keys = ["weight", "name", "timeout"];
        assert_eq!(did_you_mean("wieght", keys), Some("weight"));
        assert_eq!(did_you_mean("zzz", keys), None);
    }
}
