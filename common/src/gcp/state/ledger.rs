//! The ledger on BigQuery: one UPDATE decides a batch, one SELECT reads what it led to.
//!
//! An instance has one of these in flight, and what arrives meanwhile goes with the next. Between the UPDATE and the
//! SELECT another instance may change a row, so an outcome is told by marks that only its own statement leaves: a
//! request's token, an attempt's number, and on an entry what the statement did to it.

mod outcome;
mod round;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;

use self::round::Round;
use super::State;
use super::group::same;
use super::subscription;
use crate::gcp::bigquery::{Client, Record, Statement};
use crate::port::PortError;
use crate::quota::{Account, Entry};
use crate::run::RunId;
use crate::state::{Answer, Batch, Ledger, LedgerRow};
use crate::tenant::TenantId;
use crate::warehouse::{Ensured, Value};

const APPLY: &str = include_str!("../sql/ledger_apply.sql");
const ROWS: &str = include_str!("../sql/ledger_rows.sql");
const CREATE: &str = "INSERT INTO tenants.tenant_run_ledger (tenant_id, entries, days, updated_at)
SELECT @tenant, [], [], @now FROM (SELECT 1) WHERE NOT EXISTS (
  SELECT 1 FROM tenants.tenant_run_ledger AS l WHERE l.tenant_id = @tenant)";

/// After this BigQuery ends the UPDATE.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long its end is asked for: longer than it can take, so that it is never in flight unnoticed.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often an arrival is decided anew that was let in by nobody although there is room by now.
const TRIES: u32 = 3;

#[async_trait]
impl Ledger for State {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        let statement = Statement::new("ledger_create", CREATE)
            .label("tenant", tenant)
            .bind("tenant", tenant.as_str())
            .bind("now", self.clock.now());
        let (base, mut first) = (format!("onboard-{tenant}-ledger"), 1);
        loop {
            let once = self.client.once(&base, first, &statement).await?;
            if once.mine && once.ran.changed == 1 {
                return Ok(Ensured::Created);
            }
            if self.row(tenant).await?.is_some() {
                return Ok(Ensured::Existed);
            }
            // A job outlives its row: one that was lost with its table is made anew, under the next id.
            first = once.number + 1;
        }
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError> {
        let client = self.client.clone();
        let work = move |batches: Vec<Batch>| decide(client.clone(), batches);
        self.ledger.submit(batch.clone(), work).await
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        let read = rows(&self.client, Some(&BTreeSet::from([tenant]))).await?.pop();
        Ok(read.map(|read| read.row))
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        let now = self.clock.now();
        let read = rows(&self.client, None).await?.into_iter();
        let mut rows: Vec<LedgerRow> = read.map(|read| read.row).collect();
        // What is older than the ledger remembers is there until the next change of its row.
        for row in &mut rows {
            row.account.prune(now);
        }
        rows.retain(|row| !row.account.entries.is_empty());
        Ok(rows)
    }
}

/// Decides batches that came together, each as a whole.
async fn decide(client: Client, batches: Vec<Batch>) -> Vec<Result<Vec<Answer>, PortError>> {
    let mut answers: Vec<Vec<Option<Answer>>> =
        batches.iter().map(|batch| vec![None; batch.items.len()]).collect();
    let mut failed: BTreeMap<usize, PortError> = BTreeMap::new();
    let mut open: Vec<(usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(b, batch)| (0..batch.items.len()).map(move |i| (b, i)))
        .collect();
    let mut tries: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    while !open.is_empty() {
        let (round, later) = Round::of(&batches, &open);
        open = later;
        let outcomes = match apply(&client, &round).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for (b, _) in round.places() {
                    failed.entry(b).or_insert_with(|| same(&error));
                }
                open.retain(|(b, _)| !failed.contains_key(b));
                continue;
            }
        };
        for ((b, i), outcome) in round.places().zip(outcomes) {
            match outcome {
                Ok(Some(answer)) => answers[b][i] = Some(answer),
                Ok(None) => {
                    let tries = tries.entry((b, i)).or_default();
                    *tries += 1;
                    if *tries < TRIES {
                        open.push((b, i));
                    } else {
                        let text = "the tenant's ledger row changed each time it was asked";
                        failed.insert(b, PortError::Conflict(text.to_owned()));
                    }
                }
                Err(error) => {
                    failed.insert(b, error);
                }
            }
        }
        open.retain(|(b, _)| !failed.contains_key(b));
    }
    let whole = |(b, answers): (usize, Vec<Option<Answer>>)| match failed.remove(&b) {
        Some(error) => Err(error),
        None => Ok(answers.into_iter().flatten().collect()),
    };
    answers.into_iter().enumerate().map(whole).collect()
}

/// One statement and what it led to, item by item; `None` where an item is to be decided anew.
async fn apply(
    client: &Client,
    round: &Round<'_>,
) -> Result<Vec<Result<Option<Answer>, PortError>>, PortError> {
    let mark = client.unique();
    let statement = Statement::new("ledger_apply", APPLY)
        .bind_param("items", &round.items())
        .bind("now", round.now)
        .bind("day", round.day)
        .bind("max_running", round.max_running)
        .bind("statement", mark.as_str())
        .timeout(TIMEOUT)
        .patience(PATIENCE);
    client.run(&statement).await?;
    let rows = rows(client, Some(&round.tenants())).await?;
    let rows = rows.into_iter().map(|read| (read.row.tenant_id.clone(), read)).collect();
    Ok(round.answers(&rows, &mark))
}

async fn rows(
    client: &Client,
    tenants: Option<&BTreeSet<&TenantId>>,
) -> Result<Vec<Read>, PortError> {
    let names = tenants.into_iter().flatten().map(ToString::to_string);
    let statement = Statement::new("ledger_rows", ROWS)
        .bind("all", tenants.is_none())
        .bind_list("tenants", names);
    let ran = client.run(&statement).await?;
    Record::all(&ran.rows).map(|row| read(&row)).collect()
}

/// A row as it was read, with what changed each entry last.
struct Read {
    row: LedgerRow,
    marks: HashMap<RunId, String>,
}

fn read(row: &Record<'_>) -> Result<Read, PortError> {
    let values: Vec<Value> = row.get("entries")?;
    let (mut entries, mut marks) = (Vec::new(), HashMap::new());
    for value in &values {
        let record = Record::of(value)?;
        let entry = entry(&record)?;
        if let Some(mark) = record.get("statement")? {
            marks.insert(entry.run_id, mark);
        }
        entries.push(entry);
    }
    entries.sort_by_key(|entry| entry.seq);
    let days: Vec<Value> = row.get("days")?;
    let day = |value: &Value| {
        let record = Record::of(value)?;
        Ok((record.get("day")?, record.get("runs")?))
    };
    let days = days.iter().map(day).collect::<Result<_, PortError>>()?;
    let known: Option<String> = row.get("subscription_id")?;
    let subscription = known.map(|_| subscription(row)).transpose()?;
    let account = Account { entries, days };
    Ok(Read { row: LedgerRow { tenant_id: row.get("tenant_id")?, account, subscription }, marks })
}

fn entry(record: &Record<'_>) -> Result<Entry, PortError> {
    Ok(Entry {
        run_id: RunId(record.get("run_id")?),
        day: record.get("day")?,
        priority: record.get("priority")?,
        seq: record.get("seq")?,
        state: record.parse("state")?,
        attempt: record.get("attempt")?,
        token: record.get("token")?,
        deadline: record.get("deadline")?,
        closed_at: record.get("closed_at")?,
        turn: record.get("turn")?,
    })
}
