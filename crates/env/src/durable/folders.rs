//! Folders whose names are on the disk.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use object_store::Result;

use super::failed;

/// Folders that this process knows to be durable, up to the root.
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<HashSet<PathBuf>>);

impl Folders {
    /// Makes the folder of a file, and those above it, where they lack. A folder that is there is synced too when it is first
    /// met: another process may have made it a moment ago.
    pub(super) fn make_parent(&self, file: &Path) -> Result<()> {
        file.parent().map_or(Ok(()), |folder| self.make(folder))
    }

    fn make(&self, folder: &Path) -> Result<()> {
        if self.known(|known| known.contains(folder)) && folder.is_dir() {
            return Ok(());
        }
        self.make_parent(folder)?;
        let made = match std::fs::create_dir(folder) {
            Ok(()) => true,
            Err(_) if folder.is_dir() => false,
            Err(e) => return Err(failed(folder, e)),
        };
        match sync_parent(folder) {
            Err(e) if made => return Err(e),
            // A folder of others above the lake need not be ours to read.
            _ => {}
        }
        self.known(|known| known.insert(folder.to_path_buf()));
        Ok(())
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashSet<PathBuf>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Puts the names in the folder of a path on the disk.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems cannot sync a folder; there names are the server's business.
        Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(failed(folder, e)),
        _ => Ok(()),
    }
}
