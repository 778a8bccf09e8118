use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Fields};
use proptest::prelude::*;

use super::*;
use crate::format::Bounds;
use crate::value::Value;

/// A key of two columns; values are few, so that keys meet.
type Key = (Option<i32>, Option<String>);

fn pruner_of(keys: &[Key]) -> KeyPruner {
    let fields = Fields::from(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)]);
    let a: ArrayRef = Arc::new(keys.iter().map(|key| key.0).collect::<Int32Array>());
    let b: ArrayRef = Arc::new(keys.iter().map(|key| key.1.as_deref()).collect::<StringArray>());
    KeyPruner::new(&fields, &[a, b]).unwrap()
}

fn pruner_of_ids(ids: &[i64]) -> KeyPruner {
    let fields = Fields::from(vec![Field::new("id", DataType::Int64, true)]);
    KeyPruner::new(&fields, &[Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

fn ints(lower: i64, upper: i64) -> Bounds {
    Bounds { lower: Some(Value::Int(lower)), upper: Some(Value::Int(upper)) }
}

/// The tightest bounds of what is not null; `None` when all is.
fn bounds_of<T: Ord + Clone>(values: impl Iterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Option<Bounds> {
    let values: Vec<T> = values.flatten().collect();
    let (lower, upper) = (values.iter().min()?.clone(), values.iter().max()?.clone());
    Some(Bounds { lower: Some(value(lower)), upper: Some(value(upper)) })
}

fn int_bounds(rows: &[Key]) -> Option<Bounds> {
    bounds_of(rows.iter().map(|key| key.0), |v| Value::Int(v.into()))
}

fn text_bounds(rows: &[Key]) -> Option<Bounds> {
    bounds_of(rows.iter().map(|key| key.1.clone()), Value::Text)
}

fn pages(rows: &[Key], page_rows: usize, first: u64, bounds: impl Fn(&[Key]) -> Option<Bounds>) -> Vec<Page> {
    let mut start = first;
    let page = |rows: &[Key]| {
        let page = Page { rows: start..start + rows.len() as u64, bounds: bounds(rows) };
        start = page.rows.end;
        page
    };
    rows.chunks(page_rows).map(page).collect()
}

fn key() -> impl Strategy<Value = Key> {
    (prop::option::weighted(0.9, -20..20_i32), prop::option::weighted(0.9, "[a-d]{0,2}"))
}

proptest! {
    /// Whatever is skipped, no row of a wanted key is.
    #[test]
    fn a_row_of_a_wanted_key_is_never_skipped(
        rows in prop::collection::vec(key(), 1..60),
        mut wanted in prop::collection::vec(key(), 1..6),
        from_rows in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        page_rows in (1..12_usize, 1..12_usize),
        first in 0..1_000_u64,
    ) {
        wanted.extend(from_rows.iter().map(|at| at.get(&rows).clone()));
        let bounds = [int_bounds(&rows).unwrap_or_default(), text_bounds(&rows).unwrap_or_default()];
        let all = first..first + rows.len() as u64;
        let chosen: Vec<Range<u64>> = match pruner_of(&wanted).look(&bounds).unwrap() {
            Look::Skip => Vec::new(),
            Look::Read => vec![all],
            Look::Closer(keys) => {
                let columns = [(0, pages(&rows, page_rows.0, first, int_bounds)), (1, pages(&rows, page_rows.1, first, text_bounds))];
                rows_of_pages(&keys, &columns, all)
            }
        };
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| wanted.contains(row)) {
            let position = first + number as u64;
            prop_assert!(chosen.iter().any(|range| range.contains(&position)), "{row:?} at {position} is not in {chosen:?}");
        }
        prop_assert!(chosen.windows(2).all(|pair| pair[0].end < pair[1].start), "{chosen:?}");
    }
}

#[test]
fn a_row_group_is_skipped_where_no_key_is_within_its_bounds() {
    let pruner = pruner_of_ids(&[5, 900]);
    assert_eq!(pruner.look(&[ints(10, 800)]).unwrap(), Look::Skip);
    assert_eq!(pruner.look(&[ints(10, 900)]).unwrap(), Look::Closer(vec![vec![Some(Value::Int(900))]]));
    let both = Look::Closer(vec![vec![Some(Value::Int(5))], vec![Some(Value::Int(900))]]);
    assert_eq!(pruner.look(&[Bounds::default()]).unwrap(), both);
}

#[test]
fn no_key_of_several_columns_is_looked_for_where_its_columns_fit_one_by_one_only() {
    let pruner = pruner_of(&[(Some(1), Some("z".into())), (Some(9), Some("a".into()))]);
    let text = |lower: &str, upper: &str| Bounds { lower: Some(Value::Text(lower.into())), upper: Some(Value::Text(upper.into())) };
    assert_eq!(pruner.look(&[ints(0, 5), text("a", "c")]).unwrap(), Look::Skip);
}

#[test]
fn many_keys_are_read_as_they_are() {
    let ids: Vec<i64> = (0..1_000).collect();
    let pruner = pruner_of_ids(&ids);
    assert_eq!(pruner.look(&[ints(0, 1_000)]).unwrap(), Look::Read);
    assert!(matches!(pruner.look(&[ints(990, 5_000)]).unwrap(), Look::Closer(keys) if keys.len() == 10));
}

#[test]
fn pages_that_hold_no_key_are_left_out() {
    let page = |start: u64, bounds: Option<Bounds>| Page { rows: start..start + 10, bounds };
    let pages = vec![page(100, Some(ints(0, 4))), page(110, Some(ints(5, 9))), page(120, None), page(130, Some(ints(10, 14)))];
    let rows = |ids: &[i64]| {
        let keys: Vec<KeyValues> = ids.iter().map(|id| vec![Some(Value::Int(*id))]).collect();
        rows_of_pages(&keys, &[(0, pages.clone())], 100..140)
    };
    assert_eq!(rows(&[3]), std::slice::from_ref(&(100..110)));
    assert_eq!(rows(&[3, 5, 12]), [100..120, 130..140]);
    assert_eq!(rows(&[99]), []);
}
