//! One step as a run would do it: what each type of step sends, reads and writes.

use std::collections::BTreeMap;

use common::pipeline::{Action, Check, LoadAction, Mode, Step, TargetTable, Template, Uri};
use common::run::Severity;
use common::tenant::TenantId;
use common::warehouse::{DatasetName, Format, Param, Query};

use super::{
    Outcome, PlannedCheck, PlannedExport, PlannedFile, PlannedNotice, PlannedStatement,
    PlannedStep, PlannedWrite, bound,
};

/// Stands for the tenant where none is named.
const ANY_TENANT: &str = "<tenant>";

/// What an action comes to.
#[derive(Default)]
struct Work {
    max_bytes: Option<u64>,
    statements: Vec<PlannedStatement>,
    file: Option<PlannedFile>,
    export: Option<PlannedExport>,
    notice: Option<PlannedNotice>,
    writes: Option<PlannedWrite>,
}

/// A step of a template.
pub(super) fn planned(
    template: &Template,
    step: &Step,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedStep {
    let Work { max_bytes, statements, file, export, notice, writes } =
        work(&step.action, params, tenant);
    PlannedStep {
        id: step.id.clone(),
        kind: step.action.kind(),
        depends_on: step.depends_on.iter().map(|&node| template.steps[node].id.clone()).collect(),
        on: step.on.as_str(),
        timeout_seconds: step.timeout.as_secs(),
        max_attempts: step.retries.max_attempts,
        max_bytes,
        statements,
        file,
        export,
        notice,
        writes,
    }
}

/// The one place that knows what each type of step is made of.
fn work(action: &Action, params: &BTreeMap<String, Param>, tenant: Option<&TenantId>) -> Work {
    let writes = |target| Some(write(target, params, tenant));
    match action {
        Action::Sql(sql) => Work {
            max_bytes: sql.max_bytes,
            statements: vec![statement(sql.query.bind(params, &dataset(tenant)), None)],
            writes: writes(&sql.target),
            ..Work::default()
        },
        Action::Load(load) => Work {
            max_bytes: load.max_bytes,
            file: Some(file(load, params, tenant)),
            writes: writes(&load.target),
            ..Work::default()
        },
        Action::Check(action) => Work {
            max_bytes: action.max_bytes,
            statements: action.checks.iter().map(|c| observation(c, params, tenant)).collect(),
            ..Work::default()
        },
        Action::Export(export) => Work {
            max_bytes: export.max_bytes,
            statements: vec![statement(export.query.bind(params, &dataset(tenant)), None)],
            export: Some(PlannedExport {
                uri: named(&export.uri, params, tenant),
                format: word(&export.format),
            }),
            ..Work::default()
        },
        Action::Notify(notify) => Work {
            notice: Some(PlannedNotice {
                url: named(&notify.url, params, tenant),
                message: notify.message.clone(),
            }),
            ..Work::default()
        },
    }
}

fn statement(query: Query, check: Option<PlannedCheck>) -> PlannedStatement {
    PlannedStatement {
        check,
        sql: query.sql.clone(),
        parameters: bound(&query.params),
        dry_run: Outcome::NotMade,
        query,
    }
}

/// What a check looks at first; it samples failing rows only once it has failed.
fn observation(
    check: &Check,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedStatement {
    let compiled = check.compile(&dataset(tenant), params);
    let planned = PlannedCheck {
        id: check.id.clone(),
        kind: check.expect.kind(),
        severity: match check.severity {
            Severity::Warn => "warn",
            Severity::Error => "error",
        },
        blocking: check.blocking,
        expected: compiled.threshold,
    };
    statement(compiled.observe, Some(planned))
}

fn file(
    load: &LoadAction,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedFile {
    PlannedFile {
        uri: named(&load.uri, params, tenant),
        format: word(&load.format),
        columns: load.columns.len(),
        max_bad_records: load.max_bad_records,
    }
}

/// A file's or hook's name. Every parameter that a template names is resolved.
fn named(uri: &Uri, params: &BTreeMap<String, Param>, tenant: Option<&TenantId>) -> String {
    let tenant = tenant.map_or(ANY_TENANT, TenantId::as_str);
    uri.resolve(tenant, params).unwrap_or_else(|name| format!("@{name}"))
}

fn word(format: &Format) -> &'static str {
    match format {
        Format::Csv { .. } => "csv",
        Format::Ndjson => "ndjson",
        Format::Parquet => "parquet",
    }
}

fn write(
    target: &TargetTable,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedWrite {
    let (mode, range, keys) = match &target.mode {
        Mode::Replace => ("replace", None, &[][..]),
        Mode::Append => ("append", None, &[][..]),
        Mode::AppendNew { keys } => ("append", None, &keys[..]),
        Mode::OverwritePartition { from, to } => {
            let range = format!("{}..{}", value(params, from), value(params, to));
            ("overwrite_partition", Some(range), &[][..])
        }
        Mode::Merge { keys } => ("merge", None, &keys[..]),
    };
    let dataset = tenant.map_or(ANY_TENANT, TenantId::as_str);
    PlannedWrite {
        table: format!("{dataset}.{}", target.table),
        mode,
        range,
        keys: keys.to_vec(),
        partition_by: target.partition_by.clone(),
        cluster_by: target.cluster_by.clone(),
    }
}

/// A parameter's value as text. Every parameter that a template names is resolved.
fn value(params: &BTreeMap<String, Param>, name: &str) -> String {
    params.get(name).map_or_else(|| format!("@{name}"), |param| param.value.to_string())
}

/// The dataset of unqualified tables; without a tenant no statement gets as far as being looked up in it.
#[expect(clippy::expect_used, reason = "the stand-in is a dataset's name")]
fn dataset(tenant: Option<&TenantId>) -> DatasetName {
    tenant.map_or_else(
        || DatasetName::parse("any_tenant").expect("a dataset's name"),
        TenantId::dataset,
    )
}
