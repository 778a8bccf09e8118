//! Decides, and does no I/O: bytes, state and now come in, values go out. See ARCHITECTURE.md for the flow.

pub mod change;
<<<<<<< HEAD
pub mod collapse;
pub mod conform;
pub mod error;
pub mod format;
pub mod key;
pub mod locate;
=======
pub mod ddl;
pub mod error;
pub mod format;
pub mod moments;
>>>>>>> core
pub mod partition;
pub mod record;
pub mod schema;
pub mod sequence;
pub mod table;
pub mod text;
pub mod value;
