//! Which moments of the source a policy keeps: each one at first, then the midnights, then those that begin a month.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeZone};
use chrono_tz::Tz;

/// How long something is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    #[default]
    Never,
    ForUs(i64),
    Forever,
}

impl Keep {
    fn holds(self, age_us: i64) -> bool {
        match self {
            Self::Never => false,
            Self::ForUs(span) => age_us <= span,
            Self::Forever => true,
        }
    }
}

/// The policy of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Every moment.
    pub keep_within_us: i64,
    /// The state at each midnight.
    pub keep_daily: Keep,
    /// The state at the midnight that each month begins with.
    pub keep_monthly: Keep,
    pub timezone: Tz,
}

impl Retention {
    /// The moment up to which events need not be kept: the newest midnight that is old enough. `None` in the infinite past.
    pub fn trim_until(&self, now_us: i64) -> Option<i64> {
        let oldest = now_us.checked_sub(self.keep_within_us)?;
        self.midnight(self.day_of(oldest)?).filter(|midnight| *midnight <= oldest)
    }

    /// The moments of `(after_us, until_us]` that stay answerable without their events, oldest first.
    pub fn kept_moments(&self, after_us: i64, until_us: i64, now_us: i64) -> Vec<i64> {
        let mut moments = Vec::new();
        let Some(mut day) = self.day_of(after_us) else { return moments };
        while let Some(moment) = self.midnight(day).filter(|moment| *moment <= until_us) {
            if moment > after_us && self.keeps(moment, now_us) {
                moments.push(moment);
            }
            let Some(next) = day.checked_add_days(Days::new(1)) else { break };
            day = next;
        }
        moments
    }

    /// Whether a moment stays answerable without its events.
    pub fn keeps(&self, moment_us: i64, now_us: i64) -> bool {
        let age_us = now_us.saturating_sub(moment_us);
        let Some(day) = self.day_of(moment_us).filter(|day| self.midnight(*day) == Some(moment_us)) else { return false };
        self.keep_daily.holds(age_us) || day.day() == 1 && self.keep_monthly.holds(age_us)
    }

    fn day_of(&self, at_us: i64) -> Option<NaiveDate> {
        Some(DateTime::from_timestamp_micros(at_us)?.with_timezone(&self.timezone).date_naive())
    }

    /// The first moment of a day; where clocks skip midnight, the first one after that.
    fn midnight(&self, day: NaiveDate) -> Option<i64> {
        let first =
            (0..24).filter_map(|hour| day.and_hms_opt(hour, 0, 0)).find_map(|time| self.timezone.from_local_datetime(&time).earliest());
        first.map(|moment| moment.timestamp_micros())
    }
}

#[cfg(test)]
mod tests;
