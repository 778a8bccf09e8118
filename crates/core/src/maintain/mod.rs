//! Upkeep of tables, planned: from a state, a policy and now to what is to be done. `waterline-engine` carries it out.

pub mod check;
pub mod compact;
pub mod cut;
pub mod expire;
pub mod retention;
pub mod rollback;
pub mod root;
pub mod vacuum;
