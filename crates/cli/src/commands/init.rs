//! `init`: a folder with a commented waterline.toml and an embedded catalog.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::Path;

use toml_edit::Value;
use waterline_core::error::{Error, Result};

use crate::args::{GlobalArgs, InitArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::lake::open_catalog;
use crate::settings::{FILE_NAME, Settings, plain};

const TEMPLATE: &str = include_str!("init/waterline.toml");
const WAREHOUSE: &str = "warehouse = \"warehouse\"";

pub(crate) async fn run(context: &mut Context<'_>, args: &InitArgs) -> Result<(), Failure> {
    let dir = plain(&context.cwd.join(&args.dir));
    let path = dir.join(FILE_NAME);
    if path.exists() {
        return Err(exists(&path).into());
    }
    create_dir_all(&dir).map_err(|e| Error::usage("the folder cannot be made").with("folder", dir.display()).caused_by(e))?;
    write_new(&path, &template(&args.warehouse))?;
    if let Err(error) = make_catalog(context, &path).await {
        // Without a catalog there is no lake: the next attempt starts afresh.
        let _ = std::fs::remove_file(&path);
        return Err(error.into());
    }
    context
        .printer
        .note(&format!("Made {}. Next: `waterline add PATH` for a landing area, or `waterline load TABLE DUMP --at T`.", path.display()));
    Ok(())
}

fn template(warehouse: &str) -> String {
    TEMPLATE.replace(WAREHOUSE, &format!("warehouse = {}", Value::from(warehouse).to_string().trim()))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create_new(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Error::usage("the file cannot be written").with("file", path.display()).caused_by(e),
    })?;
    file.write_all(text.as_bytes()).map_err(|e| Error::bad_input("the file cannot be written").with("file", path.display()).caused_by(e))
}

fn exists(path: &Path) -> Error {
    Error::usage("there is a configuration already, and it stays as it is").with("file", path.display())
}

async fn make_catalog(context: &Context<'_>, path: &Path) -> Result<()> {
    let global = GlobalArgs { config: Some(path.to_owned()), ..context.global.clone() };
    let settings = Settings::load(&global, &context.cwd, context.variables)?;
    open_catalog(&settings.lake, &context.env).await.map(drop)
}

#[cfg(test)]
mod tests;
