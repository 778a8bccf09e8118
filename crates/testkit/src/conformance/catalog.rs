//! Tables by name.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field};
use futures::future::join_all;
use waterline_core::error::Result;
use waterline_core::format::{FIELD_ID, TableDefinition};

use super::lake::{Lake, definition, name};
use super::{Subject, sample};
use crate::conformance::sample::samples;

pub(super) async fn a_table_keeps_its_definition(subject: &Subject) -> Result<()> {
    let partition_by = ["bucket(4, id)", "day(seen)", "name", "truncate(3, name)", "month(born)", "hour(local)"];
    let lake = Lake::partitioned(subject, &partition_by).await?;
    let head = lake.head().await?;
    assert_eq!(head.version, None);
    assert!(head.history.is_empty() && head.current().is_none());
    assert!(lake.files(&head).await?.is_empty());
    assert!(!head.location.ends_with('/'), "{}", head.location);
    assert_eq!(head.keys, ["id"]);
    assert_eq!(head.partition_by, definition(subject, &partition_by).partition_by);
    assert_eq!(head.properties.get("owner").map(String::as_str), Some("conformance"));
    let columns = |fields: &[std::sync::Arc<Field>]| {
        fields.iter().map(|field| (field.name().clone(), plain(field.data_type()), field.is_nullable())).collect::<Vec<_>>()
    };
    assert_eq!(columns(head.schema.fields()), columns(sample::schema().fields()));
    let ids: Vec<i32> = head.schema.fields().iter().flat_map(|field| field_ids(field)).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "field ids are unique: {ids:?}");
    Ok(())
}

/// The type without the ids of its parts.
pub(super) fn plain(data_type: &DataType) -> DataType {
    let part = |field: &std::sync::Arc<Field>| Field::new(field.name(), plain(field.data_type()), field.is_nullable());
    match data_type {
        DataType::List(element) => DataType::List(part(element).into()),
        DataType::Struct(members) => DataType::Struct(members.iter().map(part).collect()),
        other => other.clone(),
    }
}

/// The id of a field and of all its parts. Panics when one has none.
pub(super) fn field_ids(field: &Field) -> Vec<i32> {
    let own = field.metadata().get(FIELD_ID).and_then(|id| id.parse().ok());
    let mut ids = vec![own.unwrap_or_else(|| panic!("{} has no field id", field.name()))];
    match field.data_type() {
        DataType::List(element) => ids.extend(field_ids(element)),
        DataType::Struct(members) => ids.extend(members.iter().flat_map(|member| field_ids(member))),
        _ => {}
    }
    ids
}

pub(super) async fn names_are_kept_as_they_are(subject: &Subject) -> Result<()> {
    let names = ["shop.orders", "shop.orders__changelog", "shop.Weird Täble-1", "shop.a.b", "other shop.orders"].map(name);
    for table in &names {
        let table = subject.catalog.create(table, &definition(subject, &[])).await?;
        let lake = Lake { subject, table };
        lake.append(0..3).await?;
    }
    let mut listed = subject.catalog.list().await?;
    listed.sort();
    let mut expected = names.to_vec();
    expected.sort();
    assert_eq!(listed, expected);
    let mut locations = BTreeSet::new();
    for table in &names {
        let opened = subject.catalog.open(table).await?.expect("a table that was created");
        assert_eq!(opened.name(), table);
        let lake = Lake { subject, table: opened };
        let head = lake.head().await?;
        lake.expect_rows(&head, samples(0..3)).await?;
        assert!(locations.insert(head.location), "two tables share a folder");
    }
    Ok(())
}

pub(super) async fn a_table_exists_once_created(subject: &Subject) -> Result<()> {
    assert!(subject.catalog.list().await?.is_empty());
    assert!(subject.catalog.open(&name("shop.orders")).await?.is_none());
    let lake = Lake::create(subject).await?;
    let state = lake.append(0..5).await?;
    let again = Lake::create(subject).await?;
    assert_eq!(again.head().await?.version, state.version);
    assert_eq!(again.head().await?.location, state.location);
    again.expect_rows(&again.head().await?, samples(0..5)).await?;
    assert!(subject.catalog.open(&name("shop.other")).await?.is_none());
    assert!(subject.catalog.open(&name("other.orders")).await?.is_none());
    Ok(())
}

/// Files that are written for a table to be are its own once it is made.
pub(super) async fn a_table_can_be_written_before_it_is_made(subject: &Subject) -> Result<()> {
    let (name, definition) = (name("shop.orders"), definition(subject, &["bucket(4, id)"]));
    let planned = subject.catalog.preview(&name, &definition)?;
    assert!(subject.catalog.open(&name).await?.is_none() && subject.catalog.list().await?.is_empty());
    assert_eq!((planned.version, planned.history.len()), (None, 0));
    let lake = Lake { subject, table: subject.catalog.create(&name, &definition).await? };
    let made = lake.head().await?;
    assert_eq!(
        (&planned.location, &planned.schema, &planned.keys, &planned.partition_by, &planned.properties),
        (&made.location, &made.schema, &made.keys, &made.partition_by, &made.properties)
    );
    Ok(())
}

pub(super) async fn creators_who_race_get_one_table(subject: &Subject) -> Result<()> {
    let creators = join_all((0..6).map(|_| Lake::create(subject))).await;
    let lakes = creators.into_iter().collect::<Result<Vec<_>>>()?;
    lakes[0].append(0..4).await?;
    for lake in &lakes {
        lake.expect_rows(&lake.head().await?, samples(0..4)).await?;
    }
    assert_eq!(subject.catalog.list().await?.len(), 1);
    Ok(())
}

pub(super) async fn a_definition_without_sense_is_refused(subject: &Subject) -> Result<()> {
    let senseless = [TableDefinition { keys: vec!["absent".into()], ..definition(subject, &[]) }, definition(subject, &["day(absent)"])];
    for definition in senseless {
        assert!(subject.catalog.create(&name("shop.orders"), &definition).await.is_err(), "{definition:?}");
        assert!(subject.catalog.open(&name("shop.orders")).await?.is_none());
    }
    Ok(())
}
