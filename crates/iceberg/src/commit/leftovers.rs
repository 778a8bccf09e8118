//! What the next commit that keeps the rows would tidy up.

use std::collections::{HashMap, HashSet};

use iceberg::spec::ManifestEntryRef;
use waterline_core::error::Result;
use waterline_core::format::{DanglingDelete, Leftovers};

use crate::commit::merge::MergePolicy;
use crate::commit::removal::LiveFiles;
use crate::deletes::referenced_file;
use crate::location;
use crate::manifest::Manifests;
use crate::state::IcebergState;

pub(crate) async fn leftovers(manifests: &Manifests, state: &IcebergState) -> Result<Leftovers> {
    let Some(snapshot) = &state.snapshot else { return Ok(Leftovers::default()) };
    let table = &state.metadata.table;
    let live = LiveFiles::new(manifests.collect(manifests.list(table, snapshot).await?).await?)?;
    let dangling = live.dangling(&HashSet::new());
    Ok(Leftovers {
        dangling_deletes: dangling.into_iter().map(dangling_delete).collect(),
        small_lists: MergePolicy::of(table).map_or(0, |policy| small_lists(policy, &live)),
    })
}

fn dangling_delete(entry: &ManifestEntryRef) -> DanglingDelete {
    DanglingDelete { path: location::absolute(entry.file_path()), of_file: referenced_file(entry.data_file()) }
}

/// Manifests that would become one, or a few, with others of their kind, spec and schema.
fn small_lists(policy: MergePolicy, live: &LiveFiles) -> usize {
    let mut alike: HashMap<_, Vec<i64>> = HashMap::new();
    for (file, contents) in live.manifests.iter().filter(|(file, _)| file.manifest_length < policy.target_bytes()) {
        let kind = (file.content, file.partition_spec_id, contents.schema.schema_id());
        alike.entry(kind).or_default().push(file.manifest_length);
    }
    let can_be_fewer = |bytes: &&Vec<i64>| bytes.len() as i64 > bytes.iter().sum::<i64>() / policy.target_bytes().max(1) + 1;
    alike.values().filter(can_be_fewer).map(Vec::len).sum()
}
