//! Events that have no place in a table's order, because they come from another domain than what is logged
//! (DESIGN.md rule 3). Sequences compare only inside a domain, so a key belongs to one, and so does a truncated table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::Fields;
use futures::TryStreamExt;
use waterline_core::change::{BATCH, ChangeBatch, DOMAIN, Op};
use waterline_core::error::{Error, Result};
use waterline_core::format::{FilePruner, FileSummary, TableFormat};
use waterline_core::key::{KeyEncoder, KeyId, KeyIndex};
use waterline_core::locate::{KeyPruner, KeySet, key_columns};
use waterline_core::record::LogHeader;
use waterline_core::value::Value;

use super::{ordinals, text};
use crate::lake::Lake;
use crate::locate::columns_by_name;
use crate::parquet_io::Rows;

/// An event that must not be logged.
#[derive(Debug)]
pub(crate) struct Misplaced {
    /// Row of the batch.
    pub row: usize,
    pub error: Error,
}

/// The events of a batch that contradict what is logged, or what comes before them in the batch. With a single domain
/// nothing is read.
pub(crate) async fn misplaced(
    lake: &Lake,
    changelog: &Arc<dyn TableFormat>,
    header: &LogHeader,
    events: &ChangeBatch,
) -> Result<Vec<Misplaced>> {
    let mut domains = Domains::default();
    let mut seen: HashSet<usize> = header.sequence_max.domains().map(|domain| domains.number(domain)).collect();
    let of_rows: Vec<usize> = events.domains().iter().flatten().map(|domain| domains.number(domain)).collect();
    if domains.0.len() < 2 {
        return Ok(Vec::new());
    }
    let mut keys = Keys::of(events)?;
    if let Some(keys) = &mut keys {
        keys.find_logged(lake, changelog, header, &of_rows, &mut domains).await?;
    }
    let mut truncated = header.counts.truncates > 0;
    let mut misplaced = Vec::new();
    for (row, &domain) in of_rows.iter().enumerate() {
        let is_truncate = events.op(row)? == Op::Truncate;
        let among_several = seen.iter().any(|other| *other != domain);
        let why = if among_several && (truncated || is_truncate) {
            "the source truncated a table whose events come from several domains; their order cannot be known"
        } else if keys.as_ref().is_some_and(|keys| keys.are_elsewhere(row, domain)) {
            "a key has events of two domains; their order cannot be known"
        } else {
            seen.insert(domain);
            truncated |= is_truncate;
            if let Some(keys) = &mut keys {
                keys.settle(row, domain);
            }
            continue;
        };
        misplaced.push(Misplaced { row, error: Error::bad_input(why).with("domain", events.domains().value(row)) });
    }
    Ok(misplaced)
}

/// Names of domains by number.
#[derive(Default)]
struct Domains(Vec<String>);

impl Domains {
    fn number(&mut self, domain: &str) -> usize {
        self.0.iter().position(|known| known == domain).unwrap_or_else(|| {
            self.0.push(domain.to_owned());
            self.0.len() - 1
        })
    }
}

/// The keys of a batch, and the domain of each as far as it is known.
struct Keys {
    fields: Fields,
    encoder: Arc<KeyEncoder>,
    index: Arc<KeyIndex>,
    /// Of each row the key, and the one before a key change. A truncate has none.
    of_rows: Vec<[Option<KeyId>; 2]>,
    domain_of: Vec<Option<usize>>,
}

impl Keys {
    /// `None` in a table without a key.
    fn of(events: &ChangeBatch) -> Result<Option<Self>> {
        let Some(old) = events.old_keys() else { return Ok(None) };
        let encoder = KeyEncoder::new(old.fields())?;
        let (rows, old_rows) = (encoder.encode(&key_columns(events.batch(), old.fields())?)?, encoder.encode(old.columns())?);
        let mut index = KeyIndex::default();
        let mut of_rows = Vec::with_capacity(events.len());
        for row in 0..events.len() {
            let key = (events.op(row)? != Op::Truncate).then(|| index.insert(rows.row(row)));
            of_rows.push([key, old.is_valid(row).then(|| index.insert(old_rows.row(row)))]);
        }
        let domain_of = vec![None; index.len()];
        Ok(Some(Self { fields: old.fields().clone(), encoder: Arc::new(encoder), index: Arc::new(index), of_rows, domain_of }))
    }

    /// Reads the domains of these keys from the changelog. That a key was the old one of a change need not be looked for:
    /// it has the change's delete.
    async fn find_logged(
        &mut self,
        lake: &Lake,
        changelog: &Arc<dyn TableFormat>,
        header: &LogHeader,
        of_rows: &[usize],
        domains: &mut Domains,
    ) -> Result<()> {
        let only = of_rows.first().filter(|first| of_rows.iter().all(|domain| domain == *first));
        let (set, keys) = KeySet::new(&self.index, &self.encoder, self.fields.clone(), |_| true)?;
        let pruner = Elsewhere { keys, only: only.map(|domain| domains.0[*domain].clone()) };
        let state = changelog.head().await?;
        let columns = columns_by_name(&state, [DOMAIN, BATCH].into_iter().chain(self.fields.iter().map(|field| field.name().as_str())))?;
        for file in changelog.data_files(&state, &pruner).await? {
            let opened = lake.files.open_data_file(&state, &file).await?;
            let mut read = opened.read(&columns, Rows::All, 1 << 16).await?;
            while let Some(batch) = read.try_next().await? {
                let (names, batches) = (text(&batch, 0)?, ordinals(&batch, 1)?);
                set.probe(&key_columns(&batch, &self.fields)?, |row, key| {
                    if !header.rollbacks.void(batches.value(row)) {
                        self.domain_of[key.index()] = Some(domains.number(names.value(row)));
                    }
                })?;
            }
        }
        Ok(())
    }

    fn are_elsewhere(&self, row: usize, domain: usize) -> bool {
        self.of_rows[row].iter().flatten().any(|key| self.domain_of[key.index()].is_some_and(|known| known != domain))
    }

    fn settle(&mut self, row: usize, domain: usize) {
        for key in self.of_rows[row].iter().flatten() {
            self.domain_of[key.index()] = Some(domain);
        }
    }
}

/// Files that may hold the keys with another domain than the batch's only one.
struct Elsewhere {
    keys: KeyPruner,
    only: Option<String>,
}

impl FilePruner for Elsewhere {
    fn keep(&self, file: &FileSummary) -> bool {
        let is_only = |value: &Option<Value>| matches!((value, &self.only), (Some(Value::Text(domain)), Some(only)) if domain == only);
        let same = file.bounds.get(DOMAIN).is_some_and(|bounds| is_only(&bounds.lower) && is_only(&bounds.upper));
        !same && self.keys.keep(file)
    }
}
