//! The lock beside a file, which keeps it to one process and one part of that: SQLite's own locks are taken per
//! transaction.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{FileError, open_error, private};

/// A locked file. It is let go of by name: closing is not enough when this process is just starting another one, which has
/// the file open, too, until its program is loaded.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock of a file, for as long as this lives.
    pub(super) fn take(path: &Path) -> Result<Self, FileError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let file = private(Path::new(&name)).map_err(|error| open_error(path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(open_error(path, &error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, closing is what is left.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_let_go_of_although_another_process_has_its_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.db");
        let held = Lock::take(&path).unwrap();
        let inherited = held.0.try_clone().unwrap();
        assert!(matches!(Lock::take(&path), Err(FileError::InUse { .. })));
        drop(held);
        drop(Lock::take(&path).unwrap());
        drop(inherited);
    }
}
