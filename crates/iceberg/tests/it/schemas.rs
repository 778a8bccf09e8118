use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use waterline_core::error::ErrorKind;
use waterline_core::format::{FIELD_ID, KeepAll, TableDefinition};
use waterline_core::value::Value;

use crate::lake::{Kind, Lake, all, append, committed, conflict, definition};
use crate::rows::{field_id, rows};

fn with(schema: &Schema, name: &str, data_type: DataType) -> Arc<Schema> {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let field = Arc::new(Field::new(name, data_type, true));
    match fields.iter().position(|field| field.name() == name) {
        Some(at) => fields[at] = field,
        None => fields.push(field),
    }
    Arc::new(Schema::new(fields))
}

#[tokio::test]
async fn a_schema_grows_by_columns_and_wider_types_and_old_snapshots_keep_theirs() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let s1 = append(table.as_ref(), &table.head().await.unwrap(), "a", &rows(1..=3)).await;
        let address =
            DataType::Struct(Fields::from(vec![Field::new("street", DataType::Utf8, true), Field::new("no", DataType::Int32, true)]));
        let wanted = with(&s1.schema, "qty", DataType::Int64);
        let wanted = with(&wanted, "price", DataType::Decimal128(12, 2));
        let wanted = with(&wanted, "address", address);
        let s2 = committed(table.evolve(&s1, &wanted).await.unwrap());

        assert_eq!((s2.version, s2.history.len()), (s1.version, 1));
        let types: Vec<_> = s2.schema.fields().iter().map(|field| (field.name().as_str(), field.data_type().clone())).collect();
        assert_eq!(types[2], ("qty", DataType::Int64));
        assert_eq!(types[3], ("price", DataType::Decimal128(12, 2)));
        assert_eq!(field_id(&s2, "qty"), field_id(&s1, "qty"));
        assert_eq!(field_id(&s2, "address"), 5);
        let DataType::Struct(parts) = s2.schema.field(4).data_type() else { panic!("no struct") };
        assert_eq!(parts.iter().map(|part| part.metadata()[FIELD_ID].as_str()).collect::<Vec<_>>(), ["6", "7"]);
        assert!(!s2.schema.field(0).is_nullable());

        let same = committed(table.evolve(&s2, &wanted).await.unwrap());
        assert_eq!(same.schema, s2.schema);
        let narrower = committed(table.evolve(&s2, &s1.schema).await.unwrap());
        assert_eq!(narrower.schema, s2.schema);

        let s3 = append(table.as_ref(), &s2, "b", &rows(4..=4)).await;
        assert_eq!(table.at(&s3, s1.version.unwrap()).await.unwrap().schema, s1.schema);
        assert_eq!(table.at(&s3, s3.version.unwrap()).await.unwrap().schema, s2.schema);
        let files = table.data_files(&s3, &KeepAll).await.unwrap();
        let quantities: Vec<_> = files.iter().map(|file| file.summary.bounds["qty"].upper.clone()).collect();
        assert_eq!(quantities, [Some(Value::Int(12)), Some(Value::Int(9))]);
    }
}

#[tokio::test]
async fn nested_structs_grow_and_widen_too() {
    let lake = Lake::new(Kind::Sqlite);
    let key = |kind| DataType::Struct(Fields::from(vec![Field::new("id", kind, true)]));
    let schema = Arc::new(Schema::new(vec![Field::new("_old_key", key(DataType::Int32), true)]));
    let table = lake.table(&TableDefinition { schema: schema.clone(), keys: vec![], ..definition(2, &[]) }).await;
    let s1 = table.head().await.unwrap();
    let both = DataType::Struct(Fields::from(vec![Field::new("id", DataType::Int64, true), Field::new("region", DataType::Utf8, true)]));
    let s2 = committed(table.evolve(&s1, &with(&schema, "_old_key", both)).await.unwrap());
    let DataType::Struct(parts) = s2.schema.field(0).data_type() else { panic!("no struct") };
    let parts: Vec<_> =
        parts.iter().map(|part| (part.name().as_str(), part.data_type().clone(), part.metadata()[FIELD_ID].as_str())).collect();
    assert_eq!(parts, [("id", DataType::Int64, "2"), ("region", DataType::Utf8, "3")]);
}

#[tokio::test]
async fn a_change_that_cannot_be_taken_is_an_error_that_names_column_and_types() {
    let lake = Lake::new(Kind::Sqlite);
    let table = lake.table(&definition(2, &[])).await;
    let state = table.head().await.unwrap();
    for (column, data_type) in [("qty", DataType::Utf8), ("name", DataType::Int32), ("price", DataType::Decimal128(12, 3))] {
        let error = table.evolve(&state, &with(&state.schema, column, data_type)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaChange);
        assert!(error.context().contains(&("column", column.into())), "{error}");
    }
    assert_eq!(table.head().await.unwrap().schema, state.schema);
}

#[tokio::test]
async fn an_evolution_of_a_stale_base_conflicts() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let moved = append(table.as_ref(), &base, "a", &rows(1..=3)).await;
        let head = conflict(table.evolve(&base, &with(&base.schema, "extra", DataType::Utf8)).await.unwrap());
        assert_eq!((head.version, head.schema), (moved.version, base.schema));
    }
}
