//! Delta Lake tables behind the seam of `waterline_core::format`. Protocol matters only: data files are Parquet and are the
//! engine's. All bytes go through the stores of [`waterline_env::Env`], and nothing is ever deleted.
//!
//! | part | what it does |
//! |---|---|
//! | `actions` | the actions of the log, as commit files and checkpoints hold them |
//! | `log`, `checkpoint`, `replay`, `snapshot`, `scan` | from the files of the log to a version of the table and its files |
//! | `history`, `past` | what each version did, and when |
//! | `schema`, `partition`, `statistics`, `rules`, `table_metadata` | from Delta's words to the seam's, and back |
//! | `features` | what is read and written; everything else is refused by name |
//! | `vector`, `z85`, `paths` | deletion vectors, and how the log names files |
//! | `ledger` | properties, tags and snapshots aside, which Delta has no place for |
//! | `commit`, `totals`, `aside`, `rollback`, `settle`, `evolve` | new versions, submitted and settled |
//! | `expire`, `reach` | versions that are forgotten, and the files that are needed |
//! | `catalog`, `create`, `table` | tables by folder, and the two traits |

mod actions;
mod aside;
mod catalog;
mod checkpoint;
mod commit;
mod create;
mod evolve;
mod expire;
mod features;
mod history;
mod interval;
mod ledger;
mod log;
mod partition;
mod past;
mod paths;
mod reach;
mod replay;
mod rollback;
mod rules;
mod scan;
mod schema;
mod settle;
mod snapshot;
mod state;
mod statistics;
mod table;
mod table_metadata;
mod totals;
mod vector;
mod z85;

pub use catalog::DeltaCatalog;

#[cfg(test)]
mod tests;
