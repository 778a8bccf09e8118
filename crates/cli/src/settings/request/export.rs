//! What `export` writes.

use std::path::Path;

use chrono_tz::Tz;
use waterline_core::error::{Error, Result};
use waterline_core::text::{Zone, format_timestamp};

use super::memory_bytes;
use super::moments::read_moments;
use crate::args::{DumpFormat, ExportArgs};
use crate::settings::{Settings, absolute, parse_moment, parse_zone};

#[derive(Debug)]
pub(crate) struct ExportRequest {
    /// Patterns of tables; none for all of them.
    pub(crate) tables: Vec<String>,
    pub(crate) cuts: Vec<ExportCut>,
    pub(crate) format: ExportFormat,
    pub(crate) memory_bytes: usize,
}

/// What is read for one folder of files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExportCut {
    /// Microseconds since the epoch; `None` for what was merged.
    pub(crate) at_us: Option<i64>,
    /// Absolute path or URL without a slash at the end.
    pub(crate) folder: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    Parquet,
    Csv { null: String },
    JsonLines,
}

impl ExportRequest {
    pub(crate) fn resolve(args: &ExportArgs, settings: &Settings, cwd: &Path) -> Result<Self> {
        if args.allow_incomplete && args.as_of.is_none() && args.as_of_each.is_none() {
            return Err(Error::usage("--allow-incomplete is for --as-of and --as-of-each"));
        }
        let folder = absolute(&args.to, cwd)?.trim_end_matches('/').to_owned();
        Ok(Self {
            tables: args.tables.clone(),
            cuts: cuts(args, folder, parse_zone(args.timezone.as_deref())?, cwd)?,
            format: format(args)?,
            memory_bytes: memory_bytes(settings, &args.memory)?,
        })
    }
}

fn format(args: &ExportArgs) -> Result<ExportFormat> {
    if args.null.is_some() && args.format != DumpFormat::Csv {
        return Err(Error::usage("--null is for CSV only"));
    }
    Ok(match args.format {
        DumpFormat::Parquet => ExportFormat::Parquet,
        DumpFormat::Csv => ExportFormat::Csv { null: args.null.clone().unwrap_or_default() },
        DumpFormat::Jsonl => ExportFormat::JsonLines,
    })
}

fn cuts(args: &ExportArgs, folder: String, timezone: Option<Tz>, cwd: &Path) -> Result<Vec<ExportCut>> {
    let Some(file) = &args.as_of_each else {
        let moment = args.as_of.as_deref().map(|text| parse_moment(text, timezone).map_err(|e| e.with("option", "--as-of")));
        return Ok(vec![ExportCut { at_us: moment.transpose()?, folder }]);
    };
    let moments = read_moments(&cwd.join(file), timezone)?;
    let cut = |at_us| ExportCut { at_us: Some(at_us), folder: format!("{folder}/{}", format_timestamp(at_us, Zone::Utc)) };
    Ok(moments.into_iter().map(cut).collect())
}
