//! Logs on standard error. They name tables, files and fields, never the value of a cell or a secret.

use tracing_subscriber::EnvFilter;

use crate::settings::Variables;

/// `RUST_LOG` decides; without it `-v` and `-vv` do.
pub(crate) fn start(verbose: u8, variables: &Variables) {
    let filter = variables("RUST_LOG").unwrap_or_else(|| by_verbosity(verbose).to_owned());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr).with_target(verbose > 1);
    // A second command line in one process, as in tests, keeps the first one's logs.
    let _ = subscriber.try_init();
}

fn by_verbosity(verbose: u8) -> &'static str {
    match verbose {
        0 => "error",
        1 => "warn,waterline=info,waterline_core=info,waterline_engine=info,waterline_iceberg=info",
        _ => "info,waterline=debug,waterline_core=debug,waterline_engine=debug,waterline_iceberg=debug",
    }
}
