use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;

use super::*;
use crate::format::{Operation, Ref, RefKind};
use crate::record::{BatchOrdinal, LOG, RECORD};

fn snapshot(version: i64, parent: Option<i64>, summary: Option<(&str, String)>) -> VersionInfo {
    VersionInfo {
        version: VersionId(version),
        parent: parent.map(VersionId),
        committed_at_ms: version * 10,
        operation: Operation::Append,
        summary: summary.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

fn merge(version: i64, parent: Option<i64>, folded: i64) -> VersionInfo {
    let record = Record { kind: Kind::Merge, folded: BatchOrdinal(folded), ..Record::initial() };
    snapshot(version, parent, Some((RECORD, record.to_json().unwrap())))
}

fn log(version: i64, parent: Option<i64>, batch: i64) -> VersionInfo {
    let header = LogHeader { batch: BatchOrdinal(batch), ..LogHeader::default() };
    snapshot(version, parent, Some((LOG, header.to_json().unwrap())))
}

/// The head is the last snapshot.
fn state(history: Vec<VersionInfo>, tags: &[(&str, i64)]) -> TableState {
    let tag = |(name, version): &(&str, i64)| ((*name).to_owned(), Ref { version: VersionId(*version), kind: RefKind::Tag });
    TableState {
        version: history.last().map(|info| info.version),
        location: "memory://lake/t".into(),
        own_folder: "memory://lake/t".into(),
        metadata_location: None,
        schema: Arc::new(Schema::empty()),
        keys: Vec::new(),
        partition_by: Vec::new(),
        properties: BTreeMap::new(),
        history: Arc::new(history),
        refs: tags.iter().map(tag).collect(),
        rules: Arc::default(),
        inner: Arc::new(()),
    }
}

fn problems(state: &TableState) -> Vec<(Problem, String)> {
    let table = "shop.orders".parse().unwrap();
    check_history(&table, state).into_iter().map(|finding| (finding.problem, finding.place)).collect()
}

fn at(problem: Problem, version: i64) -> Vec<(Problem, String)> {
    vec![(problem, format!("snapshot {version}"))]
}

#[test]
fn a_whole_history_is_sound() {
    assert_eq!(problems(&state(Vec::new(), &[])), []);
    assert_eq!(problems(&state(vec![merge(1, None, 1), merge(2, Some(1), 2), merge(3, Some(2), 2)], &[("a", 1)])), []);
    assert_eq!(problems(&state(vec![log(1, None, 1), log(2, Some(1), 1), log(3, Some(2), 2)], &[])), []);
}

#[test]
fn what_an_expiry_leaves_is_sound() {
    // The oldest kept snapshot has lost its parent; below it are only those that tags name.
    assert_eq!(problems(&state(vec![merge(1, None, 1), merge(4, Some(3), 4), merge(5, Some(4), 5)], &[("waterline/b", 1)])), []);
}

#[test]
fn a_rollback_leaves_snapshots_beside_the_lineage() {
    let of_lineage = |version, parent, folded, lineage| {
        let record = Record { kind: Kind::Merge, folded: BatchOrdinal(folded), lineage, ..Record::initial() };
        snapshot(version, Some(parent), Some((RECORD, record.to_json().unwrap())))
    };
    assert_eq!(problems(&state(vec![of_lineage(2, 1, 2, 1), of_lineage(3, 1, 1, 2)], &[])), []);
}

#[test]
fn a_parent_that_is_gone_while_older_ones_are_kept_is_found() {
    assert_eq!(problems(&state(vec![merge(1, None, 1), merge(2, Some(1), 2), merge(3, Some(99), 3)], &[])), at(Problem::BrokenChain, 3));
    assert_eq!(problems(&state(vec![log(1, None, 1), log(2, Some(99), 2)], &[])), at(Problem::BrokenChain, 2));
}

#[test]
fn a_parent_that_comes_later_is_found() {
    let twisted = vec![merge(1, Some(2), 1), merge(2, Some(1), 2)];
    assert!(problems(&state(twisted, &[])).contains(&at(Problem::BrokenChain, 1)[0]));
    assert_eq!(problems(&state(vec![merge(1, Some(1), 1)], &[])), at(Problem::BrokenChain, 1));
}

#[test]
fn a_tag_of_nothing_is_found() {
    assert_eq!(problems(&state(vec![merge(1, None, 1)], &[("gone", 7)])), at(Problem::BrokenChain, 7));
}

#[test]
fn ordinals_that_jump_or_fall_are_found() {
    assert_eq!(problems(&state(vec![log(1, None, 1), log(2, Some(1), 3)], &[])), at(Problem::OrdinalGap, 2));
    assert_eq!(problems(&state(vec![merge(1, None, 5), merge(2, Some(1), 4)], &[])), at(Problem::OrdinalGap, 2));
}

#[test]
fn words_that_cannot_be_read_are_found() {
    let broken = snapshot(1, None, Some((RECORD, "{".into())));
    assert_eq!(problems(&state(vec![broken], &[])), at(Problem::UnreadableMetadata, 1));
}
