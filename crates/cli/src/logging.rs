//! Logs on standard error. They name tables, files and fields, never the value of a cell or a secret.

use tracing_subscriber::EnvFilter;

use crate::args::GlobalArgs;
use crate::settings::Variables;

/// `RUST_LOG` decides; without it `-q`, `-v` and `-vv` do.
pub(crate) fn start(global: &GlobalArgs, variables: &Variables) {
    let filter = variables("RUST_LOG").unwrap_or_else(|| by_verbosity(global).to_owned());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr).with_target(global.verbose > 1);
    // A second command line in one process, as in tests, keeps the first one's logs.
    let _ = subscriber.try_init();
}

fn by_verbosity(global: &GlobalArgs) -> &'static str {
    match global.verbose {
        0 if global.quiet => "error",
        0 => {
            "error,waterline=warn,waterline_cli=warn,waterline_core=warn,waterline_delta=warn,waterline_engine=warn,waterline_iceberg=warn"
        }
        1 => "warn,waterline=info,waterline_core=info,waterline_delta=info,waterline_engine=info,waterline_iceberg=info",
        _ => "info,waterline=debug,waterline_core=debug,waterline_delta=debug,waterline_engine=debug,waterline_iceberg=debug",
    }
}
