//! How a command ends when it does not succeed.

use std::io;

use waterline_core::error::{Error, ErrorKind};

#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told to the user.
    Error(Error),
    /// Already told: tables that failed stand in the report.
    Reported(ErrorKind),
    /// Two sides differ, and the user wants the exit code to say so.
    Differs,
    /// Results could not be written to standard output.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Error(error) => error.kind().exit_code(),
            Self::Reported(kind) => kind.exit_code(),
            Self::Differs => 1,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => 1,
        }
    }

    /// What to say; nothing when the reader of a pipe has gone or the user knows.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Error(error) => Some(error.to_string()),
            Self::Output(error) if error.kind() != io::ErrorKind::BrokenPipe => Some(format!("cannot write to standard output: {error}")),
            Self::Output(_) | Self::Reported(_) | Self::Differs => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
