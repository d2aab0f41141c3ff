//! The deployment's signing key of webhooks on a laptop: made once, kept in the data folder.

use std::path::Path;

use common::clock::Chance;
use common::keys::Secret;
use common::port::PortError;
use common::warehouse::hex;

use crate::private_file::read_or_make;

const BYTES: usize = 32;

/// Reads the data folder's key, or makes one. Tenants hold keys derived from it: another key makes what they
/// verify with wrong.
pub fn key(data_dir: &Path, chance: &Chance) -> Result<Secret, PortError> {
    let path = data_dir.join("webhook-key");
    let held = read_or_make(&path, || hex(&chance.bytes::<BYTES>()).into_bytes())?;
    let text = String::from_utf8(held.bytes).unwrap_or_default();
    let text = text.trim();
    if text.len() != 2 * BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let rule = "holds no webhook key, which is 64 hexadecimal digits; bring it back, or remove it to have \
                    another made: tenants then need their new secrets";
        return Err(PortError::other(format!("file {}", path.display()), rule));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_a_broken_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook-key");
        let made = key(folder.path(), &Chance::seeded(1)).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, format!("{}\n", made.expose())).unwrap();
        assert_eq!(key(folder.path(), &Chance::seeded(2)).unwrap(), made);
        for broken in ["", &made.expose()[1..], &"x".repeat(64)] {
            std::fs::write(&path, broken).unwrap();
            let refused = key(folder.path(), &Chance::seeded(1)).unwrap_err().to_string();
            assert!(refused.contains("bring it back"), "{refused}");
        }
    }
}
