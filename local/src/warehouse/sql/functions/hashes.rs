//! Hashes of text and bytes, and the spellings of bytes as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::warehouse::DataType::{self, Bytes, Int64, String as Text};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::super::refusal::not_here;
use super::super::rowwise::{Cell, Row};
use super::text::count;
use super::{Overload, fixed};

const T: &[DataType] = &[Text];
const B: &[DataType] = &[Bytes];

/// MD5, SHA1, SHA256 and SHA512; hexadecimal and base64, both ways.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("MD5", T, Bytes, |r| Ok(of_text::<Md5>(r))),
    fixed("MD5", B, Bytes, |r| Ok(of_bytes::<Md5>(r))),
    fixed("SHA1", T, Bytes, |r| Ok(of_text::<Sha1>(r))),
    fixed("SHA1", B, Bytes, |r| Ok(of_bytes::<Sha1>(r))),
    fixed("SHA256", T, Bytes, |r| Ok(of_text::<Sha256>(r))),
    fixed("SHA256", B, Bytes, |r| Ok(of_bytes::<Sha256>(r))),
    fixed("SHA512", T, Bytes, |r| Ok(of_text::<Sha512>(r))),
    fixed("SHA512", B, Bytes, |r| Ok(of_bytes::<Sha512>(r))),
    fixed("TO_HEX", B, Text, |r| Ok(Cell::Text(common::warehouse::hex(r.bytes(0))))),
    fixed("FROM_HEX", T, Bytes, |r| unhex(r.text(0))),
    fixed("TO_BASE64", B, Text, |r| Ok(Cell::Text(STANDARD.encode(r.bytes(0))))),
    // BigQuery takes more spellings than one, which are not all written down.
    fixed("FROM_BASE64", T, Bytes, |r| {
        let bytes = STANDARD.decode(r.text(0)).map(Cell::Bytes);
        bytes.map_err(|_| not_here("FROM_BASE64 of other than padded standard base64"))
    }),
    fixed("BYTE_LENGTH", B, Int64, |r| Ok(count(r.bytes(0).len()))),
    fixed("OCTET_LENGTH", T, Int64, |r| Ok(count(r.text(0).len()))),
    fixed("OCTET_LENGTH", B, Int64, |r| Ok(count(r.bytes(0).len()))),
];

fn of_text<D: Digest>(row: &Row<'_>) -> Cell {
    Cell::Bytes(D::digest(row.text(0).as_bytes()).to_vec())
}

fn of_bytes<D: Digest>(row: &Row<'_>) -> Cell {
    Cell::Bytes(D::digest(row.bytes(0)).to_vec())
}

/// Pairs of digits; an odd number of them is read as if a 0 stood before.
fn unhex(text: &str) -> Result<Cell, String> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let mut digits = digits.ok_or_else(|| format!("'{text}' is not hexadecimal"))?;
    if digits.len() % 2 == 1 {
        digits.insert(0, 0);
    }
    Ok(Cell::Bytes(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()))
}
