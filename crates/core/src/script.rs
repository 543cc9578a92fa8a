//! JavaScript of scenarios: a sandbox that calls the functions that a script exports.
//!
//! Here: everything that depends on the JavaScript engine, and what scripts are given: their files, limits, global
//! functions, and the object of a user. Not here: where a scenario names functions (`scenario`), or how the requests
//! of a script are sent (`engine`).

mod budget;
mod error;
mod files;
mod globals;
mod machine;
mod modules;
mod operation;
mod response;
mod shared;
mod source;
mod user;
mod value;

pub use error::{ScriptError, take_failure};
pub use files::Limits;
pub use machine::Argument;
pub use operation::{Operation, OperationKind, RequestSpec};
pub use response::ResponseData;
pub use shared::{CallEnd, ScriptLoan, ScriptStop, listen, take_lines};
pub use source::Script;
pub use user::ScriptUser;
