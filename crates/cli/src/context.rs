//! What every command is given.

use std::path::PathBuf;

use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, TableState};
use waterline_core::table::TableName;
use waterline_env::Env;

use crate::args::GlobalArgs;
use crate::host::Host;
use crate::lake::open_catalog;
use crate::printer::Printer;
use crate::settings::{Settings, Variables};

pub(crate) struct Context<'a> {
    pub(crate) global: &'a GlobalArgs,
    pub(crate) cwd: PathBuf,
    pub(crate) variables: Variables,
    pub(crate) env: Env,
    pub(crate) printer: Printer<'a>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: &'a GlobalArgs, host: &'a mut Host) -> Self {
        Self { global, cwd: host.cwd.clone(), variables: host.variables, env: host.env.clone(), printer: Printer::new(host, global) }
    }

    pub(crate) fn settings(&self) -> Result<Settings> {
        Settings::load(self.global, &self.cwd, self.variables)
    }

    pub(crate) async fn catalog(&self) -> Result<std::sync::Arc<dyn Catalog>> {
        open_catalog(&self.settings()?.lake, &self.env).await
    }

    /// The newest state of a table that must exist.
    pub(crate) async fn head(&self, table: &str) -> Result<TableState> {
        let name: TableName = table.parse()?;
        let table = self.catalog().await?.open(&name).await?;
        table.ok_or_else(|| Error::not_found("the catalog has no such table").with("table", &name))?.head().await
    }
}
