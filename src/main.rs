use std::process::ExitCode;

fn main() -> ExitCode {
    waterline_cli::main()
}
