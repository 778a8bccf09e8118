//! Tables with features that are read and not written, or not even read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value as Json, json};
use waterline_core::error::ErrorKind;
use waterline_core::format::{Catalog, Commit, KeepAll, Operation, TableDefinition};
use waterline_testkit::world::World;

use super::{Table, catalog, field, id_and_name, metadata, name, plain_protocol, protocol};

const INVARIANT: &str = r#"{"expression":{"expression":"id > 0"}}"#;

/// What a table uses, and the word of the refusal.
fn unwritable() -> Vec<(Vec<Json>, &'static str)> {
    let writer = |feature: &str, configuration: &Json| vec![protocol(&[], &[feature]), metadata(&id_and_name(), &[], configuration)];
    let column = |key: &str, value: Json| {
        let fields = json!([field("id", "long", &json!({key: value})), field("name", "string", &json!({}))]);
        vec![plain_protocol(), metadata(&fields, &[], &json!({}))]
    };
    let short = json!([field("id", "short", &json!({})), field("name", "string", &json!({}))]);
    vec![
        (writer("rowTracking", &json!({})), "rowTracking"),
        (writer("clustering", &json!({})), "clustering"),
        (writer("icebergCompatV2", &json!({})), "icebergCompatV2"),
        (writer("somethingOfTomorrow", &json!({})), "somethingOfTomorrow"),
        (writer("changeDataFeed", &json!({"delta.enableChangeDataFeed": "true"})), "change data feed"),
        (column("delta.identity.start", json!(1)), "identity columns"),
        (column("CURRENT_DEFAULT", json!("1")), "column defaults"),
        (vec![plain_protocol(), metadata(&short, &[], &json!({}))], "short"),
        (
            vec![json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 8}}), metadata(&id_and_name(), &[], &json!({}))],
            "writer version",
        ),
    ]
}

#[tokio::test]
async fn nothing_is_written_to_a_table_whose_features_are_not_supported() {
    for (actions, word) in unwritable() {
        let table = Table::of(&[&actions]).await;
        let head = table.head().await;
        assert_eq!((head.version, head.schema.fields().len()), (None, 2), "{word}");
        let error = table.try_append(0..3).await.expect_err(word);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "no `{word}` in {error}");
        assert!(table.format.set_tag(&head, "x", None).await.is_ok(), "there is nothing to do");
        let mut fields = head.schema.fields().to_vec();
        fields.push(std::sync::Arc::new(arrow::datatypes::Field::new("more", arrow::datatypes::DataType::Utf8, true)));
        assert!(table.format.evolve(&head, &std::sync::Arc::new(arrow::datatypes::Schema::new(fields))).await.is_err(), "{word}");
        assert_eq!(table.log().await, ["00000000000000000000.json"], "{word}");
    }
}

#[tokio::test]
async fn features_that_the_table_does_not_use_are_no_reason() {
    let features =
        ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "identityColumns", "domainMetadata"];
    let table =
        Table::of(&[&[protocol(&[], &features), metadata(&id_and_name(), &[], &json!({"delta.enableChangeDataFeed": "false"}))]]).await;
    let state = table.append(0..3).await;
    assert_eq!(table.rows(&state).await, super::rows(0..3));
}

#[tokio::test]
async fn a_table_that_cannot_be_read_as_it_is_meant_is_refused() {
    let variant = json!([field("id", "variant", &json!({}))]);
    for (actions, word) in [
        ([protocol(&["variantType"], &["variantType"]), metadata(&id_and_name(), &[], &json!({}))], "variantType"),
        ([plain_protocol(), metadata(&variant, &[], &json!({}))], "variant"),
        (
            [json!({"protocol": {"minReaderVersion": 4, "minWriterVersion": 8}}), metadata(&id_and_name(), &[], &json!({}))],
            "reader version",
        ),
    ] {
        let error = Table::of(&[&actions]).await.format.head().await.expect_err(word);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "no `{word}` in {error}");
    }
}

#[tokio::test]
async fn rows_of_an_append_only_table_stay() {
    let table = Table::of(&[&[
        protocol(&["deletionVectors"], &["deletionVectors", "appendOnly"]),
        metadata(&id_and_name(), &[], &json!({"delta.appendOnly": "true", "delta.enableDeletionVectors": "true"})),
    ]])
    .await;
    table.append(0..3).await;
    let head = table.head().await;
    let files = table.format.data_files(&head, &KeepAll).await.unwrap();
    let delete_rows = files.into_iter().map(|file| (file.path, [0].into_iter().collect())).collect();
    let delete = Commit { delete_rows, ..table.commit(Operation::Delete) };
    let error = table.format.commit(&head, &delete).await.expect_err("rows may not go");
    assert!(error.to_string().contains("delta.appendOnly"), "{error}");
    assert_eq!(table.rows(&table.head().await).await, super::rows(0..3));
}

#[tokio::test]
async fn a_table_without_deletion_vectors_says_that_files_are_rewritten() {
    let table = Table::of(&[&[plain_protocol(), metadata(&id_and_name(), &[], &json!({}))]]).await;
    let head = table.append(0..3).await;
    assert_eq!(head.properties.get("write.merge.mode").map(String::as_str), Some("copy-on-write"));
    let files = table.format.data_files(&head, &KeepAll).await.unwrap();
    let delete_rows = files.into_iter().map(|file| (file.path, [0].into_iter().collect())).collect();
    let delete = Commit { delete_rows, ..table.commit(Operation::Delete) };
    let error = table.format.commit(&head, &delete).await.expect_err("there are no deletion vectors");
    assert!(error.to_string().contains("delta.enableDeletionVectors"), "{error}");
}

/// They are for whoever writes rows to see to.
#[tokio::test]
async fn rules_of_rows_are_shown() {
    let fields = json!([
        field("id", "long", &json!({"delta.invariants": INVARIANT})),
        field("twice", "long", &json!({"delta.generationExpression": "id * 2"})),
    ]);
    let configuration = json!({"delta.constraints.small": "id < 9"});
    let table = Table::of(&[&[plain_protocol(), metadata(&fields, &[], &configuration)]]).await;
    let rules = table.head().await.rules;
    let constraints: Vec<_> = rules.constraints.iter().map(|rule| (rule.name.as_str(), rule.condition.as_str())).collect();
    assert_eq!(constraints, [("small", "id < 9"), ("invariant of id", "id > 0")]);
    assert_eq!((rules.generated[0].column.as_str(), rules.generated[0].expression.as_str()), ("twice", "id * 2"));
    let inside = json!({"type": "struct", "fields": [field("inside", "long", &json!({"delta.invariants": INVARIANT}))]});
    let nested = json!([{"name": "id", "type": inside, "nullable": true, "metadata": {}}]);
    let table = Table::of(&[&[plain_protocol(), metadata(&nested, &[], &json!({}))]]).await;
    let head = table.head().await;
    let add = Commit { tags: vec!["x".into()], ..table.commit(Operation::Append) };
    let error = table.format.commit(&head, &add).await.expect_err("nobody sees to those inside of a column");
    assert!(error.to_string().contains("inside"), "{error}");
    let broken = json!([field("id", "long", &json!({"delta.invariants": "id > 0"}))]);
    let error = Table::of(&[&[plain_protocol(), metadata(&broken, &[], &json!({}))]]).await.format.head().await.unwrap_err();
    assert!(error.to_string().contains("column id"), "{error}");
}

#[tokio::test]
async fn tables_are_made_without_what_only_others_can_make() {
    for property in ["delta.constraints.small", "delta.columnMapping.mode", "delta.enableChangeDataFeed"] {
        let world = World::in_memory(1);
        let definition = TableDefinition {
            schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)])),
            keys: vec!["id".into()],
            partition_by: Vec::new(),
            properties: BTreeMap::from([(property.to_owned(), if property.ends_with("mode") { "name" } else { "true" }.to_owned())]),
        };
        let error = catalog(&world).create(&name(), &definition).await.expect_err(property);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(property), "{error}");
        assert!(catalog(&world).open(&name()).await.unwrap().is_none(), "{property}");
    }
}
