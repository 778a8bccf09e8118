//! The command line: what was typed ([`args`]) becomes settings ([`settings`]), each command does one thing with them, and
//! only the printer prints.

mod args;
mod commands;
mod context;
mod discover;
mod failure;
mod host;
mod job;
mod lake;
mod logging;
mod printer;
mod selection;
pub mod settings;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use waterline_core::error::{Error, ErrorKind};

use args::Cli;
use failure::Failure;
pub use host::Host;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Host::system() {
        Ok(mut host) => ExitCode::from(run(std::env::args_os(), &mut host)),
        Err(_) => ExitCode::from(ErrorKind::Usage.exit_code()),
    }
}

/// Runs a command line, the program's name first, and gives its exit code. A panic is a fault of ours.
pub fn run(args: impl IntoIterator<Item = OsString>, host: &mut Host) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, host),
    };
    logging::start(&cli.global, &host.variables);
    let ended = catch_unwind(AssertUnwindSafe(|| block_on(commands::dispatch(cli, host))));
    let ended = ended.unwrap_or_else(|_| Err(Error::internal("Waterline failed; this is a fault of ours").into()));
    let Err(failure) = ended else { return 0 };
    if let Some(message) = failure.message() {
        // There is nobody left to tell when standard error is gone.
        let _ = writeln!(host.stderr, "error: {message}");
    }
    failure.exit_code()
}

/// Help and version are results; everything else that clap has to say is a usage error.
fn explain(error: &clap::Error, host: &mut Host) -> u8 {
    let text = error.render();
    let terminal = if error.use_stderr() { host.stderr_is_terminal } else { host.terminal_width.is_some() };
    let stream = if error.use_stderr() { &mut host.stderr } else { &mut host.stdout };
    let _ = if terminal { write!(stream, "{}", text.ansi()) } else { write!(stream, "{text}") };
    if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 }
}

/// The one place that makes a runtime. Work that is still open when a command has ended is not waited for.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::unavailable("cannot start threads").caused_by(e))?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}
