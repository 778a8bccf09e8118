//! Keeping tables healthy: functions from a state and a policy to a plan, so that a dry run prints what would be done.

pub mod check;
pub mod compact;
