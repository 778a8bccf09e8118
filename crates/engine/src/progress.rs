//! What a long job tells about itself while it runs.

/// Receives progress. Calls come from one task at a time.
pub trait Progress: Send + Sync {
    fn begin(&self, stage: &str, total_bytes: Option<u64>);
    fn advance(&self, bytes: u64, rows: u64);
    fn end(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
}
