//! What `diff` compares.

use std::path::Path;

use chrono_tz::Tz;
use waterline_core::as_of::Beyond;
use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;

use super::{DumpFormat, dump_format, format_by_name, has_options, memory_bytes};
use crate::args::{CsvArgs, DiffArgs};
use crate::settings::{SchemaSettings, Settings, absolute, parse_moment, parse_zone};

#[derive(Debug)]
pub(crate) struct DiffRequest {
    pub(crate) left: DiffSide,
    pub(crate) right: DiffSide,
    /// Columns by which rows are matched, where they are said.
    pub(crate) keys: Option<Vec<String>>,
    /// What declares the columns of dumps.
    pub(crate) schema: SchemaSettings,
    /// What moments without an offset mean in dumps.
    pub(crate) timezone: Option<Tz>,
    /// What a moment gets for which events may still arrive.
    pub(crate) beyond: Beyond,
    pub(crate) memory_bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiffSide {
    /// A table now, or at a moment in microseconds since the epoch.
    Table { name: TableName, at_us: Option<i64> },
    /// A path or URL.
    Dump { path: String, format: DumpFormat },
}

impl DiffRequest {
    pub(crate) fn resolve(args: &DiffArgs, settings: &Settings, cwd: &Path) -> Result<Self> {
        let timezone = parse_zone(args.timezone.as_deref())?;
        let left = side(&args.left, args, timezone, cwd)?;
        let right = side(&args.right, args, timezone, cwd)?;
        let is_csv = |side: &DiffSide| matches!(side, DiffSide::Dump { format: DumpFormat::Csv(_), .. });
        if has_options(&args.csv) && !is_csv(&left) && !is_csv(&right) {
            return Err(Error::usage("--null, --delimiter, --quote and --no-header are for CSV only"));
        }
        let source = [&left, &right].into_iter().find_map(|side| match side {
            DiffSide::Table { name, .. } => settings.sources.values().find(|source| source.feeds(name)),
            DiffSide::Dump { .. } => None,
        });
        Ok(Self {
            keys: args.schema.keys.clone(),
            schema: SchemaSettings::default().overlaid(&args.schema, cwd)?,
            timezone: timezone.or_else(|| source.and_then(|source| source.timezone)),
            beyond: if args.allow_incomplete { Beyond::AsLogged } else { Beyond::Refuse },
            memory_bytes: memory_bytes(settings, &args.memory)?,
            left,
            right,
        })
    }
}

/// A path has a slash or the ending of a dump, or is there; everything else is a table.
fn side(text: &str, args: &DiffArgs, timezone: Option<Tz>, cwd: &Path) -> Result<DiffSide> {
    let is_path = text.contains('/') || format_by_name(text).is_some() || cwd.join(text).exists();
    if is_path {
        let named = args.format.or_else(|| format_by_name(text));
        let not_csv = CsvArgs { null: None, delimiter: None, quote: None, no_header: false };
        let csv = if named == Some(crate::args::DumpFormat::Csv) { &args.csv } else { &not_csv };
        return Ok(DiffSide::Dump { path: absolute(text, cwd)?, format: dump_format(named, csv, text)? });
    }
    let (name, moment) = text.split_once('@').map_or((text, None), |(name, moment)| (name, Some(moment)));
    let name = name.parse().map_err(|e: Error| e.with("hint", "a side is TABLE, TABLE@T or the path of a dump"))?;
    Ok(DiffSide::Table { name, at_us: moment.map(|moment| parse_moment(moment, timezone)).transpose()? })
}
