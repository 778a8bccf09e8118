//! The one error type: a kind that says what the user can do, and the place (file, record, field) in its context.
//!
//! A conflict of commits is not an error but a value, see [`crate::format::CommitOutcome`].

use std::error::Error as StdError;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error. The exit codes of the command line follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The input is not what it should be; mend it or quarantine the record.
    BadInput,
    /// The source's schema moved in a way that the table cannot follow.
    SchemaChange,
    /// A table, file, snapshot or column that was named does not exist.
    NotFound,
    /// The question is clear, but what is stored cannot answer it exactly.
    NotAnswerable,
    /// The command line or the configuration is wrong.
    Usage,
    /// A table uses a feature that Waterline does not support.
    Unsupported,
    /// A store or catalog cannot be reached, or a conflict was given up: try again later.
    Unavailable,
    /// What is stored contradicts itself or the format's specification.
    Corrupt,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Exit code of the process, as DESIGN.md fixes it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::BadInput | Self::SchemaChange | Self::NotFound | Self::NotAnswerable | Self::Unsupported | Self::Corrupt => 1,
            Self::Usage => 2,
            Self::Internal => 70,
            Self::Unavailable => 75,
        }
    }
}

/// A failure with its place. Never holds the value of a cell: types and names only.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), context: Vec::new(), source: None }))
    }

    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadInput, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds a place, such as `("file", path)`, `("record", number)` or `("field", name)`; the first one given is printed first.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Leaves out a place that whoever shows the error names anyway.
    #[must_use]
    pub fn without(mut self, key: &str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        self.0.context.retain(|place| (place.0, &place.1) != (key, &value));
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key} {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::internal("Arrow computation failed").caused_by(error)
    }
}
