//! Where a statement is wrong or not understood, said with line and column.

use common::port::PortError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::tokenizer::Span;

/// The way out of every refusal.
const WAY_OUT: &str =
    "headgate serve --bigquery-endpoint URL runs it on a BigQuery emulator or on BigQuery itself";

fn place(span: Span) -> String {
    if span.start.line == 0 {
        return String::new();
    }
    format!(" at {}:{}", span.start.line, span.start.column)
}

/// How a row's refusal says that BigQuery may know better, in difference to GoogleSQL's own errors.
const NOT_HERE: &str = "is not supported by the embedded warehouse";

/// The refusal of a row whose answer is not known to be exact; one that is told already stays as it is.
pub(crate) fn not_here(what: impl std::fmt::Display) -> String {
    let what = what.to_string();
    if refuses(&what) { what } else { format!("{what} {NOT_HERE}; {WAY_OUT}") }
}

/// Whether a row's error is such a refusal: `SAFE.` makes no NULL of it.
pub(crate) fn refuses(message: &str) -> bool {
    message.contains(NOT_HERE)
}

/// A construct of GoogleSQL that is not on the tested list.
pub(crate) fn unsupported(construct: impl std::fmt::Display, span: Span) -> PortError {
    PortError::InvalidQuery(format!("{construct}{} {NOT_HERE}; {WAY_OUT}", place(span)))
}

/// A statement that is no GoogleSQL.
pub(crate) fn invalid(message: impl std::fmt::Display, span: Span) -> PortError {
    PortError::InvalidQuery(format!("{message}{}", place(span)))
}

/// A value that a running function refuses, carried through DataFusion.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Evaluation(pub(crate) String);

/// A function's refusal as the error DataFusion carries.
pub(crate) fn evaluation(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Evaluation(message.into())))
}

/// DataFusion's error as the port's: what a function refused is the statement's fault, the rest is ours.
pub(crate) fn executed(error: DataFusionError) -> PortError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(Evaluation(message)) = inner.downcast_ref::<Evaluation>() {
            return PortError::InvalidQuery(message.clone());
        }
        cause = inner.source();
    }
    match error.find_root() {
        DataFusionError::External(inner) if inner.is::<Evaluation>() => {
            PortError::InvalidQuery(inner.to_string())
        }
        DataFusionError::ResourcesExhausted(message) => PortError::Unavailable(message.clone()),
        _ => PortError::other("the statement could not be executed", error),
    }
}
