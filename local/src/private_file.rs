//! Files that hold a secret: made once with mode 0600, and refused where others can read them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use common::port::PortError;

/// What a private file holds, and whether it was made now.
pub struct Held {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether this call made it.
    pub made: bool,
}

/// Reads the file, or makes it with what `make` answers.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Held, PortError> {
    let failed = |error| PortError::other(format!("file {}", path.display()), error);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let bytes = make();
            let written = file.write_all(&bytes).and_then(|()| file.sync_all());
            if written.is_err() {
                // Half a secret is none; the error that led here is the one to tell.
                let _ = std::fs::remove_file(path);
            }
            written.map_err(failed)?;
            Ok(Held { bytes, made: true })
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut file = OpenOptions::new().read(true).open(path).map_err(failed)?;
            let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let path = path.display();
                return Err(PortError::PermissionDenied(format!(
                    "{path} is open to others (mode {mode:o}); run: chmod 600 {path}"
                )));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            Ok(Held { bytes, made: false })
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = read_or_make(&path, || b"one".to_vec()).unwrap();
        let second = read_or_make(&path, || b"two".to_vec()).unwrap();
        assert_eq!((first.bytes, first.made), (b"one".to_vec(), true));
        assert_eq!((second.bytes, second.made), (b"one".to_vec(), false));
        let mode = |m| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(m));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o640).unwrap();
        let refused = read_or_make(&path, Vec::new).err().unwrap().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
