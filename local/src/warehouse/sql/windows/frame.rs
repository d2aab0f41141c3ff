//! ROWS and RANGE: which rows of a partition a window function reads for each row.

use std::ops::Range;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::partition;
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use datafusion::common::Result as DfResult;
use datafusion::sql::sqlparser::ast::{self, WindowFrameBound, WindowFrameUnits};

use super::super::refusal::{evaluation, invalid, unsupported};
use super::super::scope::Scope;
use super::super::typed::{Origin, Typed};
use super::super::{Binder, Span};
use crate::warehouse::numeric;

/// A frame's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Rows by their place.
    Rows,
    /// Rows by the value they are sorted by.
    Range,
}

/// Where a frame begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// UNBOUNDED PRECEDING.
    First,
    /// That much before the current row; a NUMERIC's scaled.
    Before(i128),
    /// CURRENT ROW.
    Current,
    /// That much behind the current row.
    Behind(i128),
    /// UNBOUNDED FOLLOWING.
    Last,
}

impl Bound {
    fn place(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Before(_) => 1,
            Self::Current => 2,
            Self::Behind(_) => 3,
            Self::Last => 4,
        }
    }

    /// How far behind the current row, negative before it.
    fn distance(self) -> i128 {
        match self {
            Self::Before(n) => -n,
            Self::Behind(n) => n,
            Self::First | Self::Current | Self::Last => 0,
        }
    }
}

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) unit: Unit,
    pub(super) start: Bound,
    pub(super) end: Bound,
}

impl Frame {
    /// The frame of a window that names none.
    pub(super) fn standard(ordered: bool) -> Self {
        let end = if ordered { Bound::Current } else { Bound::Last };
        Self { unit: Unit::Range, start: Bound::First, end }
    }

    /// Whether every row reads the whole partition.
    pub(super) fn whole(self) -> bool {
        self.start == Bound::First && self.end == Bound::Last
    }
}

impl Binder<'_> {
    /// Binds ROWS or RANGE over the keys of ORDER BY.
    pub(super) fn frame(
        &mut self,
        written: &ast::WindowFrame,
        keys: &[(Typed, DataType)],
        span: Span,
    ) -> Result<Frame, PortError> {
        let unit = match written.units {
            WindowFrameUnits::Rows => Unit::Rows,
            WindowFrameUnits::Range => Unit::Range,
            WindowFrameUnits::Groups => return Err(unsupported("GROUPS in a window", span)),
        };
        let start = self.bound(&written.start_bound, unit, keys, span)?;
        let end = match &written.end_bound {
            Some(end) => self.bound(end, unit, keys, span)?,
            None => Bound::Current,
        };
        if start == Bound::Last || end == Bound::First || start.place() > end.place() {
            return Err(invalid("a window's frame that ends before it starts", span));
        }
        let frame = Frame { unit, start, end };
        if keys.is_empty() && !frame.whole() {
            return Err(unsupported("ROWS or RANGE without ORDER BY", span));
        }
        Ok(frame)
    }

    fn bound(
        &mut self,
        bound: &WindowFrameBound,
        unit: Unit,
        keys: &[(Typed, DataType)],
        span: Span,
    ) -> Result<Bound, PortError> {
        Ok(match bound {
            WindowFrameBound::CurrentRow => Bound::Current,
            WindowFrameBound::Preceding(None) => Bound::First,
            WindowFrameBound::Following(None) => Bound::Last,
            WindowFrameBound::Preceding(Some(n)) => {
                Bound::Before(self.offset(n, unit, keys, span)?)
            }
            WindowFrameBound::Following(Some(n)) => {
                Bound::Behind(self.offset(n, unit, keys, span)?)
            }
        })
    }

    /// A constant that is not negative, in the unit of what it is counted in.
    fn offset(
        &mut self,
        expr: &ast::Expr,
        unit: Unit,
        keys: &[(Typed, DataType)],
        span: Span,
    ) -> Result<i128, PortError> {
        let kind = match (unit, keys) {
            (Unit::Rows, _) => &DataType::Int64,
            (Unit::Range, [(_, kind @ (DataType::Int64 | DataType::Numeric))]) => kind,
            (Unit::Range, [(_, DataType::Float64)]) => {
                return Err(unsupported("RANGE by a distance of FLOAT64", span));
            }
            (Unit::Range, _) => {
                let message = "RANGE by a distance needs one ORDER BY of a numeric type";
                return Err(invalid(message, span));
            }
        };
        let value = self.expr(expr, &Scope::default().plain("a window's frame"))?;
        let distance = match (value.origin, kind) {
            (Origin::Known(Value::Int64(n)), DataType::Numeric) => {
                i128::from(n).checked_mul(1_000_000_000)
            }
            (Origin::Known(Value::Int64(n)), _) => Some(i128::from(n)),
            (Origin::Known(Value::Numeric(text)), DataType::Numeric) => numeric::parse(&text),
            _ => None,
        };
        match distance {
            Some(distance) if distance >= 0 => Ok(distance),
            _ => {
                let message =
                    format!("a window's frame takes a constant {kind} that is not negative");
                Err(invalid(message, span))
            }
        }
    }
}

/// The rows that are equal by all keys, in order.
pub(super) fn peers(keys: &[ArrayRef], rows: usize) -> DfResult<Vec<Range<usize>>> {
    if keys.is_empty() {
        return Ok(std::iter::once(0..rows).collect());
    }
    Ok(partition(keys)?.ranges())
}

impl Frame {
    /// The rows each row of a partition reads.
    pub(super) fn rows(
        self,
        keys: &[ArrayRef],
        descending: bool,
        rows: usize,
    ) -> DfResult<Vec<Range<usize>>> {
        let peers = peers(keys, rows)?;
        let by_distance = [self.start, self.end]
            .iter()
            .any(|bound| matches!(bound, Bound::Before(_) | Bound::Behind(_)));
        let sorted = if self.unit == Unit::Range && by_distance {
            Some(Sorted::new(keys.first(), descending)?)
        } else {
            None
        };
        let mut frames = Vec::with_capacity(rows);
        for group in &peers {
            for at in group.clone() {
                let (start, end) = match (self.unit, &sorted) {
                    (Unit::Rows, _) => self.by_place(at, rows),
                    (Unit::Range, None) => (group.start, group.end),
                    (Unit::Range, Some(sorted)) => self.by_value(at, group, sorted),
                };
                let start = if self.start == Bound::First { 0 } else { start };
                let end = if self.end == Bound::Last { rows } else { end };
                frames.push(start..end.max(start));
            }
        }
        Ok(frames)
    }

    fn by_place(self, at: usize, rows: usize) -> (usize, usize) {
        let (at, most) = (at as i128, rows as i128);
        let start = (at + self.start.distance()).clamp(0, most);
        let end = (at + self.end.distance() + 1).clamp(0, most);
        let place = |n: i128| usize::try_from(n).unwrap_or(0);
        (place(start), place(end))
    }

    fn by_value(self, at: usize, group: &Range<usize>, sorted: &Sorted) -> (usize, usize) {
        // NULL is at no distance from anything but itself.
        let Some(value) = sorted.value(at) else { return (group.start, group.end) };
        let start = value.saturating_add(self.start.distance());
        let end = value.saturating_add(self.end.distance());
        (sorted.first(|v| v >= start), sorted.first(|v| v > end))
    }
}

/// The one key of RANGE by a distance, rising; the NULLs are at one end.
struct Sorted {
    first: usize,
    values: Vec<i128>,
}

impl Sorted {
    fn new(key: Option<&ArrayRef>, descending: bool) -> DfResult<Self> {
        let Some(key) = key else { return Err(evaluation("RANGE without a key")) };
        let sign = if descending { -1 } else { 1 };
        let first = (0..key.len()).find(|at| !key.is_null(*at)).unwrap_or(0);
        let values = match key.as_primitive_opt::<Int64Type>() {
            Some(ints) => ints.iter().flatten().map(|v| sign * i128::from(v)).collect(),
            None => {
                key.as_primitive::<Decimal128Type>().iter().flatten().map(|v| sign * v).collect()
            }
        };
        Ok(Self { first, values })
    }

    fn value(&self, at: usize) -> Option<i128> {
        self.values.get(at.checked_sub(self.first)?).copied()
    }

    /// Where the first value is for which `holds`, or behind the last.
    fn first(&self, holds: impl Fn(i128) -> bool) -> usize {
        self.first + self.values.partition_point(|v| !holds(*v))
    }
}
