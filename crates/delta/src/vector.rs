//! Deletion vectors (Delta protocol, "Deletion Vectors"): in files of their own, where each is a length, the vector and a
//! checksum, or inline in the log.

use bytes::Bytes;
use roaring::RoaringTreemap;
use uuid::Uuid;
use waterline_core::deletion_vector::{decode, decode_body, encode};
use waterline_core::error::{Error, Result};
use waterline_env::files::{Files, NewFile};

use crate::actions::DeletionVector;
use crate::ledger::FOLDER;
use crate::{paths, z85};

const FILE_VERSION: u8 = 1;
/// The length before a vector and the checksum behind it.
const FRAME_BYTES: u64 = 8;
const UUID_CHARACTERS: usize = 20;
const RELATIVE: &str = "u";
const ABSOLUTE: &str = "p";
const INLINE: &str = "i";

/// Reads and checks a vector of the table at `root`.
pub(crate) async fn read(files: &Files, root: &str, vector: &DeletionVector) -> Result<RoaringTreemap> {
    let place = |e: Error| e.with("deletion vector", vector.unique_id());
    let rows = match location(root, vector)? {
        None => decode_body(&inline(vector)?).map_err(place)?,
        Some(location) => {
            let corrupt = || place(Error::corrupt("not the place of a deletion vector").with("file", &location));
            let start = u64::try_from(vector.offset.unwrap_or(1)).map_err(|_| corrupt())?;
            let size = u64::try_from(vector.size_in_bytes).map_err(|_| corrupt())?;
            let blob = files.read_range(&location, start..start + size + FRAME_BYTES).await?;
            decode(&blob).map_err(|e| e.with("file", &location).with("offset", start))?
        }
    };
    if i64::try_from(rows.len()) != Ok(vector.cardinality) {
        return Err(place(Error::corrupt("a deletion vector holds another number of rows than the log says")));
    }
    Ok(rows)
}

fn inline(vector: &DeletionVector) -> Result<Vec<u8>> {
    let corrupt = || Error::corrupt("an inline deletion vector cannot be read");
    let mut bytes = z85::decode(&vector.path_or_inline_dv).ok_or_else(corrupt)?;
    // It was filled up to a multiple of four.
    bytes.truncate(usize::try_from(vector.size_in_bytes).map_err(|_| corrupt())?);
    Ok(bytes)
}

/// The file that holds a vector; `None` when it is in the log.
pub(crate) fn location(root: &str, vector: &DeletionVector) -> Result<Option<String>> {
    let text = &vector.path_or_inline_dv;
    let corrupt = || Error::corrupt("a deletion vector of the log cannot be found").with("storage type", &vector.storage_type);
    match vector.storage_type.as_str() {
        INLINE => Ok(None),
        ABSOLUTE => paths::absolute(root, text).map(Some),
        RELATIVE => {
            let prefix = prefix(vector).ok_or_else(corrupt)?;
            let id = &text[prefix.len()..];
            let id = z85::decode(id).and_then(|bytes| Uuid::from_slice(&bytes).ok()).ok_or_else(corrupt)?;
            let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            paths::below(root, &format!("{folder}deletion_vector_{id}.bin")).map(Some).ok_or_else(corrupt)
        }
        _ => Err(corrupt()),
    }
}

/// The same vector, for the log of a snapshot aside of the table.
pub(crate) fn named_aside(vector: &DeletionVector) -> DeletionVector {
    match prefix(vector) {
        Some(prefix) => with_prefix(vector, format!("{}{prefix}", paths::BACK).trim_end_matches('/')),
        None => vector.clone(),
    }
}

/// The same vector of a snapshot aside, for the log of the table that it is of.
pub(crate) fn named_in_table(vector: &DeletionVector) -> DeletionVector {
    let back = paths::BACK.trim_end_matches('/');
    match prefix(vector).and_then(|prefix| prefix.strip_prefix(back)) {
        Some(prefix) => with_prefix(vector, prefix.trim_start_matches('/')),
        None => vector.clone(),
    }
}

/// The folder in which a vector is that is stored relative to the table.
fn prefix(vector: &DeletionVector) -> Option<&str> {
    let text = &vector.path_or_inline_dv;
    text.get(..text.len().checked_sub(UUID_CHARACTERS)?).filter(|_| vector.storage_type == RELATIVE)
}

fn with_prefix(vector: &DeletionVector, folder: &str) -> DeletionVector {
    let id = &vector.path_or_inline_dv[prefix(vector).map_or(0, str::len)..];
    DeletionVector { path_or_inline_dv: format!("{folder}{id}"), ..vector.clone() }
}

/// A file of vectors that is being made.
pub(crate) struct VectorFile {
    id: Uuid,
    bytes: Vec<u8>,
}

impl VectorFile {
    pub(crate) fn new(id: Uuid) -> Self {
        Self { id, bytes: vec![FILE_VERSION] }
    }

    pub(crate) fn add(&mut self, rows: &RoaringTreemap) -> Result<DeletionVector> {
        let too_large = |_| Error::unsupported("the deletion vectors of one commit are too large for a file");
        let blob = encode(rows)?;
        let offset = i32::try_from(self.bytes.len()).map_err(too_large)?;
        let size = i32::try_from(blob.len() - FRAME_BYTES as usize).map_err(too_large)?;
        self.bytes.extend(blob);
        Ok(DeletionVector {
            storage_type: RELATIVE.into(),
            path_or_inline_dv: format!("{FOLDER}{}", z85::encode(self.id.as_bytes())),
            offset: Some(offset),
            size_in_bytes: size,
            cardinality: rows.len().cast_signed(),
        })
    }

    /// The file below the folder of the table; `None` when it holds nothing. It lies where VACUUM does not look, since that of
    /// delta-rs, in its full mode, deletes vectors that are live.
    pub(crate) fn finish(self, root: &str) -> Option<NewFile> {
        let location = format!("{root}/{FOLDER}/deletion_vector_{}.bin", self.id);
        (self.bytes.len() > 1).then(|| NewFile { location, bytes: Bytes::from(self.bytes) })
    }
}

#[cfg(test)]
mod tests;
