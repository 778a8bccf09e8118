//! What a format knows of a file is true, and no file is left out against it.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use waterline_core::error::Result;
use waterline_core::format::{Bounds, Commit, DataFile, FilePruner, FileSummary, Operation, TableState};
use waterline_core::partition::PartitionField;
use waterline_core::value::Value;

use super::lake::{Lake, committed};
use super::sample::{extremes, sample, samples};
use super::{Subject, sample as samples_of};
use crate::cell::{Cell, Row, row};
use crate::files::{physical_rows, to_value};

/// Keeps what may hold a row with these values, and what may lie in this partition.
struct MayHold {
    values: BTreeMap<String, Value>,
    partition: Vec<Option<Value>>,
}

impl FilePruner for MayHold {
    fn keep(&self, file: &FileSummary) -> bool {
        let in_bounds = |(column, value): (&String, &Value)| file.bounds.get(column).is_none_or(|bounds| contains(bounds, value));
        self.values.iter().all(in_bounds) && file.partition.iter().zip(&self.partition).all(|((_, known), wanted)| known == wanted)
    }
}

fn contains(bounds: &Bounds, value: &Value) -> bool {
    let is_nan = matches!(value, Value::Float(float) if float.is_nan());
    is_nan || (bounds.lower.as_ref().is_none_or(|lower| lower <= value) && bounds.upper.as_ref().is_none_or(|upper| value <= upper))
}

fn values_of(row: &Row) -> BTreeMap<String, Value> {
    row.iter().filter_map(|(column, cell)| Some((column.clone(), to_value(cell)?))).collect()
}

async fn expect_bounds(lake: &Lake<'_>, state: &TableState) -> Result<()> {
    for file in lake.files(state).await? {
        for row in physical_rows(lake.env(), state, &file.path).await? {
            for (column, value) in values_of(&row) {
                let bounds = file.summary.bounds.get(&column).cloned().unwrap_or_default();
                assert!(contains(&bounds, &value), "{column}: {value:?} is not in {bounds:?}");
            }
        }
    }
    Ok(())
}

pub(super) async fn bounds_contain_all_values(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    for from in [-30, 0, 30] {
        lake.append(from..from + 7).await?;
    }
    let state = lake.delete(&[-30, 6]).await?;
    expect_bounds(&lake, &state).await?;
    for file in lake.files(&state).await? {
        let id = file.summary.bounds.get("id").expect("the key column has bounds");
        assert!(id.lower.is_some() && id.upper.is_some(), "{id:?}");
    }
    Ok(())
}

pub(super) async fn bounds_contain_extreme_values(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.head().await?;
    let mut commit = lake.append_of(&head, &extremes()).await?;
    for extreme in extremes() {
        commit.add.push(lake.file(&head, &[extreme]).await?);
    }
    let state = lake.submit(&head, &commit).await?;
    expect_bounds(&lake, &state).await?;
    for extreme in extremes() {
        let holders = lake.table.data_files(&state, &MayHold { values: values_of(&extreme), partition: Vec::new() }).await?;
        assert!(holders.len() >= 2, "a file that holds {extreme:?} was left out");
    }
    Ok(())
}

pub(super) async fn bounds_survive_evolution(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let old = lake.append(-5..5).await?;
    let fields: Vec<_> = samples_of::schema()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "small" => field.as_ref().clone().with_data_type(DataType::Int64),
            "ratio" => field.as_ref().clone().with_data_type(DataType::Float64),
            "price" => field.as_ref().clone().with_data_type(DataType::Decimal128(30, 2)),
            _ => field.as_ref().clone(),
        })
        .collect();
    let wider = committed(lake.table.evolve(&old, &std::sync::Arc::new(arrow::datatypes::Schema::new(fields))).await?);
    expect_bounds(&lake, &wider).await?;
    let state = lake.append(5..9).await?;
    expect_bounds(&lake, &state).await?;
    for id in -5..9 {
        expect_kept(&lake, &state, &sample(id), Vec::new()).await?;
    }
    Ok(())
}

/// The file that holds the row is kept when its own values, one or all, are looked for.
async fn expect_kept(lake: &Lake<'_>, state: &TableState, row: &Row, partition: Vec<Option<Value>>) -> Result<Vec<DataFile>> {
    let all = values_of(row);
    let each = all.iter().map(|(column, value)| BTreeMap::from([(column.clone(), value.clone())]));
    let mut kept = Vec::new();
    for values in each.chain([all.clone()]) {
        kept = lake.table.data_files(state, &MayHold { values: values.clone(), partition: partition.clone() }).await?;
        let mut found = false;
        for file in &kept {
            found |= physical_rows(lake.env(), state, &file.path).await?.contains(row);
        }
        assert!(found, "the file with {values:?} was left out");
    }
    Ok(kept)
}

pub(super) async fn a_file_that_may_matter_is_kept(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    for from in [-20, 0, 20] {
        lake.append(from..from + 10).await?;
    }
    let state = lake.head().await?;
    for id in [-20, -11, 0, 5, 9, 29] {
        let kept = expect_kept(&lake, &state, &sample(id), Vec::new()).await?;
        assert_eq!(kept.len(), 1, "bounds of the key tell the files apart");
    }
    let between = MayHold { values: BTreeMap::from([("id".into(), Value::Int(15))]), partition: Vec::new() };
    assert!(lake.table.data_files(&state, &between).await?.is_empty());
    Ok(())
}

struct KeepNone;

impl FilePruner for KeepNone {
    fn keep(&self, _: &FileSummary) -> bool {
        false
    }
}

pub(super) async fn nothing_is_kept_against_the_pruner(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..5).await?;
    let state = lake.append(5..9).await?;
    assert!(lake.table.data_files(&state, &KeepNone).await?.is_empty());
    Ok(())
}

/// A value of a column, and the partition that it belongs to.
type Placed = (Option<Cell>, Option<Value>);

/// Those that the format has.
fn partitions(subject: &Subject) -> Vec<(&'static str, Vec<Placed>)> {
    let mut all = all_partitions();
    all.retain(|(field, _)| !subject.refused.contains(&(*field, None)));
    for (field, values) in &mut all {
        values.retain(|(_, value)| value.is_none() || !subject.refused.contains(&(*field, value.clone())));
    }
    all
}

/// Partition fields, with values of their columns.
fn all_partitions() -> Vec<(&'static str, Vec<Placed>)> {
    let text = |text: &str| (Some(Cell::from(text)), Some(Value::Text(text.into())));
    let same = |value: i64| (Some(Cell::Int(value)), Some(Value::Int(value)));
    let to = |value: i64, partition: i64| (Some(Cell::Int(value)), Some(Value::Int(partition)));
    let cut = |from: &str, to: &str| (Some(Cell::from(from)), Some(Value::Text(to.into())));
    let decimal = |value: i128, partition: i128| (Some(Cell::Decimal(value)), Some(Value::Decimal(partition)));
    let null = (None, None);
    vec![
        (
            "name",
            vec![
                text("a/b"),
                text(""),
                text("ä=%2F c&d"),
                text(".."),
                text("null"),
                text("\u{10FFFF}"),
                text(&"long ".repeat(50)),
                null.clone(),
            ],
        ),
        ("small", vec![same(-7), same(0), same(i32::MAX.into()), null.clone()]),
        ("born", vec![same(-719_162), same(0), same(20_000), null.clone()]),
        (
            "flag",
            vec![(Some(Cell::Bool(true)), Some(Value::Bool(true))), (Some(Cell::Bool(false)), Some(Value::Bool(false))), null.clone()],
        ),
        ("price", vec![decimal(-101, -101), decimal(0, 0), decimal(9_999_999_999, 9_999_999_999), null.clone()]),
        (
            "raw",
            vec![
                (Some(Cell::Bytes(vec![0, 255])), Some(Value::Bytes(vec![0, 255]))),
                (Some(Cell::Bytes(vec![])), Some(Value::Bytes(vec![]))),
                null.clone(),
            ],
        ),
        ("seen", vec![same(-1), same(1_762_973_651_000_001), null.clone()]),
        ("bucket(16, small)", vec![to(34, 3), to(1, 4), null.clone()]),
        ("truncate(10, small)", vec![to(1, 0), to(-1, -10), to(-10, -10), to(19, 10), null.clone()]),
        ("truncate(50, price)", vec![decimal(1_065, 1_050), decimal(-1, -50), null.clone()]),
        ("truncate(2, name)", vec![cut("äöü", "äö"), cut("a", "a"), null.clone()]),
        ("day(seen)", vec![to(-1, -1), to(0, 0), to(-86_400_000_001, -2), to(1_762_973_651_000_000, 20_404), null.clone()]),
        ("day(born)", vec![to(-5, -5), to(17_501, 17_501), null.clone()]),
        ("hour(local)", vec![to(-1, -1), to(3_600_000_000, 1), null.clone()]),
        ("month(born)", vec![to(-1, -1), to(31, 1), null.clone()]),
        ("year(seen)", vec![to(-1, -1), to(0, 0), to(1_762_973_651_000_000, 55), null]),
    ]
}

/// A table per partition field, with one file of one row for each partition.
async fn partitioned<'a>(subject: &'a Subject, at: usize, field: &str, values: &[Placed]) -> Result<(Lake<'a>, TableState, Vec<Row>)> {
    let table = subject.catalog.create(&super::lake::name(&format!("shop.by_{at}")), &super::lake::definition(subject, &[field])).await?;
    let lake = Lake { subject, table };
    let head = lake.head().await?;
    let column = field.parse::<PartitionField>().expect("a partition field").column;
    let mut commit = lake.commit(Operation::Append);
    let mut rows = Vec::new();
    for (id, (cell, partition)) in (0..).zip(values) {
        let mut row = row([("id", Cell::Int(id))]);
        row.extend(cell.clone().map(|cell| (column.clone(), cell)));
        commit.add.push(lake.file_in(&head, std::slice::from_ref(&row), vec![partition.clone()]).await?);
        rows.push(row);
    }
    let state = lake.submit(&head, &commit).await?;
    Ok((lake, state, rows))
}

pub(super) async fn partition_values_come_back(subject: &Subject) -> Result<()> {
    for (at, (field, values)) in partitions(subject).into_iter().enumerate() {
        let (lake, state, rows) = partitioned(subject, at, field, &values).await?;
        lake.expect_rows(&state, rows).await?;
        for file in lake.files(&state).await? {
            let [(known, value)] = &file.summary.partition[..] else {
                panic!("{field}: one partition field, not {:?}", file.summary.partition)
            };
            assert_eq!(known, &state.partition_by[0]);
            let [row] = &physical_rows(lake.env(), &state, &file.path).await?[..] else { panic!("one row was written") };
            let Cell::Int(id) = row["id"] else { panic!("an id is an integer") };
            assert_eq!(value, &values[id as usize].1, "{field} of {row:?}");
        }
        expect_bounds(&lake, &state).await?;
    }
    Ok(())
}

pub(super) async fn partitions_prune(subject: &Subject) -> Result<()> {
    for (at, (field, values)) in partitions(subject).into_iter().enumerate() {
        let (lake, state, rows) = partitioned(subject, at, field, &values).await?;
        for (row, (_, partition)) in rows.iter().zip(&values) {
            let kept = expect_kept(&lake, &state, row, vec![partition.clone()]).await?;
            assert_eq!(kept.len(), 1, "{field}: the key and the partition tell the files apart");
        }
    }
    Ok(())
}

pub(super) async fn partitions_that_cannot_be_are_refused(subject: &Subject) -> Result<()> {
    for (at, (field, refused)) in subject.refused.iter().enumerate() {
        let made = subject.catalog.create(&super::lake::name(&format!("shop.by_{at}")), &super::lake::definition(subject, &[*field])).await;
        let error = match (refused, made) {
            (None, Err(error)) => error,
            (Some(value), Ok(table)) => {
                let lake = Lake { subject, table };
                let head = lake.head().await?;
                let add = vec![lake.file_in(&head, &samples([1]), vec![Some(value.clone())]).await?];
                let outcome = lake.table.commit(&head, &Commit { add, ..lake.commit(Operation::Append) }).await;
                assert_eq!(lake.head().await?.version, None, "nothing was committed");
                outcome.expect_err("a value that the format does not have")
            }
            (refused, made) => panic!("{field}, {refused:?}: {made:?}"),
        };
        assert_eq!(error.kind(), waterline_core::error::ErrorKind::Unsupported, "{error}");
    }
    Ok(())
}

/// A delete in one partition, then a prune for another: each file keeps its own deletes.
pub(super) async fn deleted_rows_do_not_hide_others(subject: &Subject) -> Result<()> {
    let lake = Lake::partitioned(subject, &["bucket(2, id)", "flag"]).await?;
    let head = lake.head().await?;
    let mut commit = lake.commit(Operation::Append);
    for bucket in 0..2 {
        for flag in [true, false] {
            let rows = samples((0..40).filter(|id| id / 2 % 2 == bucket && (id % 2 == 0) == flag));
            commit.add.push(lake.file_in(&head, &rows, vec![Some(Value::Int(bucket)), Some(Value::Bool(flag))]).await?);
        }
    }
    lake.submit(&head, &commit).await?;
    let first = lake.delete(&[0, 1, 8]).await?;
    lake.expect_rows(&first, samples((0..40).filter(|id| ![0, 1, 8].contains(id)))).await?;
    let base = lake.head().await?;
    let add = vec![lake.file_in(&base, &samples([40]), vec![Some(Value::Int(0)), Some(Value::Bool(true))]).await?];
    let merge = Commit { add, operation: Operation::Overwrite, ..lake.delete_of(&base, &[3, 8, 12]).await? };
    let state = lake.submit(&base, &merge).await?;
    lake.expect_rows(&state, samples((0..41).filter(|id| ![0, 1, 3, 8, 12].contains(id)))).await?;
    let one = MayHold { values: BTreeMap::new(), partition: vec![Some(Value::Int(1)), Some(Value::Bool(false))] };
    let kept = lake.table.data_files(&state, &one).await?;
    let [file] = &kept[..] else { panic!("one file lies in the partition") };
    assert_eq!(lake.table.deleted_rows(file).await?.iter().collect::<Vec<_>>(), [0]);
    Ok(())
}
