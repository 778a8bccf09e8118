//! Keeping tables healthy: carries out what `waterline_core::maintain` plans.

pub mod check;
pub mod compact;
