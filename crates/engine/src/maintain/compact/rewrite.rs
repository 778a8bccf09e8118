//! One file group: its live rows into new files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use roaring::RoaringTreemap;
use tokio::sync::mpsc;
use waterline_core::error::{Error, Result};
use waterline_core::format::{DataFile, NewDataFile, TableFormat, TableState};
use waterline_core::maintain::compact::{FileGroup, Moves, Place, Policy, Strategy};

use super::sorted::sorted;
use crate::carry::Carrier;
use crate::lake::Lake;
use crate::read::Deletes;
use crate::write::DataWriter;

/// Files of a group that are opened at the same time.
const OPEN_FILES: usize = 2;
/// Batches that wait to be written while others are read.
const WAITING_BATCHES: usize = 2;
/// How far a new file may grow beyond the target, in percent: rather that than a small file behind it.
const SLACK_PERCENT: u64 = 125;

/// What all file groups of a compaction share.
pub(super) struct Rewrite {
    pub(super) lake: Lake,
    pub(super) format: Arc<dyn TableFormat>,
    pub(super) state: TableState,
    pub(super) policy: Policy,
    /// For one group at a time.
    pub(super) memory_bytes: usize,
}

/// A file group and what its rows are in now. Nothing of it is committed yet.
pub(super) struct Rewritten {
    pub(super) group: FileGroup,
    /// Rows that were deleted, by file of the group.
    pub(super) gone: Vec<RoaringTreemap>,
    pub(super) add: Vec<NewDataFile>,
    /// `None` when rows were put into another order or another partition.
    pub(super) moves: Option<Moves>,
}

impl Rewrite {
    pub(super) async fn group(&self, group: FileGroup) -> Result<Rewritten> {
        let deletes = Deletes::new(self.format.clone(), &self.state, self.lake.files.clone())?;
        let gone = deletes.of_all(group.files.clone()).await?;
        let carrier = Carrier::of(&self.state, &group.files)?;
        let rows = self.read(&carrier, &group.files, &gone);
        let rows = match &self.policy.strategy {
            Strategy::Binpack(_) => rows,
            Strategy::Sort(order) => sorted(rows, &carrier.state().schema, order, self.memory_bytes)?,
        };
        let mut add = self.write(&carrier, &group.place, rows).await?;
        carrier.without_statistics(&mut add);
        let is_copied = matches!(self.policy.strategy, Strategy::Binpack(_)) && group.place != Place::EachRow;
        let moves = is_copied.then(|| {
            let from = group.files.iter().zip(&gone).map(|(file, gone)| (file.path.clone(), file.record_count, gone.clone()));
            Moves::new(from, add.iter().map(|file| (file.path.clone(), file.record_count)))
        });
        Ok(Rewritten { group, gone, add, moves })
    }

    /// The live rows of the files, one after another; read by a task of its own.
    fn read(&self, carrier: &Carrier, files: &[DataFile], gone: &[RoaringTreemap]) -> BoxStream<'static, Result<RecordBatch>> {
        let (send, receive) = mpsc::channel(WAITING_BATCHES);
        let (lake, carrier) = (self.lake.clone(), carrier.clone());
        let files: Vec<_> = files.iter().cloned().zip(gone.iter().cloned()).collect();
        tokio::spawn(async move {
            let opened = stream::iter(files).map(|(file, gone)| {
                let (lake, carrier) = (&lake, &carrier);
                async move { carrier.read(lake, &file, gone).await }
            });
            let mut batches = opened.buffered(OPEN_FILES).try_flatten();
            while let Some(batch) = batches.next().await {
                // The writer has failed, and says so itself.
                if send.send(batch).await.is_err() {
                    return;
                }
            }
        });
        stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|batch| (batch, receive)) }).boxed()
    }

    async fn write(&self, carrier: &Carrier, place: &Place, mut rows: BoxStream<'static, Result<RecordBatch>>) -> Result<Vec<NewDataFile>> {
        let limit = self.policy.target_file_bytes / 100 * SLACK_PERCENT;
        let mut writer = DataWriter::new(&self.lake.env, carrier.state())?.with_target_file_size(limit.max(1)).with_small_row_groups();
        while let Some(batch) = rows.try_next().await? {
            match place {
                Place::Partition(partition) => writer.write_into(partition, &batch).await?,
                Place::EachRow => writer.write(&batch).await?,
            }
        }
        writer.finish().await
    }
}

impl Rewritten {
    /// Fails when rows were lost or doubled on the way.
    pub(super) fn check(&self) -> Result<()> {
        let stayed = self.group.rows() - self.gone.iter().map(RoaringTreemap::len).sum::<u64>();
        let written: u64 = self.add.iter().map(|file| file.record_count).sum();
        if stayed == written {
            return Ok(());
        }
        Err(Error::corrupt("the files of a group do not hold as many rows as the table's metadata says")
            .with("file", self.group.files.first().map_or("", |file| &file.path))
            .with("rows by metadata", stayed)
            .with("rows read", written))
    }
}
