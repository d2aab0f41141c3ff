//! Window functions: what stands before OVER and in it, and the steps of the plan that compute them.
//!
//! A bound call is an expression until its query's grouping is done. Then the plan is given the calls' inputs as
//! columns, one window step for each PARTITION BY and ORDER BY, and the calls become columns of it.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, SortExpr, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, WindowUDF,
};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, FunctionArguments, NamedWindowDefinition, WindowType};

use super::refusal::{invalid, unsupported};
use super::relation::{column, project};
use super::rowwise::opaque;
use super::scope::{Place, Scope};
use super::typed::{Origin, Typed};
use super::{Binder, Span, planned};

mod call;
mod evaluate;
mod frame;
mod percentile;
mod spec;

use evaluate::Windowed;
use spec::{Spec, flattened, found};

/// Whether a window function is in an expression.
pub(super) fn has_windows(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::WindowFunction(_)))).unwrap_or(true)
}

/// PARTITION BY and ORDER BY, bound.
struct Over {
    partition: Vec<Expr>,
    /// Each key as its type sorts, with the type it was written in.
    keys: Vec<(Typed, DataType)>,
    order: Vec<SortExpr>,
}

impl Binder<'_> {
    /// Binds a call with OVER.
    pub(super) fn window_call(
        &mut self,
        called: &str,
        args: &FunctionArguments,
        over: &WindowType,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let Some(named) = place.windows else {
            let clause = place.no_aggregates.unwrap_or("another window function");
            return Err(invalid(format!("{called} with OVER is not allowed in {clause}"), span));
        };
        let spec = flattened(over, named)?;
        // In ORDER BY the list's aliases come first, which a window's own names do not say.
        let plain = Scope { aliases: Vec::new(), ..place.scope.clone() };
        let scope = plain.clone().with_lesser(place.scope.aliases.clone());
        let inner = Place { no_aggregates: None, windows: None, scope: &scope };
        let bound = self.over(&spec, &plain, &scope)?;
        let frame = spec.frame.map(|frame| self.frame(frame, &bound.keys, span)).transpose()?;
        let call = self.called(called, args, &inner, span)?;
        if call.args.iter().any(|arg| has_windows(&arg.expr)) {
            return Err(invalid(format!("{called} of a window function"), span));
        }
        call.check(called, bound.keys.len(), frame.as_ref(), span)?;
        let mut inputs: Vec<Expr> = call.args.into_iter().map(|arg| arg.expr).collect();
        let values = inputs.len();
        inputs.extend(bound.keys.iter().map(|(key, _)| key.expr.clone()));
        let descending = bound.order.first().is_some_and(|key| !key.asc);
        let frame = frame.unwrap_or_else(|| frame::Frame::standard(!bound.keys.is_empty()));
        let function = Windowed::new(call.function, frame, values, descending, &call.result);
        let function = WindowFunction {
            fun: WindowFunctionDefinition::WindowUDF(WindowUDF::from(function).into()),
            params: WindowFunctionParams {
                args: inputs,
                partition_by: bound.partition,
                order_by: bound.order,
                window_frame: ignored(),
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        };
        Ok(Typed::computed(Expr::WindowFunction(Box::new(function)), call.result))
    }

    /// Binds PARTITION BY and ORDER BY; those of a named window see no aliases of the SELECT list.
    fn over(
        &mut self,
        spec: &Spec<'_>,
        plain: &Scope<'_>,
        scope: &Scope<'_>,
    ) -> Result<Over, PortError> {
        let place = |named: bool| Place {
            scope: if named { plain } else { scope },
            no_aggregates: None,
            windows: None,
        };
        let mut bound = Over { partition: Vec::new(), keys: Vec::new(), order: Vec::new() };
        for expr in spec.partition {
            let span = self.at(expr);
            let key = self.window_key(expr, "PARTITION BY", &place(spec.partition_named))?;
            if key.kind == DataType::Float64 {
                return Err(invalid("PARTITION BY a FLOAT64", span));
            }
            bound.partition.push(super::query::group_key(key, span)?);
        }
        for item in spec.order {
            let span = self.at(&item.expr);
            let key = self.window_key(&item.expr, "ORDER BY", &place(spec.order_named))?;
            let ast::OrderByExpr { expr: _, options, with_fill: None } = item else {
                return Err(unsupported("WITH FILL", span));
            };
            let ascending = options.asc.unwrap_or(true);
            let nulls_first = options.nulls_first.unwrap_or(ascending);
            let written = key.kind.clone();
            let sorted = Typed::computed(super::query::sortable(key, span)?, written.clone());
            bound.order.push(sorted.expr.clone().sort(ascending, nulls_first));
            bound.keys.push((sorted, written));
        }
        Ok(bound)
    }

    fn window_key(
        &mut self,
        expr: &ast::Expr,
        clause: &str,
        place: &Place<'_>,
    ) -> Result<Typed, PortError> {
        let span = self.at(expr);
        let key = self.expr(expr, place)?;
        if key.origin != Origin::Computed {
            return Err(unsupported(format!("a constant in a window's {clause}"), span));
        }
        if has_windows(&key.expr) {
            return Err(invalid(format!("a window function in a window's {clause}"), span));
        }
        Ok(key)
    }

    /// Checks the WINDOW clause, also where nothing uses a window of it.
    pub(super) fn check_windows(
        &mut self,
        named: &[NamedWindowDefinition],
        scope: &Scope<'_>,
    ) -> Result<(), PortError> {
        for (at, NamedWindowDefinition(name, _)) in named.iter().enumerate() {
            if named[..at].iter().any(|n| super::scope::same(&n.0.value, &name.value)) {
                return Err(invalid(
                    format!("the window {} is given twice", name.value),
                    name.span,
                ));
            }
            let spec = found(name, &named[..=at])?;
            let bound = self.over(&spec, scope, scope)?;
            if let Some(frame) = spec.frame {
                self.frame(frame, &bound.keys, name.span)?;
            }
        }
        Ok(())
    }

    /// Computes the window functions in `after` above the plan, and lets it read their columns.
    pub(super) fn windowed(
        &mut self,
        plan: LogicalPlan,
        after: Vec<&mut Typed>,
    ) -> Result<LogicalPlan, PortError> {
        let mut calls: Vec<WindowFunction> = Vec::new();
        for typed in &after {
            collect(&typed.expr, &mut |call| {
                if !calls.contains(call) {
                    calls.push(call.clone());
                }
            });
        }
        if calls.is_empty() {
            return Ok(plan);
        }
        let mut inputs = Inputs { exprs: Vec::new(), known: Vec::new(), plan: &plan };
        let mut replaced = Vec::new();
        let mut steps: Vec<(Vec<Expr>, Vec<SortExpr>, Vec<Expr>)> = Vec::new();
        for written in calls {
            let mut call = written.clone();
            for expr in call.params.args.iter_mut().chain(&mut call.params.partition_by) {
                *expr = inputs.column(self, expr)?;
            }
            for key in &mut call.params.order_by {
                key.expr = inputs.column(self, &key.expr)?;
            }
            let name = self.fresh("a window function");
            let (partition, order) =
                (call.params.partition_by.clone(), call.params.order_by.clone());
            let call = Expr::WindowFunction(Box::new(call)).alias(&name);
            match steps.iter_mut().find(|(p, o, _)| *p == partition && *o == order) {
                Some((_, _, calls)) => calls.push(call),
                None => steps.push((partition, order, vec![call])),
            }
            replaced.push((written, column(&name)));
        }
        let mut exprs: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        exprs.append(&mut inputs.exprs);
        let mut plan = project(plan, exprs)?;
        for (_, _, calls) in steps {
            plan = LogicalPlanBuilder::from(plan)
                .window(calls)
                .and_then(LogicalPlanBuilder::build)
                .map_err(planned)?;
        }
        for typed in after {
            let rewritten = typed.expr.clone().transform_down(|e| {
                let Expr::WindowFunction(call) = &e else { return Ok(Transformed::no(e)) };
                Ok(match replaced.iter().find(|(known, _)| *known == **call) {
                    Some((_, with)) => {
                        Transformed::new(with.clone(), true, TreeNodeRecursion::Jump)
                    }
                    None => Transformed::no(e),
                })
            });
            typed.expr = rewritten.map_err(planned)?.data;
        }
        Ok(plan)
    }
}

/// The columns that window functions read, each once.
struct Inputs<'p> {
    exprs: Vec<Expr>,
    known: Vec<(Expr, String)>,
    plan: &'p LogicalPlan,
}

impl Inputs<'_> {
    fn column(&mut self, binder: &mut Binder<'_>, expr: &Expr) -> Result<Expr, PortError> {
        if let Some((_, name)) = self.known.iter().find(|(known, _)| known == expr) {
            return Ok(column(name));
        }
        let kind = expr.get_type(self.plan.schema()).map_err(planned)?;
        let name = binder.fresh("a window function's value");
        self.exprs.push(opaque(expr.clone(), &kind).alias(&name));
        self.known.push((expr.clone(), name.clone()));
        Ok(column(&name))
    }
}

/// DataFusion's own frame, which our functions never ask for.
fn ignored() -> WindowFrame {
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    )
}

/// Visits the window functions of an expression.
fn collect(expr: &Expr, found: &mut impl FnMut(&WindowFunction)) {
    let walked = expr.apply(|e| {
        if let Expr::WindowFunction(call) = e {
            found(call);
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    // The visitor never fails.
    drop(walked);
}
