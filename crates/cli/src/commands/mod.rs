//! One file per command.

mod add;
mod changes;
mod check;
mod compact;
mod demo;
mod describe;
mod diff;
mod expire;
mod export;
mod files;
mod history;
mod init;
mod load;
mod maintain;
mod quarantine;
mod query;
mod rollback;
mod status;
mod sync;
mod tag;
mod upkeep;
mod vacuum;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::host::Host;
use crate::settings::request::Stage;

pub(crate) async fn dispatch(Cli { global, command }: Cli, host: &mut Host) -> Result<(), Failure> {
    let context = |host| Context::new(&global, host);
    match command {
        Command::Init(args) => init::run(&mut context(host), &args).await,
        Command::Add(args) => add::run(&mut context(host), &args).await,
        Command::Load(args) => load::run(&mut context(host), &args).await,
        Command::Ingest(args) => sync::take(&mut context(host), Stage::Log, &args).await,
        Command::Merge(args) => sync::take(&mut context(host), Stage::Merge, &args).await,
        Command::Run(args) => sync::run(&mut context(host), &args).await,
        Command::Query(args) => query::run(&mut context(host), &args).await,
        Command::Changes(args) => changes::run(&mut context(host), &args).await,
        Command::Check(args) => check::run(&mut context(host), &args).await,
        Command::Compact(args) => compact::run(&mut context(host), &args).await,
        Command::Diff(args) => diff::run(&mut context(host), &args).await,
        Command::Export(args) => export::run(&mut context(host), &args).await,
        Command::Tag(args) => tag::run(&mut context(host), &args).await,
        Command::History(args) => history::run(&mut context(host), &args).await,
        Command::Describe(args) => describe::run(&mut context(host), &args).await,
        Command::Files(args) => files::run(&mut context(host), &args).await,
        Command::Status(args) => status::run(&mut context(host), &args).await,
        Command::Quarantine(args) => quarantine::run(&mut context(host), &args).await,
        Command::Expire(args) => expire::run(&mut context(host), &args).await,
        Command::Vacuum(args) => vacuum::run(&mut context(host), &args).await,
        Command::Rollback(args) => rollback::run(&mut context(host), &args).await,
        Command::Maintain(args) => maintain::run(&mut context(host), &args).await,
        Command::Demo(args) => demo::run(host, &global, &args).await,
    }
}
