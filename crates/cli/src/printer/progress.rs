//! A bar on standard error while long work runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use waterline_engine::progress::Progress;

const REDRAW: Duration = Duration::from_millis(120);

pub(crate) struct TerminalProgress {
    /// `None` when nothing is shown.
    current: Option<Mutex<Current>>,
}

struct Current {
    bar: ProgressBar,
    rows: u64,
}

impl TerminalProgress {
    pub(crate) fn new(shown: bool) -> Self {
        Self { current: shown.then(|| Mutex::new(Current { bar: ProgressBar::hidden(), rows: 0 })) }
    }
}

impl Progress for TerminalProgress {
    fn begin(&self, stage: &str, total_bytes: Option<u64>) {
        let Some(current) = &self.current else { return };
        let bar = match total_bytes {
            Some(total) => {
                ProgressBar::new(total).with_style(style("{prefix:12} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta}"))
            }
            None => ProgressBar::new_spinner().with_style(style("{prefix:12} {spinner} {bytes} {msg} {elapsed}")),
        };
        let bar = bar.with_prefix(stage.to_owned());
        bar.enable_steady_tick(REDRAW);
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        current.bar.finish_and_clear();
        *current = Current { bar, rows: 0 };
    }

    fn advance(&self, bytes: u64, rows: u64) {
        let Some(current) = &self.current else { return };
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        current.rows += rows;
        current.bar.inc(bytes);
        current.bar.set_message(format!("{} rows", indicatif::HumanCount(current.rows)));
    }

    fn end(&self) {
        let Some(current) = &self.current else { return };
        current.lock().unwrap_or_else(PoisonError::into_inner).bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
