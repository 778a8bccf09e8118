//! The table that a dump is written to. One that is not there yet is made when all of the dump is written, so that a dump
//! which cannot be read leaves no table behind.

use waterline_core::error::{Error, Result};
use waterline_core::format::TableState;
use waterline_core::schema::TableSchema;

use super::LoadRequest;
use crate::lake::Lake;
use crate::merge::Pair;
use crate::tables::{grow_pair, open_or_create_pair, open_pair, preview_mirror};

pub(super) enum Destination {
    There { pair: Pair, state: TableState },
    Planned(TableState),
}

impl Destination {
    /// The table with room for all columns of the dump.
    pub(super) async fn find(lake: &Lake, request: &LoadRequest, schema: &TableSchema) -> Result<Self> {
        Ok(match open_pair(lake, &request.table, &request.settings).await? {
            Some(pair) => Self::There { state: grow_pair(&pair, schema).await?, pair },
            None => Self::Planned(preview_mirror(lake, &request.table, schema, &request.settings)?),
        })
    }

    /// What the data files are written for.
    pub(super) fn state(&self) -> &TableState {
        match self {
            Self::There { state, .. } | Self::Planned(state) => state,
        }
    }

    /// The table and its changelog, made where they lack.
    pub(super) async fn pair(self, lake: &Lake, request: &LoadRequest, schema: &TableSchema) -> Result<Pair> {
        let planned = match self {
            Self::There { pair, .. } => return Ok(pair),
            Self::Planned(planned) => planned,
        };
        let pair = open_or_create_pair(lake, &request.table, schema, &request.settings).await?;
        let made = pair.mirror.head().await?;
        if (&made.schema, &made.partition_by) != (&planned.schema, &planned.partition_by) {
            let error = Error::unavailable("another job made the table meanwhile, with other columns; run again");
            return Err(error.with("table", &request.table));
        }
        Ok(pair)
    }
}
