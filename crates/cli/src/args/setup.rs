//! Arguments of `init`, `add` and `demo`.

use std::path::PathBuf;

use clap::Args;

use crate::args::load::DialectArg;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder of the lake; made when it is not there
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where tables are kept: a path, or the URL of an object store
    #[arg(long, value_name = "PATH_OR_URL", default_value = "warehouse")]
    pub(crate) warehouse: String,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Folders or files of change events, such as landing/
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Name of the source [default: the name that the events give, else the folder's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// SQL file with the CREATE TABLE statements of the source; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) ddl: Vec<PathBuf>,
    /// SQL dialect of the DDL
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<DialectArg>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder to make; it must be empty or not there
    #[arg(default_value = "waterline-demo")]
    pub(crate) dir: PathBuf,
}
