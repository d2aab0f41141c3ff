//! `headgate`: the whole of Headgate on a laptop.

use std::process::ExitCode;

use clap::Parser;
use local::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
