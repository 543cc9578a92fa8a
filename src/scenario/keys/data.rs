//! The keys of data files and secrets.
//!
//! Not here: opening them (`names::data`).

use crate::plan::{DataFormat, OnEnd, Per, RowOrder};
use crate::scenario::yaml::mapping::{mapping, words};

mapping! {
    /// Source of a secret. Exactly one key.
    SecretFile {
        /// Environment variable, or `-e NAME=VALUE`.
        env: String,
        /// File whose content is the secret, without the line break at its end. A relative path starts at the scenario's folder.
        file: String,
    }
}

mapping! {
    /// A data file, and how its rows are assigned to users. Its path alone needs no mapping.
    DataFile or file {
        /// CSV file with a header, or a file with one JSON object per line, in the scenario's folder or below.
        file(required): String,
        /// DataFormat: `csv` or `jsonl`. Defaults to what the file extension says.
        format: DataFormat,
        /// Order of the rows: `sequential` (default), `random`, `shuffle` or `unique`.
        mode: RowOrder,
        /// When a user takes a row: in each `iteration` (default), or once per `user`.
        per: Per,
        /// What happens when the rows run out: `wrap` (default), `stop_user` or `stop_run` (default with `unique`).
        on_end: OnEnd,
    }
}

words! {
    DataFormat {
        "csv" => Self::Csv,
        "jsonl" => Self::Jsonl,
    }
}

words! {
    RowOrder {
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
