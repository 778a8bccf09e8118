//! Upkeep of tables, done: what `waterline_core::maintain` plans.

pub mod check;
pub mod compact;
mod delete;
pub mod expire;
mod needed;
pub mod rollback;
pub mod trim;
pub mod vacuum;

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Plan,
    Do,
}
