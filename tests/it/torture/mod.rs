//! Servers that misbehave, and how every client of perfctl must handle them: one outcome for each
//! request, nothing sent twice, memory bounded. The numbers are those of the rows in
//! `docs/measurement.md`.

mod cases;
mod fuzz;
mod http2;
mod keep_alive;
mod machine;
mod play;
mod rows;
mod tls;
