//! The perfctl program. Everything it does lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Both strip colors where they are not wanted: in a file, a pipe, or under NO_COLOR.
    let mut out = anstream::stdout();
    let mut errors = anstream::stderr();
    perfctl::engine::report_panics(perfctl::report::live::tell_of_panic);
    let exit = perfctl::cli::main(std::env::args_os(), &mut out, &mut errors);
    ExitCode::from(exit.code())
}
