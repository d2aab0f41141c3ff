//! `headgate plan`: what the command line says, the template and the data folder it means, and what is printed.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use common::clock::Clock;
use common::configs::ConfigsError as FilesError;
use common::pipeline::{Diagnostic, Template, TemplateId};
use common::tenant::TenantId;
use common::warehouse::Warehouse;

use super::Shape;
use crate::configs::{self, ConfigsError};
use crate::findings::Report;
use crate::node::DataDir;
use crate::plan::{self, Plan, text};
use crate::shown::{quoted, shown};
use crate::validate;

/// What `headgate plan` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A template's id, such as gcp/cost/billing, or its file
    template: String,
    /// A parameter's value, such as date=2025-11-17; an array is JSON, such as days=[1,2]
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Whose run it would be; without a tenant nothing is dry-run
    #[arg(long)]
    tenant: Option<String>,
    /// Folder of the data, which is only looked at
    #[arg(long, default_value = "headgate-data")]
    data_dir: PathBuf,
    /// Folder of templates, in place of those that ship with the binary
    #[arg(long, value_name = "DIR")]
    configs: Option<PathBuf>,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

/// Prints the plan of a run; answers whether nothing in it refuses one.
pub(super) async fn run(args: &Args) -> anyhow::Result<bool> {
    let template = match template(args) {
        Ok(template) => template,
        Err(error) => return refused(&error),
    };
    let tenant = match args.tenant.as_deref().map(|id| (id, TenantId::parse(id))) {
        None => None,
        Some((_, Ok(tenant))) => Some(tenant),
        Some((id, Err(rule))) => {
            return refused(&Refusal::Said(vec![format!("--tenant {} {rule}", quoted(id))]));
        }
    };
    let clock = Clock::system();
    let params = match plan::given(&template, &args.params, clock.now()) {
        Ok(params) => params,
        Err(errors) => {
            let said = errors.iter().map(ToString::to_string);
            return refused(&Refusal::Said(said.collect()));
        }
    };
    let mut plan = Plan::new(&template, &params, tenant.as_ref());
    plan.not_dry_run =
        dry_run(&mut plan, &template, tenant.as_ref(), &args.data_dir, &clock).await?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Shape::Text => out.write_all(text::render(&plan).as_bytes())?,
        Shape::Json => writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?,
    }
    Ok(plan.is_sound())
}

/// Dry-runs the statements, or answers why there is nothing to do so on.
async fn dry_run(
    plan: &mut Plan,
    template: &Template,
    tenant: Option<&TenantId>,
    data_dir: &Path,
    clock: &Clock,
) -> anyhow::Result<Option<String>> {
    let Some(tenant) = tenant else {
        return Ok(Some("no tenant is named; give --tenant".to_owned()));
    };
    let Some(warehouse) = DataDir::look(data_dir, clock)? else {
        return Ok(Some(format!("{} holds no data; give --data-dir", data_dir.display())));
    };
    if warehouse.dataset_labels(&tenant.dataset()).await?.is_none() {
        return Ok(Some(format!("{tenant} has no dataset in {}", data_dir.display())));
    }
    plan.dry_run(&warehouse, template, tenant).await;
    Ok(None)
}

/// Why there is no plan.
enum Refusal {
    Found(Vec<Diagnostic>),
    Said(Vec<String>),
}

/// The template of an id, or of a file.
fn template(args: &Args) -> Result<Template, Refusal> {
    let Ok(id) = args.template.parse::<TemplateId>() else {
        return validate::template(Path::new(&args.template)).map_err(Refusal::Found);
    };
    configs::template(&id, args.configs.as_deref()).map_err(|error| match error {
        ConfigsError::Files(FilesError::Templates(found)) => Refusal::Found(found),
        error @ (ConfigsError::Files(FilesError::Read { .. } | FilesError::Plans(_))
        | ConfigsError::Unknown { .. }) => Refusal::Said(vec![error.to_string()]),
    })
}

/// Says on stderr why there is no plan.
fn refused(refusal: &Refusal) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    let colour = err.is_terminal();
    match refusal {
        Refusal::Found(found) => {
            for finding in found {
                writeln!(err, "{}", Report { finding, colour })?;
            }
        }
        Refusal::Said(lines) => {
            for line in lines {
                writeln!(err, "error: {}", shown(line))?;
            }
        }
    }
    Ok(false)
}
