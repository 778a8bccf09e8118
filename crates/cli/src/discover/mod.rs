//! Looks into a landing area: which tables its files hold, how their records are written, and what they are keyed by.
//! Reads the beginning of a file per folder, never everything.

mod landing;
mod record;
mod sample;

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use waterline_core::decode::{ChangeFormat, DecodeSettings, Decoder, Message, PlainFields};
use waterline_core::error::{Error, Result};
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_env::Env;

use crate::settings::file::ChangeFormatName;
use landing::{Folder, list};
use record::Observed;
use sample::read_records;

/// What a landing area holds.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// Of the events, where they give one.
    pub(crate) source: Option<String>,
    pub(crate) format: ChangeFormatName,
    /// Absolute; with `{table}` where every folder is named after its table.
    pub(crate) paths: Vec<String>,
    pub(crate) tables: BTreeMap<TableName, TableFound>,
}

#[derive(Debug, Default)]
pub(crate) struct TableFound {
    /// Unknown where files hold many tables.
    pub(crate) files: Option<u64>,
    pub(crate) size_bytes: Option<u64>,
    /// Changes among the records that were read.
    pub(crate) sampled_events: u64,
    pub(crate) keys: Vec<String>,
    /// Names and the types that the table would get; in the table's order. A type is unknown while only nulls were
    /// seen.
    pub(crate) columns: Vec<(String, Option<DataType>)>,
}

impl TableFound {
    fn observe(&mut self, observed: Observed, types: Option<&TableSchema>) {
        self.sampled_events += 1;
        if self.keys.is_empty() {
            self.keys = observed.keys;
        }
        let type_of = |name: &str| types.and_then(|types| types.fields().get(types.index_of(name)?)).map(|field| field.data_type().clone());
        let typed: Vec<String> = types.into_iter().flat_map(TableSchema::fields).map(|field| field.name().clone()).collect();
        let untyped = observed.columns.into_iter().filter(|name| !typed.contains(name)).collect();
        for name in [typed.clone(), untyped].concat() {
            let data_type = type_of(&name);
            match self.columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = known.take().or(data_type),
                None => self.columns.push((name, data_type)),
            }
        }
    }
}

/// `paths` are absolute.
pub(crate) async fn discover(env: &Env, paths: &[String]) -> Result<Discovery> {
    let mut found = Discovery { source: None, format: ChangeFormatName::DebeziumJson, paths: Vec::new(), tables: BTreeMap::new() };
    let mut formats = Vec::new();
    for path in paths {
        for folder in list(env, path).await? {
            let tables = found.look_into(&folder, &mut formats).await?;
            found.add_path(path, &folder, &tables);
        }
    }
    formats.dedup();
    match formats.as_slice() {
        [] => Err(Error::bad_input("no change events were found").with("path", paths.join(", "))),
        [format] => Ok(Discovery { format: *format, ..found }),
        _ => Err(Error::bad_input("the paths hold events of two formats; add them one by one").with("path", paths.join(", "))),
    }
}

impl Discovery {
    /// Samples a folder, and gives the tables in it.
    async fn look_into(&mut self, folder: &Folder, formats: &mut Vec<ChangeFormatName>) -> Result<Vec<TableName>> {
        let mut tables = Vec::new();
        let mut decoders = Decoders::default();
        for line in read_records(&folder.first).await? {
            let observed = record::observe(&line).map_err(|e| e.with("file", &folder.first.shown))?;
            let Some(observed) = observed else { continue };
            let table = observed.table.clone().or_else(|| folder.table_of_name());
            let table = table.ok_or_else(|| {
                Error::bad_input("the events do not name their table, and the folder is not named after one")
                    .with("file", &folder.first.shown)
            })?;
            self.source = self.source.take().or_else(|| observed.source.clone());
            formats.push(observed.format);
            if !tables.contains(&table) {
                tables.push(table.clone());
            }
            let types = decoders.types(observed.format, &line);
            self.tables.entry(table).or_default().observe(observed, types.as_ref());
        }
        if let [table] = tables.as_slice() {
            let found = self.tables.entry(table.clone()).or_default();
            *found.files.get_or_insert(0) += folder.files;
            *found.size_bytes.get_or_insert(0) += folder.size_bytes;
        }
        Ok(tables)
    }

    fn add_path(&mut self, path: &str, folder: &Folder, tables: &[TableName]) {
        let path = match tables {
            [] => return,
            [table] => folder.template(table).unwrap_or_else(|| path.to_owned()),
            _ => path.to_owned(),
        };
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }
}

/// Reads records as a job would, to see the types that their tables would get.
#[derive(Default)]
struct Decoders {
    debezium: Option<Decoder>,
    plain: Option<Decoder>,
}

impl Decoders {
    /// `None` where the record cannot be read: a job will say why.
    fn types(&mut self, format: ChangeFormatName, line: &[u8]) -> Option<TableSchema> {
        let (decoder, format) = match format {
            ChangeFormatName::DebeziumJson => (&mut self.debezium, ChangeFormat::DebeziumJson),
            ChangeFormatName::PlainJson => (&mut self.plain, ChangeFormat::Plain(PlainFields::default())),
            ChangeFormatName::DebeziumAvro => return None,
        };
        if decoder.is_none() {
            *decoder = Decoder::new(DecodeSettings::new(format)).ok();
        }
        let Ok(Message::Change(change)) = decoder.as_mut()?.decode(line.trim_ascii_end()) else { return None };
        change.schema().ok()?.or_else(|| change.inferred_schema().ok())
    }
}

#[cfg(test)]
mod tests;
