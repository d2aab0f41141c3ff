//! The command line of `headgate`.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Parser, Subcommand, ValueEnum};
use common::clock::Clock;
use common::telemetry;

use crate::store::Opens;
use crate::validate::Style;
use crate::{demo, execute, serve, validate};

mod data;
mod plan;

/// The input, its data or a template is wrong (`EX_DATAERR`).
const DATA: u8 = 65;

/// Data pipelines for many tenants: onboard, trigger within a plan, run, check, answer.
#[derive(Debug, Parser)]
#[command(name = "headgate", version, arg_required_else_help = false)]
pub struct Cli {
    /// What to do; without it, the demo
    #[command(subcommand)]
    command: Option<Command>,
    /// Which log lines go to stderr, such as info or debug,common=info
    #[arg(long, global = true, env = "HEADGATE_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look; text on a terminal and JSON elsewhere unless given
    #[arg(long, global = true, env = "HEADGATE_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How a command's answer is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// For a person
    Text,
    /// For a program
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show everything once: onboard a tenant, trigger a pipeline, check its result
    Demo(demo::Args),
    /// Serve all routes on 127.0.0.1
    Serve(serve::Args),
    /// Run the execution that the standard input names; `serve --isolate` starts it
    #[command(hide = true)]
    Execute(execute::Args),
    /// Run a GoogleSQL query over a data folder
    Query(data::QueryArgs),
    /// Load a CSV, NDJSON or Parquet file into a table
    Load(data::LoadArgs),
    /// Check templates
    Validate {
        /// Files or folders; `configs` unless given
        paths: Vec<PathBuf>,
        /// How findings are printed
        #[arg(long, value_enum, default_value_t = Shape::Text)]
        format: Shape,
    },
    /// Show what a run would do, without doing it
    Plan(plan::Args),
}

impl Cli {
    /// Does what was asked; `opens` brings BigQuery, in a build that has it.
    pub async fn run(self, opens: Option<Opens>) -> ExitCode {
        let command = self.command.unwrap_or_else(|| Command::Demo(demo::Args::default()));
        let logging = Logging::of(&command, self.log, self.log_format);
        if let Err(error) = logging.start() {
            return failed(&error.into());
        }
        let done = match command {
            Command::Demo(args) => demo::run(&args).await.map(passed),
            Command::Serve(args) => {
                serve::run(args, &logging, opens).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Execute(args) => Ok(execute::run(&args).await.code().into()),
            Command::Query(args) => data::query(&args).await.map(|()| ExitCode::SUCCESS),
            Command::Load(args) => data::load(&args).await.map(|()| ExitCode::SUCCESS),
            Command::Validate { paths, format } => {
                let out = &mut std::io::stdout().lock();
                let style = match format {
                    Shape::Text => Style::Text { colour: out.is_terminal() },
                    Shape::Json => Style::Json,
                };
                validate::run(&paths, style, out).map(passed).map_err(Into::into)
            }
            Command::Plan(args) => plan::run(&args).await.map(passed),
        };
        done.unwrap_or_else(|error| failed(&error))
    }
}

fn passed(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { DATA.into() }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "headgate: {error:#}");
    ExitCode::FAILURE
}

/// How this process logs; its children log alike.
#[derive(Debug, Clone)]
pub struct Logging {
    filter: String,
    format: LogFormat,
}

impl Logging {
    fn of(command: &Command, filter: Option<String>, format: Option<LogFormat>) -> Self {
        let quiet = match command {
            Command::Serve(_) | Command::Execute(_) => "info",
            Command::Demo(_)
            | Command::Query(_)
            | Command::Load(_)
            | Command::Validate { .. }
            | Command::Plan(_) => "warn",
        };
        let of_stderr = || {
            let text = std::io::stderr().is_terminal();
            if text { LogFormat::Text } else { LogFormat::Json }
        };
        Self {
            filter: filter.unwrap_or_else(|| quiet.to_owned()),
            format: format.unwrap_or_else(of_stderr),
        }
    }

    fn start(&self) -> Result<(), telemetry::InitError> {
        telemetry::init(telemetry::Options {
            format: match self.format {
                LogFormat::Text => telemetry::Format::Text,
                LogFormat::Json => telemetry::Format::Json,
            },
            writer: Arc::new(Mutex::new(std::io::stderr())),
            filter: self.filter.clone(),
            project: None,
            service: None,
            clock: Clock::system(),
        })
    }

    /// The same as arguments.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let format = match self.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        vec![format!("--log={}", self.filter).into(), format!("--log-format={format}").into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_told_to_log_as_its_parent_does() {
        for format in ["text", "json"] {
            let logging = |args: &[OsString]| {
                let cli = Cli::try_parse_from(args).unwrap();
                let logging = Logging::of(&cli.command.unwrap(), cli.log, cli.log_format);
                (logging.filter.clone(), logging.args())
            };
            let args = ["headgate", "serve", "--log", "debug,a=info", "--log-format", format];
            let (filter, args) = logging(&args.map(OsString::from));
            assert_eq!(filter, "debug,a=info");
            let child = ["execute", "--data-dir", "."].map(OsString::from);
            let child = [vec!["headgate".into()], args.clone(), child.to_vec()].concat();
            assert_eq!(logging(&child), (filter, args));
        }
    }
}
