//! Planning of a scan (Iceberg spec, "Scan Planning"): live data files with what is known of them and the deletes that
//! apply. Manifests are skipped by the summaries of their partitions, files by their partition and bounds.

use std::sync::Arc;

use futures::TryStreamExt;
use iceberg::spec::{DataFileFormat, ManifestEntryRef, ManifestFile};
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, DeleteState, FilePruner};

use crate::deletes::{DeleteIndex, referenced_file};
use crate::lineage::RowIds;
use crate::location;
use crate::manifest::{Contents, Manifests, is_data};
use crate::state::IcebergState;
use crate::summaries::Summaries;

/// What a [`DataFile`] of this crate holds inside.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    pub(crate) entry: ManifestEntryRef,
    /// Position deletes and deletion vector that apply.
    pub(crate) deletes: Vec<ManifestEntryRef>,
}

impl PlannedFile {
    pub(crate) fn of(file: &DataFile) -> Result<&Self> {
        file.inner.downcast_ref().ok_or_else(|| Error::internal("the data file is of another table format"))
    }
}

pub(crate) async fn data_files(manifests: &Manifests, state: &IcebergState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
    let Some(snapshot) = &state.snapshot else { return Ok(Vec::new()) };
    let summaries = Summaries::new(state);
    let (mut data, deletes): (Vec<_>, Vec<_>) = manifests.list(&state.metadata.table, snapshot).await?.into_iter().partition(is_data);
    data.retain(|manifest| prune.keep(&summaries.of_manifest(manifest)));
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let deletes = manifests.collect(deletes).await?;
    let deletes = DeleteIndex::new(deletes.iter().map(|(_, contents)| contents))?;
    let plan = Plan { summaries, deletes, prune };
    let files = manifests.load_all(data).try_fold(Vec::new(), |mut files, (manifest, contents)| {
        let added = plan.add(&manifest, &contents, &mut files);
        async move { added.map(|()| files) }
    });
    files.await
}

struct Plan<'a> {
    summaries: Summaries<'a>,
    deletes: DeleteIndex,
    prune: &'a dyn FilePruner,
}

impl Plan<'_> {
    fn add(&self, manifest: &ManifestFile, contents: &Arc<Contents>, files: &mut Vec<DataFile>) -> Result<()> {
        let fields = self.summaries.fields_of(manifest.partition_spec_id);
        let mut row_ids = RowIds::of(manifest);
        for entry in contents.live() {
            let lineage = row_ids.lineage(entry)?;
            let summary = self.summaries.of_file(&fields, contents, entry.data_file());
            if self.prune.keep(&summary) {
                let mut file = self.planned(manifest.partition_spec_id, entry)?;
                (file.summary, file.lineage) = (summary, lineage);
                files.push(file);
            }
        }
        Ok(())
    }

    fn planned(&self, spec_id: i32, entry: &ManifestEntryRef) -> Result<DataFile> {
        let file = entry.data_file();
        if file.file_format() != DataFileFormat::Parquet {
            return Err(Error::unsupported("data files of this format are not supported")
                .with("format", file.file_format())
                .with("file", file.file_path()));
        }
        let deletes = self.deletes.positions(spec_id, entry);
        Ok(DataFile {
            path: location::absolute(file.file_path()),
            size_bytes: file.file_size_in_bytes(),
            record_count: file.record_count(),
            summary: Default::default(),
            deletes: if deletes.is_empty() { DeleteState::None } else { DeleteState::Some },
            deleted_rows: deleted_rows(&deletes),
            equality_deletes: self.deletes.equality(spec_id, entry)?,
            lineage: None,
            inner: Arc::new(PlannedFile { entry: entry.clone(), deletes }),
        })
    }
}

fn deleted_rows(deletes: &[ManifestEntryRef]) -> Option<u64> {
    let of_one_file = |delete: &ManifestEntryRef| referenced_file(delete.data_file()).map(|_| delete.record_count());
    deletes.iter().map(of_one_file).sum()
}
