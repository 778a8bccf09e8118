//! What surrounds the command line: streams, working directory, environment. Passed in, so that a test can be the host.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use waterline_env::Env;

use crate::settings::Variables;

pub struct Host {
    pub stdout: Box<dyn Write + Send>,
    pub stderr: Box<dyn Write + Send>,
    /// Columns of the terminal that standard output is; `None` when it is none.
    pub terminal_width: Option<u16>,
    pub stderr_is_terminal: bool,
    pub cwd: PathBuf,
    pub variables: Variables,
    pub env: Env,
}

impl Host {
    /// The real one.
    pub fn system() -> std::io::Result<Self> {
        let stdout = std::io::stdout();
        let terminal_width = stdout.is_terminal().then(|| comfy_table::Table::new().width().unwrap_or(80));
        Ok(Self {
            stdout: Box::new(stdout),
            stderr: Box::new(std::io::stderr()),
            terminal_width,
            stderr_is_terminal: std::io::stderr().is_terminal(),
            cwd: std::env::current_dir()?,
            variables: |name| std::env::var(name).ok(),
            env: Env::system(),
        })
    }
}
