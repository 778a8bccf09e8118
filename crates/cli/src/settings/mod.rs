//! What the command line, waterline.toml and the environment mean together: resolved values, ready for the engine.
//! Paths are absolute here, moments are microseconds, names are checked.

mod amount;
mod catalog;
mod expand;
pub(crate) mod file;
mod pattern;
mod place;
pub mod request;
mod retention;
mod source;
mod table;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use chrono_tz::Tz;
use waterline_core::error::{Error, Result};
use waterline_core::maintain::retention::Retention;
use waterline_core::moments::DumpMoment;
pub(crate) use waterline_core::moments::{parse_dump_moment, parse_moment};
use waterline_core::table::TableName;

pub use amount::Secret;
pub use catalog::CatalogSettings;
pub use expand::Variables;
pub(crate) use expand::parse_editable;
pub use pattern::TablePattern;
pub(crate) use source::existing_files;
pub use source::{ChangeFormat, Dialect, OnError, SchemaSettings, SourceSettings};
pub use table::{Limits, TableFormatKind, TableSettings};

use crate::args::GlobalArgs;
use file::File;

/// Name of the configuration file.
pub(crate) const FILE_NAME: &str = "waterline.toml";

/// Where tables are.
#[derive(Clone, Debug)]
pub struct LakeSettings {
    pub catalog: CatalogSettings,
    /// Delta tables outside of the warehouse, as URLs or absolute paths.
    pub locations: BTreeMap<TableName, String>,
}

/// The whole configuration.
#[derive(Debug)]
pub struct Settings {
    pub lake: LakeSettings,
    pub limits: Limits,
    /// Of tables that are made, where nothing else is said.
    pub table_format: TableFormatKind,
    /// By name.
    pub sources: BTreeMap<String, SourceSettings>,
    pub tables: BTreeMap<TableName, TableSettings>,
    /// Of tables that have none of their own.
    pub retention: Option<Retention>,
}

impl Settings {
    /// Reads the file that the arguments name or that is nearest to the working directory.
    pub(crate) fn load(global: &GlobalArgs, cwd: &Path, variables: Variables) -> Result<Self> {
        match locate(global.config.as_deref(), cwd)? {
            Some(path) => Self::read(&path, global.catalog.as_deref(), cwd, variables),
            None => Self::resolve(File::default(), global.catalog.as_deref(), cwd, cwd),
        }
    }

    fn read(path: &Path, catalog: Option<&str>, cwd: &Path, variables: Variables) -> Result<Self> {
        let text = read_text(path)?;
        let folder = path.parent().unwrap_or(cwd);
        Self::resolve(File::parse(&text, path, variables)?, catalog, folder, cwd).map_err(|e| e.with("file", path.display()))
    }

    fn resolve(file: File, catalog: Option<&str>, folder: &Path, cwd: &Path) -> Result<Self> {
        let catalog = match catalog {
            Some(uri) => CatalogSettings::from_uri(uri, file.catalog, folder, cwd)?,
            None => CatalogSettings::from_section(file.catalog.ok_or_else(no_catalog)?, folder)?,
        };
        let limits = Limits::default().overlaid(&file.limits);
        let table_format = file.table_format.map(TableFormatKind::from).unwrap_or_default();
        let mut sources = BTreeMap::new();
        for (name, section) in file.sources {
            let source = SourceSettings::from_section(&name, section, limits, table_format, folder).map_err(|e| e.with("source", &name))?;
            sources.insert(name, source);
        }
        let retention = file.retention.map_or(Ok(None), |section| section.resolve())?;
        let mut tables = BTreeMap::new();
        for (name, section) in file.tables {
            let table = TableSettings::from_section(section, retention, folder).map_err(|e| e.with("table", &name))?;
            tables.insert(name, table);
        }
        let lake = LakeSettings { catalog, locations: locations(&tables)? };
        Ok(Self { lake, limits, table_format, sources, tables, retention })
    }

    /// What the file says of a table; the default where it says nothing.
    pub fn table(&self, name: &TableName) -> TableSettings {
        let other = || TableSettings { retention: self.retention, ..TableSettings::default() };
        self.tables.get(name).cloned().unwrap_or_else(other)
    }
}

/// Fails where two tables are said to be one.
fn locations(tables: &BTreeMap<TableName, TableSettings>) -> Result<BTreeMap<TableName, String>> {
    let mut locations: BTreeMap<TableName, String> = BTreeMap::new();
    for (name, location) in tables.iter().filter_map(|(name, table)| Some((name, table.location.as_ref()?))) {
        if let Some((other, _)) = locations.iter().find(|(_, known)| *known == location) {
            return Err(Error::usage("two tables have the same location").with("table", name).with("table", other));
        }
        locations.insert(name.clone(), location.clone());
    }
    Ok(locations)
}

/// Milliseconds of `7d`, `1h30m`.
pub(crate) fn span_ms(text: &str) -> Result<i64> {
    let span: amount::Span = text.parse()?;
    i64::try_from(span.0.as_millis()).map_err(|_| Error::usage("the span of time is too long").with("text", text))
}

fn no_catalog() -> Error {
    Error::usage("no catalog is configured; `waterline init` makes a waterline.toml, or name one with --config or --catalog")
}

/// The configuration file: the one named, or the nearest above `cwd`.
pub(crate) fn locate(explicit: Option<&Path>, cwd: &Path) -> Result<Option<PathBuf>> {
    if let Some(path) = explicit {
        let path = plain(&cwd.join(path));
        let path = if path.is_dir() { path.join(FILE_NAME) } else { path };
        return if path.is_file() {
            Ok(Some(path))
        } else {
            Err(Error::usage("the configuration file does not exist").with("file", path.display()))
        };
    }
    Ok(cwd.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file()))
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Error::usage("the file cannot be read as UTF-8 text").with("file", path.display()).caused_by(e))
}

/// A path made absolute from `folder`, `.` and `..` resolved by name; a URL as it is.
pub(crate) fn absolute(location: &str, folder: &Path) -> Result<String> {
    if location.contains("://") {
        return Ok(location.to_owned());
    }
    let path = plain(&folder.join(location.strip_prefix("file:").unwrap_or(location)));
    path.to_str().map(str::to_owned).ok_or_else(|| Error::usage("the path is not UTF-8").with("path", path.display()))
}

/// The path without `.` and `..`.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

pub(crate) fn parse_zone(name: Option<&str>) -> Result<Option<Tz>> {
    name.map(|name| {
        name.parse().map_err(|_| Error::usage("not a time zone; write a name such as Asia/Tokyo or UTC").with("time zone", name))
    })
    .transpose()
}

#[cfg(test)]
mod tests;
