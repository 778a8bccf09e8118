//! One file per command.

mod describe;
mod files;
mod history;
mod init;
mod load;
mod quarantine;
mod query;
mod status;
mod sync;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::host::Host;
use crate::settings::request::Stage;

pub(crate) async fn dispatch(cli: Cli, host: &mut Host) -> Result<(), Failure> {
    let mut context = Context::new(&cli.global, host);
    let context = &mut context;
    match cli.command {
        Command::Init(args) => init::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Describe(args) => describe::run(context, &args).await,
        Command::Files(args) => files::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Load(args) => load::run(context, &args).await,
        Command::Ingest(args) => sync::take(context, Stage::Log, &args).await,
        Command::Merge(args) => sync::take(context, Stage::Merge, &args).await,
        Command::Run(args) => sync::run(context, &args).await,
        Command::Query(args) => query::run(context, &args).await,
        Command::Quarantine(args) => quarantine::run(context, &args).await,
        Command::Add(_) | Command::Demo(_) => Err(crate::lake::not_connected().into()),
    }
}
