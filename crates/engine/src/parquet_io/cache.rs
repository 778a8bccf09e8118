//! Footers of files that were opened before. Data files never change, so a footer is never stale.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::file::metadata::ParquetMetaData;

/// Drops the oldest footers when it holds more than its limit.
#[derive(Debug)]
pub(super) struct FooterCache {
    limit_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_url: HashMap<String, Arc<ParquetMetaData>>,
    oldest_first: VecDeque<String>,
    bytes: usize,
}

impl FooterCache {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, kept: Mutex::default() }
    }

    pub(super) fn get(&self, url: &str) -> Option<Arc<ParquetMetaData>> {
        self.lock().by_url.get(url).cloned()
    }

    pub(super) fn put(&self, url: &str, footer: Arc<ParquetMetaData>) {
        let mut kept = self.lock();
        kept.bytes += footer.memory_size();
        match kept.by_url.insert(url.into(), footer) {
            Some(replaced) => kept.bytes -= replaced.memory_size(),
            None => kept.oldest_first.push_back(url.into()),
        }
        while kept.bytes > self.limit_bytes {
            let Some(oldest) = kept.oldest_first.pop_front() else { break };
            if let Some(dropped) = kept.by_url.remove(&oldest) {
                kept.bytes -= dropped.memory_size();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
