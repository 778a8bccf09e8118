//! How long the past of tables is kept.

use chrono_tz::Tz;
use serde::Deserialize;
use waterline_core::error::{Error, Result};
use waterline_core::maintain::retention::{Keep, Retention};

use crate::settings::amount::Span;
use crate::settings::file::Parsed;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionSection {
    pub(crate) keep_within: String,
    pub(crate) keep_daily: Option<String>,
    pub(crate) keep_monthly: Option<String>,
    pub(crate) timezone: Option<Parsed<Tz>>,
}

impl RetentionSection {
    /// `None` where everything is kept.
    pub(super) fn resolve(&self) -> Result<Option<Retention>> {
        let optional = |text: &Option<String>, key| text.as_deref().map_or(Ok(Keep::Never), |text| keep(text, key));
        let keep_within_us = match keep(&self.keep_within, "keep_within")? {
            Keep::Forever => return Ok(None),
            Keep::ForUs(span_us) => span_us,
            Keep::Never => 0,
        };
        Ok(Some(Retention {
            keep_within_us,
            keep_daily: optional(&self.keep_daily, "keep_daily")?,
            keep_monthly: optional(&self.keep_monthly, "keep_monthly")?,
            timezone: self.timezone.map_or(Tz::UTC, |zone| zone.0),
        }))
    }
}

/// A span of time, or `forever`.
fn keep(text: &str, key: &'static str) -> Result<Keep> {
    if text.trim() == "forever" {
        return Ok(Keep::Forever);
    }
    let span: Span = text.parse().map_err(|e: Error| e.with("key", key))?;
    let span_us = i64::try_from(span.0.as_micros()).map_err(|_| Error::usage("the span of time is too long").with("key", key))?;
    Ok(Keep::ForUs(span_us))
}
