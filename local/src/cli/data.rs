//! `headgate query` and `headgate load`: what the command line says, and the data folder it means.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use common::clock::{Chance, Clock};
use common::warehouse::JobId;

use crate::load::{self, Options};
use crate::node::DataDir;
use crate::query;
use crate::warehouse::EmbeddedWarehouse;

/// What `headgate query` is told.
#[derive(Debug, clap::Args)]
pub(super) struct QueryArgs {
    /// One SELECT in GoogleSQL
    sql: String,
    /// Folder of the data
    #[arg(long, default_value = "headgate-data")]
    data_dir: PathBuf,
    /// A value for @name, such as day:DATE:2026-01-31; without a type it is a STRING
    #[arg(long = "param", value_name = "NAME:TYPE:VALUE")]
    params: Vec<String>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    Table,
    Json,
    Csv,
}

/// What `headgate load` is told.
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// The table, whose dataset exists
    #[arg(value_name = "DATASET.TABLE")]
    table: String,
    /// A .csv, .ndjson or .parquet file
    file: PathBuf,
    /// BigQuery schema JSON: an array of columns
    #[arg(long, value_name = "SCHEMA.json")]
    schema: PathBuf,
    /// Folder of the data
    #[arg(long, default_value = "headgate-data")]
    data_dir: PathBuf,
    /// Replace the table's rows instead of adding to them
    #[arg(long)]
    replace: bool,
    /// An unquoted CSV field that means NULL, beside the empty one
    #[arg(long, value_name = "TEXT")]
    null_marker: Option<String>,
    /// How many bad records may be left out
    #[arg(long, default_value_t = 0, value_name = "N")]
    max_bad_records: u64,
}

/// Prints the rows of a query.
pub(super) async fn query(args: &QueryArgs) -> anyhow::Result<()> {
    let format = match args.format {
        Shape::Table => query::Format::Table,
        Shape::Json => query::Format::Json,
        Shape::Csv => query::Format::Csv,
    };
    let warehouse = open(&args.data_dir)?;
    let out = &mut std::io::stdout().lock();
    Ok(query::run(&warehouse, &args.sql, &args.params, format, out).await?)
}

/// Loads a file and says what was written.
pub(super) async fn load(args: &LoadArgs) -> anyhow::Result<()> {
    let warehouse = open(&args.data_dir)?;
    let options = Options {
        table: args.table.clone(),
        file: args.file.clone(),
        schema: args.schema.clone(),
        replace: args.replace,
        null_marker: args.null_marker.clone(),
        max_bad_records: args.max_bad_records,
    };
    let id = JobId(format!("load-{}", Chance::system().uuid().simple()));
    let written = load::run(&warehouse, &options, id).await?;
    for record in &written.bad_records {
        eprintln!("left out: {record}");
    }
    println!("{} rows loaded into {}", written.rows, args.table);
    Ok(())
}

/// The warehouse of a folder that a server or a demo has made; it may be served meanwhile.
fn open(data_dir: &Path) -> anyhow::Result<EmbeddedWarehouse> {
    anyhow::ensure!(
        data_dir.join("headgate.db").is_file(),
        "{} holds no data; headgate serve or headgate demo --data-dir makes it",
        data_dir.display()
    );
    Ok(DataDir::open(data_dir)?.warehouse(&Clock::system())?)
}
