//! What `compact` asks of the engine.

use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;
use waterline_engine::maintain::compact::{Request, StrategyChoice};

use super::memory_bytes;
use crate::args::{CompactArgs, CompactStrategy};
use crate::settings::Settings;
use crate::settings::amount::Size;

#[derive(Debug)]
pub(crate) struct CompactRequest {
    pub(crate) table: TableName,
    pub(crate) request: Request,
}

impl CompactRequest {
    pub(crate) fn resolve(args: &CompactArgs, settings: &Settings) -> Result<Self> {
        if !(0.0..=1.0).contains(&args.delete_ratio_threshold) {
            return Err(Error::usage("a share lies between 0 and 1").with("option", "--delete-ratio-threshold"));
        }
        let request = Request {
            choice: strategy(args)?,
            only: args.only.clone(),
            target_file_bytes: size(args.target_file_size_bytes.as_deref(), "--target-file-size-bytes")?,
            min_input_files: args.min_input_files,
            delete_ratio_threshold: args.delete_ratio_threshold,
            max_bytes: size(args.max_bytes.as_deref(), "--max-bytes")?,
            memory_bytes: memory_bytes(settings, &args.memory)?,
            ..Request::default()
        };
        Ok(Self { table: args.table.parse()?, request })
    }
}

fn strategy(args: &CompactArgs) -> Result<StrategyChoice> {
    match (args.strategy, &args.sort_order) {
        (CompactStrategy::Binpack, None) => Ok(StrategyChoice::Binpack),
        (CompactStrategy::Binpack, Some(_)) => Err(Error::usage("--sort-order is for --strategy sort")),
        (CompactStrategy::Sort, None) => Ok(StrategyChoice::Sort(Default::default())),
        (CompactStrategy::Sort, Some(order)) => {
            order.parse().map(StrategyChoice::Sort).map_err(|e: Error| e.with("option", "--sort-order"))
        }
    }
}

fn size(text: Option<&str>, option: &'static str) -> Result<Option<u64>> {
    text.map(|text| text.parse::<Size>().map(|size| size.0 as u64).map_err(|e| e.with("option", option))).transpose()
}
