//! Running a prepared statement on DataFusion.

use std::collections::HashSet;
use std::sync::Arc;

use common::port::PortError;
use datafusion::arrow::array::Array;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use super::Prepared;
use super::refusal::executed;
use super::subquery::{Answer, Kept, Subquery, member};

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
    execute_stream(physical, session.task_ctx()).map_err(executed)
}

async fn answer(session: &SessionContext, subquery: &Subquery) -> Result<(), PortError> {
    let mut rows = run(session, &subquery.plan).await?;
    let mut values = HashSet::new();
    let mut null = false;
    let mut first = None;
    while let Some(batch) = rows.try_next().await.map_err(executed)? {
        let column = Arc::clone(batch.column(0));
        for at in 0..column.len() {
            let value = ScalarValue::try_from_array(&column, at).map_err(executed)?;
            match subquery.kept {
                Kept::Value => first = first.or(Some(value)),
                Kept::Set if value.is_null() => null = true,
                Kept::Set => {
                    values.insert(member(value));
                }
            }
        }
    }
    let answer = match subquery.kept {
        Kept::Set => Answer::Set { values, null },
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
