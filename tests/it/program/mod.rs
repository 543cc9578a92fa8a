//! The program from outside: commands, options, output, exit codes, signals.

mod ci;
mod commands;
mod errors;
mod exit_codes;
mod gate;
mod generator;
mod nothing_lost;
mod options;
mod reports;
mod secrets;
mod signals;
