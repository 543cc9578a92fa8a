//! The keys of data files and secrets.
//!
//! Not here: opening them (`names::data`).

use crate::plan::{Format, Mode, OnEnd, Per};
use crate::scenario::yaml::mapping::{mapping, words};

mapping! {
    /// Where a secret comes from: exactly one of these.
    SecretFile {
        /// An environment variable, or `-e NAME=VALUE`.
        env: String,
        /// A file whose content is the secret, without a line break at its end; its path as it is, or from the scenario's folder.
        file: String,
    }
}

mapping! {
    /// A data file, and how its rows are dealt out; the path of the file alone needs no mapping.
    DataFile or file {
        /// A CSV file with a header, or a file with a JSON object on each line; in the scenario's folder or below.
        file(required): String,
        /// How it is written; by the end of its name otherwise.
        format: Format,
        /// The order of the rows; `sequential` by default.
        mode: Mode,
        /// When a user takes a row: in each `iteration` (the default), or once for the `user`.
        per: Per,
        /// What happens when there is no further row; `wrap` by default, `stop_run` with `unique`.
        on_end: OnEnd,
    }
}

words! {
    Format {
        "csv" => Self::Csv,
        "jsonl" => Self::Jsonl,
    }
}

words! {
    Mode {
        "sequential" => Self::Sequential,
        "random" => Self::Random,
        "shuffle" => Self::Shuffle,
        "unique" => Self::Unique,
    }
}

words! {
    Per {
        "iteration" => Self::Iteration,
        "user" => Self::User,
    }
}

words! {
    OnEnd {
        "wrap" => Self::Wrap,
        "stop_user" => Self::StopUser,
        "stop_run" => Self::StopRun,
    }
}
