//! How an operator proves itself on a laptop: one key, kept in the data folder, sent as `X-Admin-Key`.

use std::path::Path;

use common::clock::Chance;
use common::http::{Kind, Operator, Operators, Problem};
use common::keys::Secret;
use common::port::PortError;
use common::warehouse::hex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::private_file::read_or_make;

/// The operator's header.
pub const HEADER: &str = "x-admin-key";

/// Reads the data folder's admin key, or makes one; answers whether it was made now.
pub fn key(data_dir: &Path, chance: &Chance) -> Result<(Secret, bool), PortError> {
    let path = data_dir.join("admin-key");
    let held = read_or_make(&path, || hex(&chance.bytes::<32>()).into_bytes())?;
    let text = String::from_utf8(held.bytes)
        .map_err(|e| PortError::other(format!("file {}", path.display()), e))?;
    Ok((Secret::new(text.trim()), held.made))
}

/// Accepts the key alone. Digests are compared, in constant time, so neither length nor prefix shows.
pub fn operators(key: &Secret) -> Operators {
    let expected = Sha256::digest(key.expose());
    Operators::from_fn(move |headers| async move {
        let sent = headers.get(HEADER).map_or(&[][..], |value| value.as_bytes());
        if bool::from(Sha256::digest(sent).ct_eq(&expected)) {
            Ok(Operator { name: "admin".to_owned() })
        } else {
            let detail = "this route is the operator's: send its key in X-Admin-Key";
            Err(Problem::new(Kind::Unauthenticated, detail))
        }
    })
}
