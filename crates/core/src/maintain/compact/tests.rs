use std::sync::Arc;

use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use roaring::RoaringTreemap;

use super::*;
use crate::format::{Bounds, EqualityDelete, FileSummary};
use crate::partition::Transform;

const TARGET: u64 = 1_000_000_000;

fn policy(strategy: Strategy) -> Policy {
    Policy { strategy, target_file_bytes: TARGET, min_input_files: 5, delete_ratio_threshold: 0.3, max_bytes: None, lanes: 1 }
}

fn binpack() -> Policy {
    policy(Strategy::Binpack(SortOrder::ascending(["id"])))
}

fn sort() -> Policy {
    policy(Strategy::Sort(SortOrder::ascending(["id"])))
}

/// A file of 1,000 rows with ids of a range.
fn file(path: &str, size_bytes: u64, ids: std::ops::RangeInclusive<i64>) -> DataFile {
    let bounds = Bounds { lower: Some(Value::Int(*ids.start())), upper: Some(Value::Int(*ids.end())) };
    DataFile {
        path: path.into(),
        size_bytes,
        record_count: 1_000,
        summary: FileSummary { bounds: [("id".to_owned(), bounds)].into(), ..FileSummary::default() },
        deletes: DeleteState::None,
        deleted_rows: Some(0),
        equality_deletes: Vec::new(),
        lineage: None,
        inner: Arc::new(()),
    }
}

fn small(number: i64) -> DataFile {
    file(&format!("small-{number}"), TARGET / 100, number * 10..=number * 10 + 9)
}

fn deleted(rows: Option<u64>, of: DataFile) -> DataFile {
    DataFile { deletes: DeleteState::Some, deleted_rows: rows, ..of }
}

fn paths(plan: &Plan) -> Vec<(Due, Vec<&str>)> {
    plan.groups.iter().map(|group| (group.why, group.files.iter().map(|file| file.path.as_str()).collect())).collect()
}

#[test]
fn small_files_are_taken_from_a_number_on_in_the_order_of_keys() {
    assert!(plan((0..4).map(small).collect(), &[], &binpack()).groups.is_empty());
    let five = plan((0..5).rev().map(small).collect(), &[], &binpack());
    assert_eq!(paths(&five), [(Due::ManySmall, vec!["small-0", "small-1", "small-2", "small-3", "small-4"])]);
}

#[test]
fn files_of_the_right_size_stay() {
    let right = (0..20).map(|at| file(&format!("{at}"), TARGET * 9 / 10, at..=at)).collect();
    assert!(plan(right, &[], &binpack()).groups.is_empty());
    let large = plan(vec![file("large", TARGET * 2, 0..=9)], &[], &binpack());
    assert_eq!(paths(&large), [(Due::TooLarge, vec!["large"])]);
}

#[test]
fn a_group_is_as_large_as_a_file_shall_be() {
    let thirds = (0..30).map(|at| file(&format!("{at:02}"), TARGET / 5, at..=at)).collect();
    let plan = plan(thirds, &[], &binpack());
    assert_eq!(plan.groups.iter().map(|group| group.files.len()).collect::<Vec<_>>(), [5; 6]);
}

#[test]
fn deletes_make_a_file_due() {
    let whole = || file("a", TARGET, 0..=9);
    let why = |file: DataFile| plan(vec![file], &[], &binpack()).groups.first().map(|group| group.why);
    assert_eq!(why(deleted(Some(299), whole())), None);
    assert_eq!(why(deleted(Some(300), whole())), Some(Due::Deletes));
    assert_eq!(why(deleted(None, whole())), Some(Due::Deletes), "what cannot be counted may be many");
    let equality = EqualityDelete { path: "e".into(), size_bytes: 1, field_ids: vec![1] };
    assert_eq!(why(DataFile { equality_deletes: vec![equality], ..whole() }), Some(Due::Deletes));
}

#[test]
fn partitions_are_not_mixed_and_an_older_spec_moves() {
    let spec = [PartitionField { column: "region".into(), transform: Transform::Identity }];
    let of = |region: &str, file: DataFile| {
        let partition = vec![(spec[0].clone(), Some(Value::Text(region.into())))];
        DataFile { path: format!("{region}-{}", file.path), summary: FileSummary { partition, ..file.summary.clone() }, ..file }
    };
    let mut files: Vec<DataFile> = (0..10).map(|at| of(if at % 2 == 0 { "eu" } else { "us" }, small(at))).collect();
    files.push(file("old", TARGET, 0..=9));
    let plan = plan(files, &spec, &binpack());
    let places: Vec<(&Place, usize)> = plan.groups.iter().map(|group| (&group.place, group.files.len())).collect();
    let region = |name: &str| Place::Partition(vec![Some(Value::Text(name.into()))]);
    assert_eq!(places, [(&Place::EachRow, 1), (&region("eu"), 5), (&region("us"), 5)]);
    assert_eq!(plan.groups[0].why, Due::OlderSpec);
}

#[test]
fn a_sort_takes_what_overlaps() {
    let apart = vec![file("a", TARGET, 0..=9), file("b", TARGET, 9..=19), file("c", TARGET, 20..=29)];
    assert!(plan(apart.clone(), &[], &sort()).groups.is_empty());
    let overlapping = plan(vec![file("b", TARGET, 5..=19), apart[0].clone()], &[], &sort());
    assert_eq!(paths(&overlapping), [(Due::Unsorted, vec!["a", "b"])]);
}

#[test]
fn later_columns_of_an_order_count_where_the_first_is_the_same() {
    let order: SortOrder = "tenant, id desc".parse().unwrap();
    let with_tenant = |path: &str, tenant: i64, ids: std::ops::RangeInclusive<i64>| {
        let mut file = file(path, TARGET, ids);
        let bounds = Bounds { lower: Some(Value::Int(tenant)), upper: Some(Value::Int(tenant)) };
        file.summary.bounds.insert("tenant".into(), bounds);
        file
    };
    let due = |files: Vec<DataFile>| !plan(files, &[], &policy(Strategy::Sort(order.clone()))).groups.is_empty();
    assert!(due(vec![with_tenant("a", 1, 0..=10), with_tenant("b", 1, 5..=20)]));
    assert!(!due(vec![with_tenant("a", 1, 0..=4), with_tenant("b", 1, 5..=20)]));
    assert!(!due(vec![with_tenant("a", 1, 0..=10), with_tenant("b", 2, 5..=20)]));
}

#[test]
fn sort_orders_are_read_as_they_are_written() {
    let order: SortOrder = " a, b DESC ,c asc".parse().unwrap();
    let column = |name: &str, direction| SortColumn { name: name.into(), direction };
    assert_eq!(order.0, [column("a", Direction::Ascending), column("b", Direction::Descending), column("c", Direction::Ascending)]);
    for wrong in ["", "a,,b", "a up", "a desc nulls"] {
        assert!(wrong.parse::<SortOrder>().is_err(), "{wrong}");
    }
}

#[test]
fn more_lanes_get_parts_that_are_not_due_again() {
    let files: Vec<DataFile> = (0..100).map(|at| file(&format!("{at:03}"), 2 << 20, at..=at)).collect();
    let parts = |lanes| plan(files.clone(), &[], &Policy { lanes, ..binpack() }).groups.len();
    assert_eq!((parts(1), parts(2), parts(64)), (1, 2, 4), "parts of about 64 MiB");
    let uneven: Vec<DataFile> = (0..101).map(|at| file(&format!("{at:03}"), (2 << 20) + at as u64 * 100, at..=at)).collect();
    assert_eq!(
        plan(uneven, &[], &Policy { lanes: 2, ..binpack() }).groups.iter().map(|group| group.files.len()).collect::<Vec<_>>(),
        [51, 50]
    );
    let few: Vec<DataFile> = (0..6).map(|at| file(&format!("{at}"), 100 << 20, at..=at)).collect();
    assert_eq!(plan(few, &[], &Policy { lanes: 64, ..binpack() }).groups.len(), 1);
}

#[test]
fn no_more_bytes_are_taken_than_wanted() {
    let files: Vec<DataFile> = (0..30).map(|at| file(&format!("{at:02}"), TARGET / 5, at..=at)).collect();
    let plan = plan(files, &[], &Policy { max_bytes: Some(TARGET * 2), ..binpack() });
    assert_eq!((plan.groups.len(), plan.left_files, plan.left_bytes), (2, 20, TARGET * 4));
}

#[test]
fn ten_thousand_files_are_planned_at_once() {
    let plan = plan((0..10_000).map(small).collect(), &[], &binpack());
    assert_eq!(plan.groups.iter().map(|group| group.files.len()).sum::<usize>(), 10_000);
}

proptest! {
    /// Against a table of where each row went.
    #[test]
    fn moves_know_where_each_row_is(sources in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..12), 1..5), cut in 1_usize..9) {
        let path = |file: usize| format!("old-{file}");
        let gone = |rows: &[bool]| (0..).zip(rows).filter(|(_, gone)| **gone).map(|(at, _)| at).collect::<RoaringTreemap>();
        let rows: Vec<(usize, u64)> = (0..).zip(&sources).flat_map(|(file, rows)| (0..rows.len() as u64).map(move |at| (file, at))).collect();
        let stayed: Vec<(usize, u64)> = rows.iter().copied().filter(|(file, at)| !sources[*file][*at as usize]).collect();
        let new: Vec<(String, u64)> = (0..).zip(stayed.chunks(cut)).map(|(file, rows): (usize, _)| (format!("new-{file}"), rows.len() as u64)).collect();
        let moves = Moves::new((0..).zip(&sources).map(|(file, rows)| (path(file), rows.len() as u64, gone(rows))), new);
        for (file, at) in rows {
            let found = moves.places(&path(file), &[at].into_iter().collect());
            let expected = stayed.iter().position(|row| *row == (file, at)).map(|place| (format!("new-{}", place / cut), (place % cut) as u64));
            let found: Vec<(String, u64)> = found.into_iter().flat_map(|(path, rows)| rows.into_iter().map(move |at| (path.clone(), at))).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
