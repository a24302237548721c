//! The `bellwether` binary.

use std::process::ExitCode;

use clap::Parser;

/// Service-health events in; the right people told, in time, and nothing lost.
#[derive(Parser)]
enum Command {
    Demo(bellwether::cli::demo::Demo),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Command::Demo(options) = Command::parse();
    bellwether::cli::demo::run(options).await
}
