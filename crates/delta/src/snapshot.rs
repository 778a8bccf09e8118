//! A version of a table: what the actions of the log up to it add up to (Delta protocol, "Action Reconciliation").

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use waterline_core::error::{Error, Result};
use waterline_core::format::{Bounds, FileSummary};
use waterline_core::partition::Transform;
use waterline_env::location;

use crate::actions::{Action, Add, DomainMetadata, Protocol, Remove, Transaction};
use crate::partition::{self, OURS};
use crate::statistics::{self, Statistics};
use crate::table_metadata::{Partition, TableMetadata};
use crate::{features, paths};

/// Cheap to clone as far as that goes: files are shared.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Of the log, also of commits that change no rows.
    pub(crate) version: i64,
    /// The table's folder.
    pub(crate) root: String,
    pub(crate) protocol: Arc<Protocol>,
    pub(crate) table: Arc<TableMetadata>,
    /// By [`location::key`] of the path.
    pub(crate) files: BTreeMap<Arc<str>, Arc<LiveFile>>,
    /// Files that left, for checkpoints, by key and deletion vector.
    pub(crate) removed: BTreeMap<String, Arc<Remove>>,
    pub(crate) transactions: BTreeMap<String, Transaction>,
    pub(crate) domains: BTreeMap<String, DomainMetadata>,
}

#[derive(Debug)]
pub(crate) struct LiveFile {
    pub(crate) add: Add,
    pub(crate) path: String,
    table: Arc<TableMetadata>,
    known: OnceLock<Known>,
}

/// What is known of a file without opening it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) record_count: Option<u64>,
    pub(crate) summary: FileSummary,
}

impl LiveFile {
    fn new(add: Add, path: String, table: &Arc<TableMetadata>) -> Self {
        Self { add, path, table: table.clone(), known: OnceLock::new() }
    }

    pub(crate) fn stats(&self) -> Option<&str> {
        self.add.stats.as_deref().or_else(|| self.add.parsed_stats.as_ref().map(|json| json.get()))
    }

    pub(crate) fn known(&self) -> Result<&Known> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let known = self.look()?;
        Ok(self.known.get_or_init(|| known))
    }

    fn look(&self) -> Result<Known> {
        let Statistics { record_count, bounds, all_null } =
            self.stats().map(|json| statistics::read(json, &self.table)).unwrap_or_default();
        let mut summary = FileSummary { bounds, ..FileSummary::default() };
        for partition in &self.table.partitions {
            let value = self.partition_value(partition).map_err(|e| e.with("file", &self.path))?;
            match (value, partition.field.transform) {
                (value, Transform::Identity) => {
                    let bounds = || Bounds { lower: value.clone(), upper: value.clone() };
                    summary.bounds.insert(partition.field.column.clone(), bounds());
                    summary.partition.push((partition.field.clone(), value));
                }
                (Some(value), _) if self.is_ours() => summary.partition.push((partition.field.clone(), Some(value))),
                (None, _) if all_null.contains(&partition.field.column) => summary.partition.push((partition.field.clone(), None)),
                // Unknown: another writer's.
                _ => {}
            }
        }
        Ok(Known { record_count, summary })
    }

    fn partition_value(&self, partition: &Partition) -> Result<Option<waterline_core::value::Value>> {
        let text = self.add.partition_values.get(&partition.physical).and_then(Option::as_deref).filter(|text| !text.is_empty());
        text.map(|text| partition::from_text(text, &partition.field, &partition.source)).transpose()
    }

    fn is_ours(&self) -> bool {
        self.add.tags.as_ref().is_some_and(|tags| tags.contains_key(OURS))
    }

    /// The action that takes the file away, with its deletion vector.
    pub(crate) fn removal(&self, deletion_timestamp: i64, data_change: bool) -> Remove {
        Remove {
            path: self.add.path.clone(),
            deletion_timestamp: Some(deletion_timestamp),
            data_change,
            extended_file_metadata: Some(true),
            partition_values: Some(self.add.partition_values.clone()),
            size: Some(self.add.size),
            tags: self.add.tags.clone(),
            deletion_vector: self.add.deletion_vector.clone(),
        }
    }
}

/// Of two states of one file that are the same, it is the same.
pub(crate) fn vector_id(vector: Option<&crate::actions::DeletionVector>) -> Option<String> {
    vector.map(crate::actions::DeletionVector::unique_id)
}

impl Snapshot {
    pub(crate) fn file(&self, path: &str) -> Option<&Arc<LiveFile>> {
        self.files.get(location::key(path).as_ref())
    }

    /// The snapshot of the next version. Of one commit removals count before additions: a file whose deletion vector is
    /// replaced has both.
    pub(crate) fn next(&self, version: i64, actions: &[Action]) -> Result<Self> {
        let mut next = self.clone();
        next.apply(version, actions)?;
        Ok(next)
    }

    /// Becomes the next version.
    pub(crate) fn apply(&mut self, version: i64, actions: &[Action]) -> Result<()> {
        self.version = version;
        self.take_metadata(actions)?;
        actions.iter().filter_map(|action| action.remove.as_ref()).try_for_each(|remove| self.take_removal(remove))?;
        actions.iter().filter_map(|action| action.add.as_ref()).try_for_each(|add| self.take_file(add.clone()))
    }

    /// A snapshot of the first commit of a log, or of a checkpoint.
    pub(crate) fn first(root: &str, version: i64, actions: &[Action]) -> Result<Self> {
        let missing = |what: &str| Error::corrupt("the log of the table cannot be read").with("table", root).with("missing action", what);
        let protocol = actions.iter().rev().find_map(|action| action.protocol.clone()).ok_or_else(|| missing("protocol"))?;
        let metadata = actions.iter().rev().find_map(|action| action.meta_data.clone()).ok_or_else(|| missing("metaData"))?;
        features::ensure_readable(&protocol).map_err(|e| e.with("table", root))?;
        let table = TableMetadata::parse(metadata, &protocol).map_err(|e| e.with("table", root))?;
        let empty = Self {
            version,
            root: root.to_owned(),
            protocol: Arc::new(protocol),
            table: Arc::new(table),
            files: BTreeMap::new(),
            removed: BTreeMap::new(),
            transactions: BTreeMap::new(),
            domains: BTreeMap::new(),
        };
        empty.next(version, actions)
    }

    fn take_metadata(&mut self, actions: &[Action]) -> Result<()> {
        for action in actions {
            if let Some(txn) = &action.txn {
                self.transactions.insert(txn.app_id.clone(), txn.clone());
            }
            if let Some(domain) = &action.domain_metadata {
                self.domains.insert(domain.domain.clone(), domain.clone());
            }
        }
        let protocol = actions.iter().rev().find_map(|action| action.protocol.as_ref());
        let metadata = actions.iter().rev().find_map(|action| action.meta_data.as_ref());
        if protocol.is_none_or(|protocol| *protocol == *self.protocol) && metadata.is_none_or(|metadata| *metadata == self.table.raw) {
            return Ok(());
        }
        if let Some(protocol) = protocol {
            features::ensure_readable(protocol).map_err(|e| e.with("table", &self.root))?;
            self.protocol = Arc::new(protocol.clone());
        }
        let raw = metadata.unwrap_or(&self.table.raw).clone();
        self.table = Arc::new(TableMetadata::parse(raw, &self.protocol).map_err(|e| e.with("table", &self.root))?);
        let table = &self.table;
        self.files.values_mut().for_each(|file| *file = Arc::new(LiveFile::new(file.add.clone(), file.path.clone(), table)));
        Ok(())
    }

    fn take_removal(&mut self, remove: &Remove) -> Result<()> {
        let path = paths::absolute(&self.root, &remove.path)?;
        let key = location::key(&path);
        let id = vector_id(remove.deletion_vector.as_ref());
        if self.files.get(key.as_ref()).is_some_and(|file| vector_id(file.add.deletion_vector.as_ref()) == id) {
            self.files.remove(key.as_ref());
        }
        self.removed.insert(removal_key(&key, id), Arc::new(remove.clone()));
        Ok(())
    }

    pub(crate) fn take_file(&mut self, add: Add) -> Result<()> {
        let path = paths::absolute(&self.root, &add.path)?;
        let key: Arc<str> = location::key(&path).into();
        self.removed.remove(&removal_key(&key, vector_id(add.deletion_vector.as_ref())));
        self.files.insert(key, Arc::new(LiveFile::new(add, path, &self.table)));
        Ok(())
    }
}

fn removal_key(key: &str, vector: Option<String>) -> String {
    format!("{key} {}", vector.unwrap_or_default())
}
