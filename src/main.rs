//! The perfctl program. Everything it does lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let exit =
        perfctl::cli::run(std::env::args_os(), &mut std::io::stdout()).unwrap_or_else(|error| {
            eprintln!("{error}");
            error.exit()
        });
    ExitCode::from(exit.code())
}
