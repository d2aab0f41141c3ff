//! Running a prepared statement on DataFusion.

use std::collections::HashSet;
use std::sync::Arc;

use common::port::PortError;
use datafusion::arrow::array::{Array, ArrayRef, ListArray, new_empty_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::Field;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::Prepared;
use super::refusal::executed;
use super::subquery::{Answer, Kept, Subquery, member};

/// Batches that may wait for whoever reads them.
const AHEAD: usize = 2;

/// The rows of a prepared statement, its subqueries run first.
pub(crate) async fn stream(
    session: &SessionContext,
    prepared: &Prepared,
) -> Result<SendableRecordBatchStream, PortError> {
    for subquery in &prepared.subqueries {
        answer(session, subquery).await?;
    }
    run(session, &prepared.plan).await
}

async fn run(
    session: &SessionContext,
    plan: &LogicalPlan,
) -> Result<SendableRecordBatchStream, PortError> {
    let physical = session.state().create_physical_plan(plan).await.map_err(executed)?;
    apart(session, physical)
}

/// The rows of a plan, made on a thread of its own.
///
/// A join may compute for minutes without giving way, and would hold up all that shares its thread: requests,
/// time-outs, the stop of the process. Once nobody reads its rows any more, it stops where it next gives way.
fn apart(
    session: &SessionContext,
    plan: Arc<dyn ExecutionPlan>,
) -> Result<SendableRecordBatchStream, PortError> {
    let failed = |error| PortError::other("the statement's thread", error);
    let (schema, context) = (plan.schema(), session.task_ctx());
    // `None` says that there are no more rows; without it, their end is a failure.
    let (sender, receiver) = mpsc::channel(AHEAD);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let work = async move {
        let send = async {
            let mut rows = match execute_stream(plan, context) {
                Ok(rows) => rows.map(Some).chain(stream::once(async { None })).boxed(),
                Err(error) => stream::once(async { Some(Err(error)) }).boxed(),
            };
            while let Some(said) = rows.next().await {
                if sender.send(said).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = sender.closed() => {}
            () = send => {}
        }
    };
    let thread = std::thread::Builder::new().name("statement".to_owned());
    thread.spawn(move || runtime.block_on(work)).map_err(failed)?;
    let rows = stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(batch)) => Some((batch, Some(receiver))),
            Some(None) => None,
            None => {
                let message = "the statement's thread panicked".to_owned();
                Some((Err(DataFusionError::Execution(message)), None))
            }
        }
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

async fn answer(session: &SessionContext, subquery: &Subquery) -> Result<(), PortError> {
    let mut rows = run(session, &subquery.plan).await?;
    let mut values = HashSet::new();
    let mut null = false;
    let mut first = None;
    let mut lists: Vec<ArrayRef> = vec![new_empty_array(rows.schema().field(0).data_type())];
    while let Some(batch) = rows.try_next().await.map_err(executed)? {
        let column = Arc::clone(batch.column(0));
        if subquery.kept == Kept::List {
            lists.push(column);
            continue;
        }
        for at in 0..column.len() {
            let value = ScalarValue::try_from_array(&column, at).map_err(executed)?;
            match subquery.kept {
                Kept::Value => first = first.or(Some(value)),
                Kept::List => {}
                Kept::Set if value.is_null() => null = true,
                Kept::Set => {
                    values.insert(member(value));
                }
            }
        }
    }
    let answer = match subquery.kept {
        Kept::Set => Answer::Set { values, null },
        Kept::List => Answer::Value(one_list(&lists).map_err(executed)?),
        Kept::Value => {
            let value = first.ok_or_else(|| {
                PortError::other("a scalar subquery", "an aggregate without GROUP BY gave no row")
            })?;
            Answer::Value(value)
        }
    };
    // A statement runs once; a second answer would be the same one.
    drop(subquery.answer.set(answer));
    Ok(())
}

/// The columns' values as one array.
fn one_list(columns: &[ArrayRef]) -> datafusion::common::Result<ScalarValue> {
    let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    let items = concat(&columns)?;
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths([items.len()]), items, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}
