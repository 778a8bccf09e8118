use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;

use super::*;
use crate::format::{Operation, Ref, RefKind, VersionId, VersionInfo};
use crate::record::{RECORD, Record};

fn record(at_us: Option<i64>) -> Record {
    let anchor = at_us.map(anchor_of);
    Record { kind: Kind::Baseline, baseline: Baseline { at_us, until_us: None, anchor, run: None }, ..Record::initial() }
}

/// A table whose snapshots have these records; the last is the head, and those of baselines are tagged.
fn mirror(records: &[Record]) -> TableState {
    let info = |(id, record): (i64, &Record)| VersionInfo {
        version: VersionId(id),
        parent: (id > 0).then_some(VersionId(id - 1)),
        committed_at_ms: id,
        operation: Operation::Overwrite,
        summary: BTreeMap::from([(RECORD.to_owned(), record.to_json().unwrap())]),
    };
    let history: Vec<VersionInfo> = (0..).zip(records).map(info).collect();
    let anchors = (0..).zip(records).filter(|(_, record)| record.kind == Kind::Baseline);
    let refs =
        anchors.filter_map(|(id, record)| Some((record.baseline.anchor.clone()?, Ref { version: VersionId(id), kind: RefKind::Tag })));
    TableState {
        version: history.last().map(|info| info.version),
        location: String::new(),
        own_folder: String::new(),
        metadata_location: None,
        schema: Arc::new(Schema::empty()),
        keys: Vec::new(),
        partition_by: Vec::new(),
        properties: BTreeMap::new(),
        refs: refs.collect(),
        history: Arc::new(history),
        rules: Arc::default(),
        inner: Arc::new(()),
    }
}

fn place_of(mirror: &TableState, log: &LogHeader, at_us: i64) -> Place {
    place(mirror, log, DumpMoment { at_us, until_us: None }).unwrap()
}

#[test]
fn a_dump_goes_where_nothing_newer_is_known() {
    let logged = LogHeader { event_time_max_us: Some(100), ..LogHeader::default() };
    assert_eq!(place_of(&mirror(&[]), &LogHeader::default(), 10), Place::Head);
    // What is only logged is folded onto the dump afterwards.
    assert_eq!(place_of(&mirror(&[]), &logged, 10), Place::Head);
    assert_eq!(place_of(&mirror(&[record(Some(5))]), &LogHeader::default(), 10), Place::Head);
    assert_eq!(place_of(&mirror(&[record(Some(5)), record(Some(7))]), &LogHeader::default(), 10), Place::Head);
}

#[test]
fn a_dump_of_a_moment_that_is_known_lies_in_the_newest_epoch() {
    let base = record(Some(5));
    let merged = Record { kind: Kind::Merge, event_time_max_us: Some(20), has_changes: true, ..base.clone() };
    for (at_us, expected) in [(5, Place::NewestEpoch), (20, Place::NewestEpoch), (21, Place::Head), (4, Place::Past)] {
        assert_eq!(place_of(&mirror(&[base.clone(), merged.clone()]), &LogHeader::default(), at_us), expected, "{at_us}");
    }
    for log in
        [LogHeader { event_time_max_us: Some(30), ..LogHeader::default() }, LogHeader { watermark_us: Some(30), ..LogHeader::default() }]
    {
        assert_eq!(place_of(&mirror(std::slice::from_ref(&base)), &log, 30), Place::NewestEpoch);
        assert_eq!(place_of(&mirror(std::slice::from_ref(&base)), &log, 31), Place::Head);
    }
    let of_events = Record { kind: Kind::Merge, event_time_max_us: Some(20), has_changes: true, ..Record::initial() };
    assert_eq!(place_of(&mirror(&[of_events]), &LogHeader::default(), 3), Place::NewestEpoch);
}

#[test]
fn a_dump_before_a_baseline_is_of_the_past() {
    let table = mirror(&[record(Some(5)), record(Some(50))]);
    for at_us in [1, 5, 49] {
        assert_eq!(place_of(&table, &LogHeader::default(), at_us), Place::Past, "{at_us}");
    }
    assert_eq!(place_of(&table, &LogHeader::default(), 50), Place::NewestEpoch);
}
