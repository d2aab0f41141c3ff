//! What stands in OVER, with the named windows it builds on laid open.

use common::port::PortError;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, OrderByExpr, WindowFrame, WindowSpec,
    WindowType,
};

use super::super::refusal::invalid;
use super::super::scope::same;

/// A window's clauses.
#[derive(Clone, Copy)]
pub(super) struct Spec<'e> {
    /// PARTITION BY.
    pub(super) partition: &'e [Expr],
    /// Whether it stands in the WINDOW clause.
    pub(super) partition_named: bool,
    /// ORDER BY.
    pub(super) order: &'e [OrderByExpr],
    /// Whether it stands in the WINDOW clause.
    pub(super) order_named: bool,
    /// ROWS or RANGE.
    pub(super) frame: Option<&'e WindowFrame>,
}

/// The clauses of OVER; a window may build on those of WINDOW that stand before it.
pub(super) fn flattened<'e>(
    over: &'e WindowType,
    named: &'e [NamedWindowDefinition],
) -> Result<Spec<'e>, PortError> {
    match over {
        WindowType::NamedWindow(name) => found(name, named),
        WindowType::WindowSpec(spec) => built(spec, named, false),
    }
}

/// The clauses of a named window.
pub(super) fn found<'e>(
    name: &Ident,
    named: &'e [NamedWindowDefinition],
) -> Result<Spec<'e>, PortError> {
    let at = named.iter().position(|n| same(&n.0.value, &name.value));
    let Some(at) = at else {
        return Err(invalid(format!("the window {} is not in sight", name.value), name.span));
    };
    match &named[at].1 {
        NamedWindowExpr::NamedWindow(other) => found(other, &named[..at]),
        NamedWindowExpr::WindowSpec(spec) => built(spec, &named[..at], true),
    }
}

fn built<'e>(
    spec: &'e WindowSpec,
    named: &'e [NamedWindowDefinition],
    is_named: bool,
) -> Result<Spec<'e>, PortError> {
    let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
    let own = Spec {
        partition: partition_by,
        partition_named: is_named,
        order: order_by,
        order_named: is_named,
        frame: window_frame.as_ref(),
    };
    let Some(name) = window_name else { return Ok(own) };
    let base = found(name, named)?;
    let refused = [
        (!partition_by.is_empty(), "PARTITION BY in a window built on"),
        (!order_by.is_empty() && !base.order.is_empty(), "a second ORDER BY in a window built on"),
        (base.frame.is_some(), "ROWS or RANGE in the window"),
    ];
    if let Some((_, what)) = refused.iter().find(|(there, _)| *there) {
        return Err(invalid(format!("{what} {}", name.value), name.span));
    }
    let (order, order_named) =
        if order_by.is_empty() { (base.order, true) } else { (own.order, is_named) };
    Ok(Spec { partition: base.partition, partition_named: true, order, order_named, ..own })
}
