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
    let text = String::from_utf8_lossy(&held.bytes).trim().to_owned();
    if text.is_empty() {
        let rule = "holds no admin key; remove it to have one made";
        return Err(PortError::other(format!("file {}", path.display()), rule));
    }
    Ok((Secret::new(text), held.made))
}

/// Accepts the key alone. Digests are compared, in constant time, so neither length nor prefix shows.
pub fn operators(key: &Secret) -> Operators {
    let expected = Sha256::digest(key.expose());
    Operators::from_fn(move |headers| async move {
        match headers.get(HEADER) {
            Some(sent) if bool::from(Sha256::digest(sent.as_bytes()).ct_eq(&expected)) => {
                Ok(Operator { name: "admin".to_owned() })
            }
            _ => {
                let detail = "this route is the operator's: send its key in X-Admin-Key";
                Err(Problem::new(Kind::Unauthenticated, detail))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    #[tokio::test]
    async fn the_key_alone_opens() {
        let operators = operators(&Secret::new("0123456789abcdef"));
        let ask = async |key: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(key) = key {
                headers.insert(HEADER, key.parse().unwrap());
            }
            operators.authenticate(&headers).await.is_ok()
        };
        assert!(ask(Some("0123456789abcdef")).await);
        for wrong in [None, Some(""), Some("0123456789abcde"), Some("0123456789abcdef0")] {
            assert!(!ask(wrong).await, "{wrong:?}");
        }
    }

    #[test]
    fn a_cut_off_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (made, first) = key(folder.path(), &Chance::seeded(1)).unwrap();
        let (read, second) = key(folder.path(), &Chance::seeded(2)).unwrap();
        assert_eq!((made, first, second), (read, true, false));
        std::fs::write(folder.path().join("admin-key"), "").unwrap();
        let refused = key(folder.path(), &Chance::seeded(1)).unwrap_err().to_string();
        assert!(refused.contains("remove it"), "{refused}");
    }
}
