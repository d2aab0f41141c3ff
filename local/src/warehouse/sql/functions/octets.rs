//! BYTES functions: positions and lengths count bytes.

use common::warehouse::DataType::{self, Bool, Bytes, Int64, String as Text};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::text::{LONGEST, count, negative, span, too_long};
use super::{Overload, fixed, listing};

const B: &[DataType] = &[Bytes];
const BB: &[DataType] = &[Bytes, Bytes];
const BI: &[DataType] = &[Bytes, Int64];

/// What STRING functions do, of bytes, and BYTES as STRING.
pub(crate) const OVERLOADS: &[Overload] = &[
    Overload {
        name: "CONCAT",
        args: B,
        variadic: true,
        list: false,
        result: Bytes,
        run: |r| Ok(Cell::Bytes((0..r.len()).flat_map(|i| r.bytes(i)).copied().collect())),
        whole: None,
    },
    fixed("||", BB, Bytes, |r| Ok(Cell::Bytes([r.bytes(0), r.bytes(1)].concat()))),
    fixed("SUBSTR", BI, Bytes, |r| cut(r.bytes(0), r.int(1), None)),
    fixed("SUBSTR", &[Bytes, Int64, Int64], Bytes, |r| cut(r.bytes(0), r.int(1), Some(r.int(2)))),
    fixed("SUBSTRING", BI, Bytes, |r| cut(r.bytes(0), r.int(1), None)),
    fixed("SUBSTRING", &[Bytes, Int64, Int64], Bytes, |r| {
        cut(r.bytes(0), r.int(1), Some(r.int(2)))
    }),
    fixed("LEFT", BI, Bytes, |r| {
        let length = usize::try_from(r.int(1)).map_err(|_| negative("LEFT", r.int(1)))?;
        let bytes = r.bytes(0);
        Ok(Cell::Bytes(bytes[..length.min(bytes.len())].to_vec()))
    }),
    fixed("RIGHT", BI, Bytes, |r| {
        let length = usize::try_from(r.int(1)).map_err(|_| negative("RIGHT", r.int(1)))?;
        let bytes = r.bytes(0);
        Ok(Cell::Bytes(bytes[bytes.len().saturating_sub(length)..].to_vec()))
    }),
    fixed("REVERSE", B, Bytes, |r| Ok(Cell::Bytes(r.bytes(0).iter().rev().copied().collect()))),
    fixed("REPEAT", BI, Bytes, |r| {
        let times = usize::try_from(r.int(1))
            .map_err(|_| format!("REPEAT of a negative number of times: {}", r.int(1)))?;
        if r.bytes(0).len().saturating_mul(times) > LONGEST {
            return Err(too_long("REPEAT"));
        }
        Ok(Cell::Bytes(r.bytes(0).repeat(times)))
    }),
    fixed("STARTS_WITH", BB, Bool, |r| Ok(Cell::Bool(r.bytes(0).starts_with(r.bytes(1))))),
    fixed("ENDS_WITH", BB, Bool, |r| Ok(Cell::Bool(r.bytes(0).ends_with(r.bytes(1))))),
    fixed("STRPOS", BB, Int64, |r| {
        let (bytes, sought) = (r.bytes(0), r.bytes(1));
        let found = (0..=bytes.len()).find(|at| bytes[*at..].starts_with(sought));
        Ok(found.map_or(Cell::Int(0), |at| count(at + 1)))
    }),
    listing("TO_CODE_POINTS", B, Int64, |r| {
        Ok(Cell::List(r.bytes(0).iter().map(|b| Cell::Int(i64::from(*b))).collect()))
    }),
    // How many marks replace a broken character is not written down.
    fixed("SAFE_CONVERT_BYTES_TO_STRING", B, Text, |r| {
        let text = std::str::from_utf8(r.bytes(0)).map(|text| Cell::Text(text.to_owned()));
        text.map_err(|_| not_here("SAFE_CONVERT_BYTES_TO_STRING of other than UTF-8"))
    }),
    fixed("BIT_COUNT", &[Int64], Int64, |r| Ok(Cell::Int(i64::from(r.int(0).count_ones())))),
    fixed("BIT_COUNT", B, Int64, |r| {
        Ok(Cell::Int(r.bytes(0).iter().map(|b| i64::from(b.count_ones())).sum()))
    }),
];

fn cut(bytes: &[u8], position: i64, length: Option<i64>) -> Result<Cell, String> {
    let (start, take) = span(bytes.len(), position, length)?;
    Ok(Cell::Bytes(bytes.iter().skip(start).take(take).copied().collect()))
}
