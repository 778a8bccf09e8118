//! `quarantine`: the records that were put aside.

use waterline_core::error::Result;
use waterline_core::table::TableName;

use crate::args::{QuarantineArgs, QuarantineCommand};
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::not_connected;

pub(crate) async fn run(context: &mut Context<'_>, args: &QuarantineArgs) -> Result<(), Failure> {
    let _catalog = context.catalog().await?;
    match &args.command {
        QuarantineCommand::List(args) => list(args.table.parse()?).await?,
        QuarantineCommand::Retry(args) => retry(args.table.parse()?).await?,
        QuarantineCommand::Drop(args) => forget(args.table.parse()?).await?,
    }
    Ok(())
}

async fn list(_table: TableName) -> Result<()> {
    Err(not_connected())
}

async fn retry(_table: TableName) -> Result<()> {
    Err(not_connected())
}

async fn forget(_table: TableName) -> Result<()> {
    Err(not_connected())
}
