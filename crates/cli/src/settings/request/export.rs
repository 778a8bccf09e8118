//! What `export` writes.

use std::path::Path;

use chrono_tz::Tz;
use waterline_core::error::{Error, Result};
use waterline_core::text::{Zone, format_timestamp};

use super::memory_bytes;
use crate::args::{DumpFormat, ExportArgs};
use crate::settings::{Settings, absolute, parse_moment, parse_zone, read_text};

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
    let path = cwd.join(file);
    let moments = moments(&read_text(&path)?, timezone).map_err(|e| e.with("file", path.display()))?;
    let cut = |at_us| ExportCut { at_us: Some(at_us), folder: format!("{folder}/{}", format_timestamp(at_us, Zone::Utc)) };
    Ok(moments.into_iter().map(cut).collect())
}

/// The moments in the first fields of a CSV file, each once, in their order; a first line without a digit in it is a header.
pub(crate) fn moments(text: &str, timezone: Option<Tz>) -> Result<Vec<i64>> {
    let mut moments = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let field = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
        let is_header = number == 0 && !field.contains(|c: char| c.is_ascii_digit());
        if field.is_empty() || is_header {
            continue;
        }
        let moment = parse_moment(field, timezone).map_err(|e| e.with("line", number + 1))?;
        if !moments.contains(&moment) {
            moments.push(moment);
        }
    }
    if moments.is_empty() {
        return Err(Error::usage("there are no moments in the first field of any line"));
    }
    Ok(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_stand_in_the_first_field_with_or_without_a_header() {
        let expected = vec![1_762_916_400_000_000, 1_762_973_651_000_000];
        let plain = "2025-11-12T03:00:00Z\n2025-11-12T18:54:11Z,case 7\n\n2025-11-12 12:00:00+09:00\n";
        assert_eq!(moments(plain, None).unwrap(), expected);
        assert_eq!(moments(&format!("at,what\n{plain}"), None).unwrap(), expected);
        assert_eq!(moments("\"2025-11-12T03:00:00Z\"\r\n2025-11-12T18:54:11Z\r\n", None).unwrap(), expected);
        assert_eq!(moments("2025-11-12 12:00:00\n", Some(chrono_tz::Asia::Tokyo)).unwrap(), expected[..1]);
    }

    #[test]
    fn what_is_no_moment_is_named_by_its_line() {
        assert!(moments("at\n2025-11-12T03:00:00Z\nnoon\n", None).unwrap_err().to_string().contains("line 3"));
        assert!(moments("2025-11-12 03:00:00\n", None).unwrap_err().to_string().contains("line 1"));
        assert!(moments("at\n", None).is_err() && moments("", None).is_err());
    }
}
