//! Row lineage of Iceberg v3: rows that a copy-on-write merge or a compaction moves to another file keep their ids, and which commit last
//! changed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Int64Type};
use futures::TryStreamExt;
use waterline_core::ddl::{SqlDialect, parse_ddl};
use waterline_core::decode::DecodeSettings;
use waterline_core::format::{DataFile, KeepAll, TableState};
use waterline_core::table::TableName;
use waterline_engine::ingest::{IngestOptions, Mode, OnError, SchemaSource, Source, TableSelection, ingest};
use waterline_engine::lake::{Lake, Limits};
use waterline_engine::maintain::compact::{Request, StrategyChoice, execute, plan};
use waterline_engine::parquet_io::{Rows, TableColumns};
use waterline_engine::progress::Silent;
use waterline_engine::tables::TableSettings;
use waterline_iceberg::FilesystemCatalog;
use waterline_testkit::world::World;

const LANDING: &str = "memory://landing/orders/";

fn table() -> TableName {
    "shop.orders".parse().unwrap()
}

/// Lands a file and merges it.
async fn merge(world: &World, lake: &Lake, file: u32, events: &[(&str, i64, &str)], properties: &[(&str, &str)]) {
    let line = |(at, (op, id, name)): (usize, &(&str, i64, &str))| {
        let n = file as usize * 100 + at;
        format!(r#"{{"op":"{op}","updated_at":"2025-11-12 03:{file:02}:{at:02}","record":{{"id":{id},"name":"{name}","n":{n}}}}}"#) + "\n"
    };
    let text: String = events.iter().enumerate().map(line).collect();
    let (store, path) = world.stores.resolve(&format!("{LANDING}{file}.jsonl")).unwrap();
    store.put_opts(&path, text.into(), Default::default()).await.unwrap();
    let ddl = parse_ddl("create table shop.orders (id bigint primary key, name text, n bigint)", SqlDialect::Postgres).unwrap();
    let source = Source {
        name: "shop".into(),
        paths: vec![LANDING.into()],
        decode: DecodeSettings { sequence_by: vec!["n".into()], ..DecodeSettings::new("plain-json".parse().unwrap()) },
        schema: SchemaSource { ddl: Some(ddl), columns: Default::default() },
        lateness_us: 0,
        tables: TableSelection::One(table()),
        table_settings: Default::default(),
        default_settings: TableSettings {
            properties: properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            ..TableSettings::default()
        },
    };
    let options = IngestOptions { mode: Mode::Merge, on_error: OnError::Stop, limits: Limits::default(), complete_until_us: None };
    let report = ingest(lake, &source, &options, &Silent).await.unwrap();
    report.tables.into_iter().for_each(|table| table.result.unwrap());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lineage {
    row_id: i64,
    last_updated: i64,
}

fn columns_with_lineage(state: &TableState) -> TableColumns {
    let column = |name: &str, id: &str| {
        let id = [(waterline_core::format::FIELD_ID.to_owned(), id.to_owned())].into();
        Arc::new(Field::new(name, arrow::datatypes::DataType::Int64, true).with_metadata(id))
    };
    let lineage = [column("_row_id", "2147483540"), column("_last_updated_sequence_number", "2147483539")];
    TableColumns::of(state).unwrap().with_fields(state.schema.fields().iter().cloned().chain(lineage).collect::<Vec<_>>())
}

/// The lineage of each id's row, read as the specification says: from the file's columns, else inherited.
async fn lineages(lake: &Lake, state: &TableState) -> BTreeMap<i64, Lineage> {
    let format = lake.table(&table()).await.unwrap();
    let mut found = BTreeMap::new();
    for file in format.data_files(state, &KeepAll).await.unwrap() {
        let opened = lake.files.open_data_file(state, &file).await.unwrap();
        let deleted = format.deleted_rows(&file).await.unwrap();
        let read = opened.read_with_positions(&columns_with_lineage(state), Rows::Except(&deleted), 100).await.unwrap();
        for batch in read.try_collect::<Vec<_>>().await.unwrap() {
            let column = |name: &str| batch.batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
            let (ids, row_ids, updated) = (column("id"), column("_row_id"), column("_last_updated_sequence_number"));
            for row in 0..ids.len() {
                let inherited = inherited(&file, batch.positions.value(row));
                let lineage = Lineage {
                    row_id: if row_ids.is_valid(row) { row_ids.value(row) } else { inherited.row_id },
                    last_updated: if updated.is_valid(row) { updated.value(row) } else { inherited.last_updated },
                };
                assert_eq!(found.insert(ids.value(row), lineage), None);
            }
        }
    }
    found
}

fn inherited(file: &DataFile, position: i64) -> Lineage {
    let lineage = file.lineage.as_ref().unwrap();
    Lineage { row_id: lineage.first_row_id + position, last_updated: lineage.sequence }
}

const V3: &[(&str, &str)] = &[("format-version", "3"), ("write.merge.mode", "copy-on-write")];

#[tokio::test]
async fn rows_that_are_only_moved_keep_their_ids_and_their_last_change() {
    let world = World::in_memory(5);
    let lake = Lake::new(Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap()), world.env.clone());
    let state = async || lake.table(&table()).await.unwrap().head().await.unwrap();
    merge(&world, &lake, 1, &[("c", 1, "a"), ("c", 2, "b"), ("c", 3, "c"), ("c", 4, "d")], V3).await;
    let first = lineages(&lake, &state().await).await;
    assert_eq!(first.values().map(|lineage| lineage.row_id).collect::<Vec<_>>(), [0, 1, 2, 3]);

    // Deletes 1 and updates 3, so that 2 and 4 are moved; then updates 4, so that 2 is moved again.
    merge(&world, &lake, 2, &[("d", 1, "a"), ("u", 3, "C")], V3).await;
    let second = lineages(&lake, &state().await).await;
    assert_eq!(second.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((second[&2], second[&4]), (first[&2], first[&4]));
    assert!(second[&3].last_updated > first[&3].last_updated);

    merge(&world, &lake, 3, &[("u", 4, "D")], V3).await;
    let third = lineages(&lake, &state().await).await;
    assert_eq!((third[&2], third[&3]), (first[&2], second[&3]));
    assert!(third[&4].last_updated > second[&3].last_updated);
    let ids: std::collections::BTreeSet<i64> = third.values().map(|lineage| lineage.row_id).collect();
    assert_eq!(ids.len(), 3, "no id is given twice: {third:?}");
}

#[tokio::test]
async fn files_of_v2_have_no_lineage() {
    let world = World::in_memory(5);
    let lake = Lake::new(Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap()), world.env.clone());
    for (file, events) in [(1, [("c", 1, "a"), ("c", 2, "b")]), (2, [("u", 1, "A"), ("c", 3, "c")])] {
        merge(&world, &lake, file, &events, &[("write.merge.mode", "copy-on-write")]).await;
    }
    let format = lake.table(&table()).await.unwrap();
    let state = format.head().await.unwrap();
    for file in format.data_files(&state, &KeepAll).await.unwrap() {
        assert_eq!(file.lineage, None);
        let opened = lake.files.open_data_file(&state, &file).await.unwrap();
        assert_eq!(opened.footer().file_metadata().schema_descr().num_columns(), 3);
    }
}

/// Rows of several merges, some of which deleted others, in one new file.
#[tokio::test]
async fn rows_that_are_compacted_keep_their_ids_and_their_last_change() {
    let world = World::in_memory(5);
    let lake = Lake::new(Arc::new(FilesystemCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap()), world.env.clone());
    let state = async || lake.table(&table()).await.unwrap().head().await.unwrap();
    let vectors = &[("format-version", "3")];
    merge(&world, &lake, 1, &[("c", 1, "a"), ("c", 2, "b"), ("c", 3, "c")], vectors).await;
    merge(&world, &lake, 2, &[("u", 2, "B"), ("c", 4, "d")], vectors).await;
    merge(&world, &lake, 3, &[("d", 1, "a"), ("u", 4, "D")], vectors).await;
    for choice in [StrategyChoice::Binpack, StrategyChoice::Sort("name desc".parse().unwrap())] {
        let before = lineages(&lake, &state().await).await;
        let request = Request {
            choice,
            min_input_files: 2,
            delete_ratio_threshold: 0.0,
            lanes: std::num::NonZeroUsize::new(1),
            ..Request::default()
        };
        let planned = plan(&lake, &table(), &request).await.unwrap().remove(0);
        let report = execute(&lake, planned, &request).await.unwrap();
        assert_eq!((report.after.files, report.after.rows), (1, before.len() as u64));
        assert_eq!(lineages(&lake, &state().await).await, before);
        merge(&world, &lake, 4 + u32::try_from(report.before.files).unwrap(), &[("u", 3, "changed"), ("c", 5, "e")], vectors).await;
    }
}
