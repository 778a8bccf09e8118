//! Values from text and back, exactly: decimals, dates, times and timestamps in ISO 8601 and in PostgreSQL's notation.
//!
//! Nothing is rounded: a digit that the target cannot hold makes the value `None`. Dates are days, times and timestamps
//! microseconds, in the proleptic Gregorian calendar. `infinity` and `-infinity` are the extremes of the integer
//! ([`DATE_INFINITY`], [`TIMESTAMP_INFINITY`] and their negatives), which no finite value takes.

mod bound;
mod calendar;
mod cursor;
mod decimal;
mod print;
#[cfg(test)]
mod tests;
mod time;

pub use bound::cut_upwards;
pub use decimal::parse_decimal;
pub use print::{Zone, format_date, format_decimal, format_time, format_timestamp};
pub use time::{HasOffset, parse_date_days, parse_time_us, parse_timestamp_us};

pub const DATE_INFINITY: i32 = i32::MAX;
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;

pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;
