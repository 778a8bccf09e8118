use std::sync::Arc;

use arrow::datatypes::Schema;

use super::*;
use crate::error::ErrorKind;
use crate::format::Ref;
use crate::place::anchor_of;
use crate::record::{BatchOrdinal, RECORD};

const DAY: i64 = MS_OF_DAY;
const NOW: i64 = 100 * DAY;

/// Snapshots of the main branch, one a day from day 1 on; their versions are the days.
struct Table(TableState);

impl Table {
    fn new(records: impl IntoIterator<Item = Option<Record>>) -> Self {
        let info = |(day, record): (i64, Option<Record>)| VersionInfo {
            version: VersionId(day),
            parent: (day > 1).then_some(VersionId(day - 1)),
            committed_at_ms: day * DAY,
            operation: if record.is_some() { Operation::Append } else { Operation::Replace },
            summary: record.map(|record| (RECORD.to_owned(), record.to_json().unwrap())).into_iter().collect(),
        };
        let history: Vec<VersionInfo> = (1..).zip(records).map(info).collect();
        let version = history.last().map(|info| info.version);
        let refs = BTreeMap::from([("main".to_owned(), Ref { version: version.unwrap(), kind: RefKind::Branch })]);
        Self(TableState {
            version,
            location: "memory://lake/shop/orders".into(),
            own_folder: "memory://lake/shop/orders".into(),
            metadata_location: None,
            schema: Arc::new(Schema::empty()),
            keys: Vec::new(),
            partition_by: Vec::new(),
            properties: BTreeMap::new(),
            history: Arc::new(history),
            refs,
            rules: Arc::default(),
            inner: Arc::new(()),
        })
    }

    fn named(mut self, name: &str, kind: RefKind, day: i64) -> Self {
        self.0.refs.insert(name.into(), Ref { version: VersionId(day), kind });
        self
    }

    fn with(mut self, property: &str, value: &str) -> Self {
        self.0.properties.insert(property.into(), value.into());
        self
    }

    fn plan(&self, keep_from_day: i64, retain_last: usize) -> Plan {
        plan(&self.0, &Policy { keep_from_ms: keep_from_day * DAY, retain_last, ..Policy::default() }).unwrap()
    }

    /// Days whose snapshots would expire.
    fn expired(&self, keep_from_day: i64, retain_last: usize) -> Vec<i64> {
        let mut days: Vec<i64> = self.plan(keep_from_day, retain_last).expiry.versions.into_iter().map(|version| version.0).collect();
        days.sort_unstable();
        days
    }

    fn policy(&self, asked: Asked) -> Result<Policy> {
        Policy::new(&asked, Caution::Usual, &self.0, NOW)
    }
}

fn merged(baseline: &Baseline) -> Record {
    Record { kind: Kind::Merge, baseline: baseline.clone(), folded: BatchOrdinal(1), has_changes: true, ..Record::initial() }
}

fn loaded(at_us: i64) -> Record {
    Record { baseline: Baseline { at_us: Some(at_us), anchor: Some(anchor_of(at_us)), ..Baseline::EMPTY }, ..Record::initial() }
}

#[test]
fn old_snapshots_expire_but_the_newest_and_the_named() {
    let table = Table::new(vec![Some(merged(&Baseline::EMPTY)); 9]);
    // The fifth was the newest when the sixth was made.
    assert_eq!(table.expired(6, 1), [1, 2, 3, 4]);
    assert_eq!(table.expired(6, 6), [1, 2, 3]);
    assert_eq!(table.expired(0, 1), Vec::<i64>::new());
    assert_eq!(table.expired(99, 1), [1, 2, 3, 4, 5, 6, 7, 8]);
    let table = table.named("kept", RefKind::Tag, 3).named("audit", RefKind::Branch, 5);
    assert_eq!(table.expired(99, 1), [1, 2, 4, 6, 7, 8]);
    assert_eq!(table.expired(99, 2), [1, 2, 6, 7]);
}

#[test]
fn branches_and_tags_are_kept_as_long_as_they_want() {
    let table = Table::new(vec![Some(merged(&Baseline::EMPTY)); 9]);
    let table = table.named("old", RefKind::Tag, 3).named("young", RefKind::Tag, 4).named(&anchor_of(7), RefKind::Tag, 2);
    let table = table.named("audit", RefKind::Branch, 7);
    let aged = RefRetention { max_ref_age_ms: Some(6 * DAY), ..RefRetention::default() };
    let refs = ["main", "old", "young", &anchor_of(7)].map(|name| (name.to_owned(), aged));
    let policy = Policy { now_ms: 10 * DAY, keep_from_ms: 99 * DAY, retain_last: 1, refs: refs.into() };
    let plan_of = |own: RefRetention| {
        let mut policy = policy.clone();
        policy.refs.insert("audit".into(), own);
        let expiry = plan(&table.0, &policy).unwrap().expiry;
        let mut days: Vec<i64> = expiry.versions.into_iter().map(|version| version.0).collect();
        days.sort_unstable();
        (expiry.refs.into_iter().collect::<Vec<_>>(), days)
    };
    let old = || vec!["old".to_owned()];
    assert_eq!(plan_of(RefRetention::default()), (old(), vec![1, 3, 5, 6, 8]));
    assert_eq!(plan_of(RefRetention { min_snapshots: Some(2), ..RefRetention::default() }), (old(), vec![1, 3, 5, 8]));
    assert_eq!(plan_of(RefRetention { max_snapshot_age_ms: Some(5 * DAY), ..RefRetention::default() }), (old(), vec![1, 3, 8]));
    assert_eq!(plan_of(RefRetention { max_ref_age_ms: Some(DAY), ..RefRetention::default() }).0, ["audit", "old"]);
}

#[test]
fn the_record_of_the_head_stays() {
    let mut records = vec![Some(merged(&Baseline::EMPTY)); 4];
    // A compaction of another writer inherits it.
    records.extend([None, None]);
    assert_eq!(Table::new(records).expired(99, 1), [1, 2, 3]);
}

#[test]
fn that_a_table_began_empty_is_remembered() {
    let first = merged(&Baseline::EMPTY);
    let dump = loaded(7);
    let table = Table::new([Some(first.clone()), Some(first), Some(dump.clone()), Some(merged(&dump.baseline))]).named(
        &anchor_of(7),
        RefKind::Tag,
        3,
    );
    let plan = table.plan(99, 1);
    let forgotten: Forgotten = serde_json::from_str(&plan.expiry.properties[FORGOTTEN]).unwrap();
    assert_eq!(forgotten, Forgotten { began_empty_ms: Some(DAY), unknown: Vec::new() });
    assert_eq!(table.expired(99, 1), [1, 2]);
}

#[test]
fn commit_times_of_a_superseded_baseline_are_not_answered() {
    let dump = loaded(7);
    let table = Table::new([Some(dump.clone()), Some(merged(&dump.baseline)), Some(dump.clone()), Some(merged(&dump.baseline))]);
    let table = table.named(&anchor_of(7), RefKind::Tag, 3);
    let plan = table.plan(99, 1);
    let unknown = CommitTimes { from_ms: DAY, until_ms: 3 * DAY };
    assert_eq!(plan.unknown, [unknown]);
    let forgotten: Forgotten = serde_json::from_str(&plan.expiry.properties[FORGOTTEN]).unwrap();
    assert!(!forgotten.is_unknown(DAY - 1) && forgotten.is_unknown(DAY) && forgotten.is_unknown(3 * DAY - 1));
    assert!(!forgotten.is_unknown(3 * DAY));
}

#[test]
fn what_is_not_asked_for_the_table_says() {
    let table = || Table::new([Some(Record::initial())]);
    let kept = |days, retain_last| Policy { now_ms: NOW, keep_from_ms: NOW - days * DAY, retain_last, refs: BTreeMap::new() };
    assert_eq!(table().policy(Asked::default()).unwrap(), kept(7, 10));
    let own = || table().with("history.expire.max-snapshot-age-ms", "172800000").with("history.expire.min-snapshots-to-keep", "3");
    assert_eq!(own().policy(Asked::default()).unwrap(), kept(2, 3));
    let asked = Asked { older_than_ms: Some(DAY), retain_last: Some(0) };
    assert_eq!(own().policy(asked).unwrap(), kept(1, 1));
    let error = table().with("history.expire.max-snapshot-age-ms", "a week").policy(Asked::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(table().with("gc.enabled", "false").policy(Asked::default()).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_cut_off_too_near_is_refused() {
    assert_eq!(cut_off_ms(DAY, Caution::Usual, NOW).unwrap(), NOW - DAY);
    assert_eq!(cut_off_ms(DAY - 1, Caution::Usual, NOW).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(cut_off_ms(0, Caution::Forced, NOW).unwrap(), NOW);
    assert_eq!(cut_off_ms(-1, Caution::Forced, NOW).unwrap_err().kind(), ErrorKind::Usage);
}
