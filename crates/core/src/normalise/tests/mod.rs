//! Normalising, by the events of real databases and by small made ones.

mod bad_input;
mod fixtures;
mod made;
mod modes;
mod mysql;
mod replay;
mod rules;
mod values;
