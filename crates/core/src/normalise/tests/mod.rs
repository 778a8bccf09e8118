//! Normalising, by the events of real databases and by small made ones.

mod fixtures;
mod replay;
