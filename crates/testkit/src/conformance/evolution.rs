//! The schema grows, and what was written before stays readable.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use waterline_core::error::{ErrorKind, Result};
use waterline_core::format::{CommitOutcome, TableState};
use waterline_core::schema::list_of;

use super::Subject;
use super::catalog::{field_ids, plain};
use super::lake::{Lake, committed};
use super::sample::{sample, samples, schema};
use crate::cell::{Cell, Row};

/// The sample's schema with some columns changed or added, without ids, as it comes from a source.
fn with(columns: &[(&str, DataType)]) -> SchemaRef {
    let mut fields: Vec<Field> = schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    for (name, data_type) in columns {
        match fields.iter_mut().find(|field| field.name() == name) {
            Some(field) => *field = field.clone().with_data_type(data_type.clone()),
            None => fields.push(Field::new(*name, data_type.clone(), false)),
        }
    }
    Arc::new(Schema::new(fields))
}

fn ids_by_name(state: &TableState) -> BTreeMap<String, Vec<i32>> {
    state.schema.fields().iter().map(|field| (field.name().clone(), field_ids(field))).collect()
}

pub(super) async fn new_columns_and_wider_types(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let old = lake.append(0..4).await?;
    let wider = [("small", DataType::Int64), ("ratio", DataType::Float64), ("price", DataType::Decimal128(20, 2))];
    let grown = with(&[&wider[..], &[("note", DataType::Utf8), ("count", DataType::Int32)]].concat());
    let state = committed(lake.table.evolve(&old, &grown).await?);
    for state in [&state, &lake.head().await?] {
        for (column, data_type) in &wider {
            assert_eq!(state.schema.field_with_name(column).ok().map(Field::data_type), Some(data_type), "{column}");
        }
        let names: Vec<&str> = state.schema.fields().iter().rev().take(2).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["count", "note"], "new columns stand at the end");
        assert!(state.schema.field_with_name("note").is_ok_and(Field::is_nullable), "old rows are null in a new column");
        let ids = ids_by_name(state);
        assert!(ids_by_name(&old).iter().all(|(name, old)| ids.get(name) == Some(old)), "columns keep their ids");
        assert_eq!(state.keys, old.keys);
        lake.expect_rows(state, samples(0..4)).await?;
    }
    let mut newer = sample(4);
    newer.extend([
        ("small".into(), Cell::Int(i64::MIN)),
        ("note".into(), Cell::from("new")),
        ("price".into(), Cell::Decimal(10i128.pow(19))),
    ]);
    let state = lake.submit(&state, &lake.append_of(&state, &[newer.clone()]).await?).await?;
    lake.expect_rows(&state, samples(0..4).into_iter().chain([newer]).collect()).await?;
    let state = lake.delete(&[0, 4]).await?;
    lake.expect_rows(&state, samples(1..4)).await
}

pub(super) async fn old_versions_keep_their_schema(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let old = lake.append(0..4).await?;
    let state = committed(lake.table.evolve(&old, &with(&[("small", DataType::Int64), ("note", DataType::Utf8)])).await?);
    lake.submit(&state, &lake.append_of(&state, &samples(4..6)).await?).await?;
    let head = lake.head().await?;
    let then = lake.table.at(&head, old.version.expect("a commit is a version")).await?;
    assert!(then.schema.field_with_name("note").is_err());
    assert_eq!(then.schema.field_with_name("small").ok().map(Field::data_type), Some(&DataType::Int32));
    lake.expect_rows(&then, samples(0..4)).await?;
    let now = lake.table.at(&then, head.version.expect("a commit is a version")).await?;
    assert_eq!(now.schema, head.schema);
    lake.expect_rows(&now, samples(0..6)).await
}

pub(super) async fn nothing_new_changes_nothing(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let state = lake.append(0..4).await?;
    let fewer: Vec<_> = schema().fields().iter().filter(|field| field.name() != "name").cloned().collect();
    for unchanged in [schema(), state.schema.clone(), Arc::new(Schema::new(fewer))] {
        let after = committed(lake.table.evolve(&state, &unchanged).await?);
        assert_eq!(after.schema, state.schema);
        assert_eq!(lake.head().await?.schema, state.schema);
        lake.expect_rows(&after, samples(0..4)).await?;
    }
    Ok(())
}

pub(super) async fn a_type_that_does_not_fit_is_refused(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let state = lake.append(0..4).await?;
    for (column, data_type) in [("name", DataType::Int64), ("small", DataType::Utf8), ("price", DataType::Decimal128(12, 3))] {
        let error =
            lake.table.evolve(&state, &with(&[("note", DataType::Utf8), (column, data_type)])).await.expect_err("a type that does not fit");
        assert_eq!(error.kind(), ErrorKind::SchemaChange);
        assert!(error.context().contains(&("column", column.to_owned())), "{error}");
        let head = lake.head().await?;
        assert_eq!(head.schema, state.schema);
        lake.expect_rows(&head, samples(0..4)).await?;
    }
    Ok(())
}

/// An evolution planned before another commit may be refused or made, but never takes rows away.
pub(super) async fn an_evolution_loses_no_rows(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let stale = lake.append(0..4).await?;
    lake.append(4..6).await?;
    let has_note = match lake.table.evolve(&stale, &with(&[("note", DataType::Utf8)])).await? {
        CommitOutcome::Committed(_) => true,
        CommitOutcome::Conflict(_) => false,
        CommitOutcome::Unknown(why) => panic!("no answer was lost: {why}"),
    };
    let head = lake.head().await?;
    assert_eq!(head.schema.field_with_name("note").is_ok(), has_note);
    lake.expect_rows(&head, samples(0..6)).await
}

pub(super) async fn nested_columns_evolve(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let old = lake.append(0..4).await?;
    let place = DataType::Struct(
        [Field::new("city", DataType::Utf8, true), Field::new("zips", list_of(DataType::Int32), true)].into_iter().collect(),
    );
    let state = committed(lake.table.evolve(&old, &with(&[("codes", list_of(DataType::Int64)), ("place", place.clone())])).await?);
    let type_of = |column: &str| state.schema.field_with_name(column).ok().map(|field| plain(field.data_type()));
    assert_eq!(type_of("codes"), Some(list_of(DataType::Int64)));
    assert_eq!(type_of("place"), Some(place));
    assert_eq!(ids_by_name(&state)["codes"], ids_by_name(&old)["codes"]);
    let city = Row::from([("city".into(), Cell::from("Ulm")), ("zips".into(), Cell::List(vec![Some(Cell::Int(89_073)), None]))]);
    let mut newer = sample(4);
    newer.extend([("codes".into(), Cell::List(vec![Some(Cell::Int(i64::MAX))])), ("place".into(), Cell::Struct(city))]);
    let state = lake.submit(&state, &lake.append_of(&state, &[newer.clone()]).await?).await?;
    lake.expect_rows(&state, samples(0..4).into_iter().chain([newer]).collect()).await
}

pub(super) async fn ids_are_not_used_twice(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let mut added = Vec::new();
    for round in 0..4 {
        let head = lake.head().await?;
        let column = format!("extra_{round}");
        added.push((column, list_of(DataType::Utf8)));
        let columns: Vec<(&str, DataType)> = added.iter().map(|(name, data_type)| (name.as_str(), data_type.clone())).collect();
        committed(lake.table.evolve(&head, &with(&columns)).await?);
        lake.append([round]).await?;
    }
    let head = lake.head().await?;
    let mut ids: Vec<i32> = head.schema.fields().iter().flat_map(|field| field_ids(field)).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    lake.expect_rows(&head, samples(0..4)).await
}
