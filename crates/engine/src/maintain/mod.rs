//! Keeping tables healthy: carries out what `waterline_core::maintain` plans.

pub mod compact;
