//! Whether a dump agrees with what the table was at the dump's time (DESIGN.md rule 10).

use std::sync::Arc;

use waterline_core::as_of::{Beyond, Cut};
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::TableState;
use waterline_core::place::{Place, place};
use waterline_core::record::{log_header, record_of};

use super::baseline::WrittenDump;
use super::rows;
use crate::as_of::AsOf;
use crate::diff::{DiffReport, diff};
use crate::merge::Pair;
use crate::read::{AsOfTable, ReadAt, SessionOptions, session};

/// Columns that an error names.
const NAMED_COLUMNS: usize = 5;

/// How a dump and its table compare.
pub(super) enum Agreement {
    /// The table is not known at that moment.
    Nothing,
    Same,
    Differs(Box<DiffReport>),
}

impl Agreement {
    /// Compares with the rows that `mirror` and what is folded into it give for the dump's moment.
    pub(super) async fn of(dump: &WrittenDump<'_>, pair: &Pair, mirror: &TableState) -> Result<Self> {
        let Some(known) = known(dump, pair, mirror).await? else { return Ok(Self::Nothing) };
        let options = SessionOptions { memory_bytes: dump.request.limits.batch_bytes, ..SessionOptions::default() };
        let session = session(dump.lake.catalog.clone(), &dump.lake.env, ReadAt::Head, &options)?;
        let left = Arc::new(AsOfTable::new(known)?);
        let right = rows::written(&dump.lake.files, dump.files, mirror)?;
        let report = diff(&session, left, right, &mirror.keys, 0).await?;
        Ok(if report.same_rows() { Self::Same } else { Self::Differs(Box::new(report)) })
    }

    /// Fails unless they are the same.
    pub(super) fn or_refused(self) -> Result<()> {
        let hint = "`--supersede` makes the dump count from its time on";
        match self {
            Self::Same => Ok(()),
            Self::Nothing => Err(Error::new(
                ErrorKind::NotAnswerable,
                format!("the table is not known at the dump's time, only later, so that the two cannot be compared; {hint}"),
            )),
            Self::Differs(report) => Err(Error::new(
                ErrorKind::NotAnswerable,
                format!("the dump differs from what the table was at its time; `waterline diff` shows how, and {hint}"),
            )
            .with("rows that the dump lacks", report.left.only_rows)
            .with("rows that only the dump has", report.right.only_rows)
            .with("rows that differ", report.changed_rows)
            .with("columns that differ", differing(&report))),
        }
    }
}

/// Names of some columns, those that differ most first.
fn differing(report: &DiffReport) -> String {
    let mut columns: Vec<_> = report.columns.iter().filter(|(_, rows)| *rows > 0).collect();
    columns.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    match columns.len() {
        0 => "none".into(),
        count => {
            let names: Vec<&str> = columns.iter().take(NAMED_COLUMNS).map(|(name, _)| name.as_str()).collect();
            format!("{}{}", names.join(", "), if count > NAMED_COLUMNS { ", ..." } else { "" })
        }
    }
}

/// The table at the dump's time by what is folded into `mirror`; `None` when it is not known then. A baseline of this very
/// moment that an earlier attempt left behind, and that nothing is folded onto, is not asked.
async fn known(dump: &WrittenDump<'_>, pair: &Pair, mirror: &TableState) -> Result<Option<AsOf>> {
    let record = record_of(mirror)?;
    let mut asked = mirror.clone();
    let folded = match place(mirror, &log_header(&pair.changelog.head().await?)?, dump.request.at)? {
        Place::NewestEpoch => {
            let anchor = dump.baseline().anchor.unwrap_or_default();
            if record.as_ref().is_none_or(|record| record.baseline.anchor.as_ref() != Some(&anchor)) {
                asked.refs.remove(&anchor);
            }
            record.map(|record| record.folded)
        }
        Place::Head | Place::Past => None,
    };
    let cut = Cut { beyond: Beyond::AsLogged, ..Cut::at(dump.request.at.at_us) };
    match AsOf::of(dump.lake, pair.clone(), asked, &cut, folded, &dump.request.limits).await {
        Ok(known) => Ok(Some(known)),
        Err(error) if error.kind() == ErrorKind::NotAnswerable => Ok(None),
        Err(error) => Err(error),
    }
}
