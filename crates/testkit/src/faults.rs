//! A store that fails on command. A [`FaultPlan`] counts every operation on the stores that share it, and decides which
//! of them fail, and how: by script, by seed, or by a crash after which nothing works until the process starts again.
//!
//! Torn writes hit plain puts only: conditional writes and finished uploads are whole or absent on every store that we
//! write to, so there `Torn` is `Before`.

mod plan;
mod store;
#[cfg(test)]
mod tests;
mod upload;

pub use plan::{FaultPlan, Rule, Step};
pub use store::{FaultyStore, FaultyStores};

/// What is asked of a store; each is one step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Put,
    /// A put that must not find an object.
    Create,
    /// A put that must find a certain version.
    Update,
    StartUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    Get,
    List,
    Delete,
    Copy,
    /// A catalog moves a table to its next version without a store; see [`FaultPlan::begin`].
    Swap,
}

impl Operation {
    /// Whether it leaves something behind.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List)
    }
}

/// How an operation fails. Timeouts and throttling look like [`Fault::Before`] or [`Fault::After`] to the caller: an
/// error that does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens.
    Before,
    /// It happens, but the answer is an error.
    After,
    /// An error; a put, create or delete happens when so many more operations have begun.
    Late { steps: u64 },
    /// Half of the bytes are written, or read.
    Torn,
    /// A create that landed and says that the object exists, as after a retry of the client's own.
    ExistsThoughOurs,
    /// A create that did nothing and says that the object exists.
    ExistsThoughAbsent,
    /// A create that works whether the object exists or not, as on stores that pass over the condition.
    Unconditional,
    /// A list that does not show what was written in the last so many steps.
    Stale { steps: u64 },
}

/// When a crash strikes inside the operation that it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Before,
    After,
    /// As [`Fault::Torn`].
    Torn,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Before, Self::After, Self::Torn];

    fn fault(self) -> Fault {
        match self {
            Self::Before => Fault::Before,
            Self::After => Fault::After,
            Self::Torn => Fault::Torn,
        }
    }
}
