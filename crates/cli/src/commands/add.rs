//! `add`: looks into a landing area and writes the source that it finds into waterline.toml.

mod section;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use waterline_core::error::{Error, Result};

use crate::args::{AddArgs, DialectArg, OutputFormat};
use crate::commands::describe::type_name;
use crate::context::Context;
use crate::discover::{Discovery, TableFound, discover};
use crate::failure::Failure;
use crate::job;
use crate::settings::{Dialect, SchemaSettings, absolute, existing_files, locate, parse_editable, read_text};
use section::Section;

pub(crate) async fn run(context: &mut Context<'_>, args: &AddArgs) -> Result<(), Failure> {
    let file = locate(context.global.config.as_deref(), &context.cwd)?
        .ok_or_else(|| Error::usage("there is no waterline.toml to add a source to; `waterline init` makes one"))?;
    let paths = args.paths.iter().map(|path| absolute(path, &context.cwd)).collect::<Result<Vec<_>>>()?;
    let ddl = existing_files(&args.ddl, &context.cwd)?;
    let mut found = discover(&context.env, &paths).await?;
    declare(&mut found, args, &ddl)?;
    let section = section(args, &found, &ddl, file.parent().unwrap_or(&context.cwd));
    let mut document = parse_editable(&read_text(&file)?, &file)?;
    section.write(&mut document).map_err(|e| e.with("file", file.display()))?;
    context.printer.batch(&tables(&found)?)?;
    if args.dry_run {
        if context.printer.format() == OutputFormat::Table {
            context.printer.text(&format!("\n{section}"))?;
        }
        return Ok(());
    }
    replace(&file, &document.to_string())?;
    context.printer.note(&format!("Wrote [sources.{}] into {}. Next: `waterline run`.", section.name, file.display()));
    Ok(())
}

/// What the DDL says of a table stands above what its events look like.
fn declare(found: &mut Discovery, args: &AddArgs, ddl: &[PathBuf]) -> Result<()> {
    let dialect = args.dialect.map(Dialect::from).unwrap_or_default();
    let settings = SchemaSettings { ddl: ddl.to_vec(), dialect, columns: Vec::new() };
    let Some(declared) = job::ddl(&settings)? else { return Ok(()) };
    for (name, table) in &mut found.tables {
        let Some(schema) = declared.table(name) else { continue };
        table.keys = schema.keys().to_vec();
        table.columns = schema.fields().iter().map(|field| (field.name().clone(), Some(field.data_type().clone()))).collect();
    }
    Ok(())
}

fn section(args: &AddArgs, found: &Discovery, ddl: &[PathBuf], folder: &Path) -> Section {
    let mut patterns: Vec<String> = found.tables.keys().map(|table| format!("{}.*", table.namespace())).collect();
    patterns.dedup();
    Section {
        name: args.name.clone().or_else(|| found.source.clone()).unwrap_or_else(|| "landing".to_owned()),
        paths: found.paths.iter().map(|path| relative(path, folder)).collect(),
        format: found.format,
        tables: patterns,
        ddl: ddl.iter().map(|path| relative(&path.to_string_lossy(), folder)).collect(),
        dialect: args.dialect.map(|dialect| match dialect {
            DialectArg::Postgres => "postgres",
            DialectArg::Mysql => "mysql",
        }),
    }
}

/// A path as the file in `folder` should name it.
fn relative(path: &str, folder: &Path) -> String {
    let below = folder.to_str().and_then(|folder| path.strip_prefix(folder)).and_then(|rest| rest.strip_prefix('/'));
    below.map_or(path, |rest| rest.trim_start_matches("./")).to_owned()
}

/// One row per table.
fn tables(found: &Discovery) -> Result<RecordBatch> {
    let number =
        |value: fn(&TableFound) -> Option<u64>| -> ArrayRef { Arc::new(found.tables.values().map(value).collect::<UInt64Array>()) };
    let text = |value: fn(&TableFound) -> String| -> ArrayRef {
        Arc::new(found.tables.values().map(|table| Some(value(table))).collect::<StringArray>())
    };
    Ok(RecordBatch::try_from_iter([
        ("table", Arc::new(found.tables.keys().map(|name| Some(name.to_string())).collect::<StringArray>()) as ArrayRef),
        ("files", number(|table| table.files)),
        ("size_bytes", number(|table| table.size_bytes)),
        ("sampled_events", number(|table| Some(table.sampled_events))),
        ("keys", text(|table| table.keys.join(", "))),
        ("columns", text(columns)),
    ])?)
}

fn columns(table: &TableFound) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|(name, data_type)| format!("{name} {}", data_type.as_ref().map_or("?".into(), type_name))).collect();
    columns.join(", ")
}

/// Puts the new text in place of the file in one step.
fn replace(file: &Path, text: &str) -> Result<()> {
    let next = file.with_extension("toml.new");
    std::fs::write(&next, text)
        .and_then(|()| std::fs::rename(&next, file))
        .map_err(|e| Error::bad_input("the configuration cannot be written").with("file", file.display()).caused_by(e))
}
