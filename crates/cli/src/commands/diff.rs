//! `diff`: two tables, moments of a table, or dumps, row by row.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use waterline_core::as_of::Cut;
use waterline_core::ddl::Ddl;
use waterline_core::dump::DumpOptions;
use waterline_core::error::{Error, Result};
use waterline_core::format::table_schema;
use waterline_core::schema::TableSchema;
use waterline_core::table::TableName;
use waterline_engine::diff::diff;
use waterline_engine::dump::DumpTable;
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::read::{AsOfTable, LakeTable, ReadAt, SessionOptions, session};

use crate::args::DiffArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::job;
use crate::lake::open_lake;
use crate::printer::DiffView;
use crate::settings::request::{DiffRequest, DiffSide};

pub(crate) async fn run(context: &mut Context<'_>, args: &DiffArgs) -> Result<(), Failure> {
    let settings = context.settings()?;
    let request = DiffRequest::resolve(args, &settings, &context.cwd)?;
    let lake = open_lake(&settings.lake, &context.env).await?;
    let options = SessionOptions { memory_bytes: request.memory_bytes, ..SessionOptions::default() };
    let session = session(lake.catalog.clone(), &context.env, ReadAt::Head, &options)?;
    let (left, right) = open_sides(&lake, &request, &job::limits(&settings.limits)).await?;
    let keys = keys(&request, &left, &right)?;
    let report = diff(&session, left.rows, right.rows, &keys, args.limit).await?;
    context.printer.diff(&DiffView { left: &args.left, right: &args.right, report: &report })?;
    if args.exit_code && !report.is_same() { Err(Failure::Differs) } else { Ok(()) }
}

struct Side {
    rows: Arc<dyn TableProvider>,
    /// Columns and key of a table; a dump has none of its own.
    table: Option<TableSchema>,
}

/// Tables first, since the columns of dumps are those of the other side.
async fn open_sides(lake: &Lake, request: &DiffRequest, limits: &Limits) -> Result<(Side, Side)> {
    let ddl = job::ddl(&request.schema)?;
    let tables = Tables { lake, request, limits, ddl: ddl.as_ref() };
    match (&request.left, &request.right) {
        (left @ DiffSide::Dump { .. }, right) => {
            let right = tables.open(right, None, None).await?;
            Ok((tables.open(left, name(&request.right), right.table.as_ref()).await?, right))
        }
        (left, right) => {
            let left = tables.open(left, None, None).await?;
            let right = tables.open(right, name(&request.left), left.table.as_ref()).await?;
            Ok((left, right))
        }
    }
}

fn name(side: &DiffSide) -> Option<&TableName> {
    match side {
        DiffSide::Table { name, .. } => Some(name),
        DiffSide::Dump { .. } => None,
    }
}

struct Tables<'a> {
    lake: &'a Lake,
    request: &'a DiffRequest,
    limits: &'a Limits,
    ddl: Option<&'a Ddl>,
}

impl Tables<'_> {
    /// Opens a side; a dump with the columns that the DDL declares of its table, or those of the other side.
    async fn open(&self, side: &DiffSide, other: Option<&TableName>, known: Option<&TableSchema>) -> Result<Side> {
        match side {
            DiffSide::Table { name, at_us } => self.open_table(name, *at_us).await,
            DiffSide::Dump { path, format } => {
                let table = other.cloned().or_else(|| self.declared_name(path));
                let declared = table.as_ref().and_then(|table| self.ddl?.table(table));
                let computed = table.as_ref().and_then(|table| Some(self.ddl?.computed_columns(table).to_vec())).unwrap_or_default();
                let general = DumpOptions { timezone: self.request.timezone, except_columns: computed };
                let rows = DumpTable::open(self.lake, path, job::dump_format(format, general), declared.or(known)).await?;
                Ok(Side { rows, table: declared.cloned().filter(|_| known.is_none()) })
            }
        }
    }

    async fn open_table(&self, name: &TableName, at_us: Option<i64>) -> Result<Side> {
        let format = self.lake.table(name).await?;
        let state = format.head().await?;
        let schema = table_schema(&state)?;
        let rows: Arc<dyn TableProvider> = match at_us {
            Some(at_us) => {
                Arc::new(AsOfTable::open(self.lake, name, &Cut { beyond: self.request.beyond, ..Cut::at(at_us) }, self.limits).await?)
            }
            None => Arc::new(LakeTable::new(format, state, self.lake.files.clone())?),
        };
        Ok(Side { rows, table: Some(schema) })
    }

    /// The table of the DDL that a dump's file is named after, or the only one.
    fn declared_name(&self, path: &str) -> Option<TableName> {
        let file = path.trim_end_matches('/').rsplit('/').next()?;
        let stem = file.split('.').next()?;
        let names: Vec<&TableName> = self.ddl?.tables().map(|(name, _)| name).collect();
        let named = names.iter().find(|name| name.name() == stem).copied();
        named.or_else(|| names.first().copied().filter(|_| names.len() == 1)).cloned()
    }
}

/// Those that were asked for, or those of the table.
fn keys(request: &DiffRequest, left: &Side, right: &Side) -> Result<Vec<String>> {
    if let Some(keys) = &request.keys {
        return Ok(keys.clone());
    }
    match (&left.table, &right.table) {
        (Some(left), Some(right)) if left.keys() != right.keys() => {
            Err(Error::usage("the tables have other keys; say with --keys by which columns rows are matched")
                .with("left key", left.keys().join(", "))
                .with("right key", right.keys().join(", ")))
        }
        (Some(table), _) | (None, Some(table)) => Ok(table.keys().to_vec()),
        (None, None) => Err(Error::usage("nothing says by which columns the rows of two dumps are matched; say --keys")),
    }
}
