//! The flags of curl that are understood.
//!
//! Here: their names, and whether they take a value. Not here: what they mean (`curl`).

/// What a flag of curl does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The method.
    Method,
    /// A header.
    Header,
    /// A body, or `@file` without its line breaks.
    Data,
    /// A body as it is, or `@file` as it is.
    DataBinary,
    /// A body as it is.
    DataRaw,
    /// A body that is percent-encoded.
    DataUrlencode,
    /// A JSON body.
    Json,
    /// A part of a form, or a file.
    Form,
    /// A text part of a form.
    FormString,
    /// The data goes into the query.
    Get,
    /// HEAD.
    Head,
    /// User name and password.
    User,
    /// A bearer token.
    Bearer,
    /// Digest authentication.
    Digest,
    /// The user agent.
    Agent,
    /// The referer.
    Referer,
    /// Cookies.
    Cookie,
    /// Redirects are followed.
    Location,
    /// How many redirects are followed.
    MaxRedirects,
    /// Certificates are not verified.
    Insecure,
    /// Compressed responses are asked for.
    Compressed,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without asking.
    Http2,
    /// The time limit of a request.
    MaxTime,
    /// The time limit of connecting.
    ConnectTimeout,
    /// The URL.
    Url,
    /// Nothing that matters to a load.
    Ignored,
    /// The same, with a value.
    IgnoredValue,
}

impl Flag {
    /// Whether it takes a value.
    pub fn takes_value(self) -> bool {
        !matches!(
            self,
            Self::Get
                | Self::Head
                | Self::Digest
                | Self::Location
                | Self::Insecure
                | Self::Compressed
                | Self::Http1
                | Self::Http2
                | Self::Ignored
        )
    }

    /// The flag of a long name, without its dashes.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut flags = FLAGS.iter();
        flags.find(|flag| flag.0 == name).map(|flag| flag.2)
    }

    /// The flag of a letter.
    pub fn of_letter(letter: char) -> Option<Self> {
        let mut flags = FLAGS.iter();
        flags.find(|flag| flag.1 == Some(letter)).map(|flag| flag.2)
    }
}

/// Name, letter, meaning.
const FLAGS: [(&str, Option<char>, Flag); 50] = [
    ("request", Some('X'), Flag::Method),
    ("header", Some('H'), Flag::Header),
    ("data", Some('d'), Flag::Data),
    ("data-ascii", None, Flag::Data),
    ("data-binary", None, Flag::DataBinary),
    ("data-raw", None, Flag::DataRaw),
    ("data-urlencode", None, Flag::DataUrlencode),
    ("json", None, Flag::Json),
    ("form", Some('F'), Flag::Form),
    ("form-string", None, Flag::FormString),
    ("get", Some('G'), Flag::Get),
    ("head", Some('I'), Flag::Head),
    ("user", Some('u'), Flag::User),
    ("oauth2-bearer", None, Flag::Bearer),
    ("basic", None, Flag::Ignored),
    ("digest", None, Flag::Digest),
    ("user-agent", Some('A'), Flag::Agent),
    ("referer", Some('e'), Flag::Referer),
    ("cookie", Some('b'), Flag::Cookie),
    ("cookie-jar", Some('c'), Flag::IgnoredValue),
    ("location", Some('L'), Flag::Location),
    ("max-redirs", None, Flag::MaxRedirects),
    ("insecure", Some('k'), Flag::Insecure),
    ("compressed", None, Flag::Compressed),
    ("http1.1", None, Flag::Http1),
    // curl uses HTTP/2 if the server offers it, and so does perfctl.
    ("http2", None, Flag::Ignored),
    ("http2-prior-knowledge", None, Flag::Http2),
    ("max-time", Some('m'), Flag::MaxTime),
    ("connect-timeout", None, Flag::ConnectTimeout),
    ("url", None, Flag::Url),
    ("silent", Some('s'), Flag::Ignored),
    ("show-error", Some('S'), Flag::Ignored),
    ("verbose", Some('v'), Flag::Ignored),
    ("include", Some('i'), Flag::Ignored),
    ("show-headers", None, Flag::Ignored),
    ("fail", Some('f'), Flag::Ignored),
    ("fail-with-body", None, Flag::Ignored),
    ("fail-early", None, Flag::Ignored),
    ("globoff", Some('g'), Flag::Ignored),
    ("no-buffer", Some('N'), Flag::Ignored),
    ("no-progress-meter", None, Flag::Ignored),
    ("progress-bar", Some('#'), Flag::Ignored),
    ("remote-name", Some('O'), Flag::Ignored),
    ("remote-header-name", Some('J'), Flag::Ignored),
    ("output", Some('o'), Flag::IgnoredValue),
    ("output-dir", None, Flag::IgnoredValue),
    ("create-dirs", None, Flag::Ignored),
    ("write-out", Some('w'), Flag::IgnoredValue),
    ("dump-header", Some('D'), Flag::IgnoredValue),
    ("stderr", None, Flag::IgnoredValue),
];
