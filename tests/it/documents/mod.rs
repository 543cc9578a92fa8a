//! README and `docs/` held to the program.

mod docs;
mod examples;
