//! A file that has no name yet which others see.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use object_store::Result;

use super::failed;
use super::folders::sync_parent;

/// Whether a file may take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Any,
    Free,
}

/// A file `TARGET#N`, a name that `LocalFileSystem` hides from lists. It is removed unless it is published.
#[derive(Debug)]
pub(super) struct Staged {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// In the folder of `target`, which must be there.
    pub(super) fn create(target: PathBuf) -> Result<Self> {
        let mut number = 1_u64;
        loop {
            let mut path = target.clone().into_os_string();
            path.push(format!("#{number}"));
            let path = PathBuf::from(path);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path, target }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(failed(&path, e)),
            }
        }
    }

    /// Appends to what was written last.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| failed(&self.target, e))
    }

    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|e| failed(&self.target, e))?;
        self.write(bytes)
    }

    /// Gives the file its name, durably. An error other than that the name is taken leaves open whether it has it.
    pub(super) fn publish(self, name: Name) -> Result<()> {
        self.file.sync_all().map_err(|e| failed(&self.target, e))?;
        let published = match name {
            Name::Any => std::fs::rename(&self.path, &self.target).map_err(|e| failed(&self.target, e)),
            Name::Free => std::fs::hard_link(&self.path, &self.target).map_err(|e| taken(&self.target, e)),
        };
        if matches!(&published, Err(e) if !matches!(e, object_store::Error::AlreadyExists { .. })) {
            return published;
        }
        // Also where the name is taken: who finds their own bytes there calls that a success.
        sync_parent(&self.target)?;
        published
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename it is gone. What stays behind is hidden, and an orphan.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn taken(target: &Path, source: io::Error) -> object_store::Error {
    if source.kind() == io::ErrorKind::AlreadyExists {
        return object_store::Error::AlreadyExists { path: target.display().to_string(), source: source.into() };
    }
    failed(target, source)
}
