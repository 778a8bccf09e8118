//! Decides, and does no I/O: bytes, state and now come in, values go out. See ARCHITECTURE.md for the flow.

pub mod as_of;
pub mod cells;
pub mod change;
pub mod changes;
pub mod collapse;
pub mod conform;
pub mod ddl;
pub mod decode;
pub mod dump;
pub mod error;
pub mod format;
pub mod key;
pub mod locate;
pub mod moments;
pub mod normalise;
pub mod partition;
pub mod place;
pub mod positions;
pub mod record;
pub mod schema;
pub mod sequence;
pub mod table;
pub mod tag;
pub mod text;
pub mod transactions;
pub mod value;
