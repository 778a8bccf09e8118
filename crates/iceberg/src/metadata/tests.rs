use bytes::Bytes;
use serde_json::{Value as Json, json};
use waterline_core::error::{Error, ErrorKind};

use super::{Metadata, serialise, with_last_updated};
use crate::location::MetadataCodec;

/// A table of format version 1 as its specification allows it: without lists of schemas and specs.
fn version_1() -> Json {
    json!({
        "format-version": 1,
        "table-uuid": "d20125c8-7284-442c-9aea-15fee620737c",
        "location": "s3a://bucket/table/",
        "last-updated-ms": 1_602_638_573_874_i64,
        "last-column-id": 2,
        "schema": { "type": "struct", "fields": [
            { "id": 1, "name": "x", "required": true, "type": "long" },
            { "id": 2, "name": "y", "required": false, "type": { "type": "list", "element-id": 3, "element": "string", "element-required": false } }
        ] },
        "partition-spec": [{ "name": "x", "transform": "identity", "source-id": 1, "field-id": 1000 }],
        "properties": {},
        "current-snapshot-id": -1,
        "snapshots": []
    })
}

/// A table whose partition column 9 was dropped, which left a void field.
fn dropped_source(version: u8) -> Json {
    json!({
        "format-version": version,
        "table-uuid": "d20125c8-7284-442c-9aea-15fee620737c",
        "location": "/warehouse/table",
        "last-sequence-number": 0,
        "last-updated-ms": 1_602_638_573_874_i64,
        "last-column-id": 9,
        "current-schema-id": 1,
        "schema": { "type": "struct", "schema-id": 1, "fields": [{ "id": 1, "name": "x", "required": true, "type": "long" }] },
        "schemas": [{ "type": "struct", "schema-id": 1, "fields": [{ "id": 1, "name": "x", "required": true, "type": "long" }] }],
        "default-spec-id": 0,
        "partition-spec": [{ "name": "gone", "transform": "void", "source-id": 9, "field-id": 1000 }],
        "partition-specs": [{ "spec-id": 0, "fields": [{ "name": "gone", "transform": "void", "source-id": 9, "field-id": 1000 }] }],
        "last-partition-id": 1000,
        "sort-orders": [{ "order-id": 0, "fields": [] }],
        "default-sort-order-id": 0
    })
}

fn parse(json: &Json) -> Result<Metadata, Error> {
    Metadata::parse("v1.metadata.json", &Bytes::from(serde_json::to_vec(json).unwrap()))
}

#[test]
fn format_version_1_is_read_and_never_written() {
    let metadata = parse(&version_1()).unwrap();
    let state = crate::state::head(metadata.into()).unwrap();
    assert_eq!(state.location, "s3a://bucket/table");
    assert_eq!(state.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((state.partition_by[0].to_string(), state.version), ("x".into(), None));
    let inner = crate::state::IcebergState::of(&state).unwrap();
    assert_eq!(inner.metadata.ensure_writable().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_void_field_of_a_dropped_column_is_read_and_never_written() {
    for version in [1, 2] {
        let metadata = parse(&dropped_source(version)).unwrap();
        assert_eq!(metadata.ensure_writable().unwrap_err().kind(), ErrorKind::Unsupported);
        let state = crate::state::head(metadata.into()).unwrap();
        assert_eq!(state.partition_by[0].to_string(), "void(gone)");
    }
}

#[test]
fn what_is_not_known_is_named() {
    let mut later = version_1();
    later["format-version"] = 4.into();
    let mut typed = version_1();
    typed["schema"]["fields"][1]["type"]["element"] = "geometry(srid:4326)".into();
    for (json, feature) in [(later, "format version 4"), (typed, "type geometry")] {
        let error = parse(&json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.context().contains(&("feature", feature.into())), "{error}");
        assert!(error.context().contains(&("file", "v1.metadata.json".into())), "{error}");
    }
}

#[test]
fn what_is_no_metadata_is_corrupt() {
    for bytes in [&b"{"[..], b"[]", b"{\"format-version\": 2}", b"\x1f\x8bnot gzip"] {
        let error = Metadata::parse("v1.metadata.json", &Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn both_codecs_give_back_what_was_written_and_the_time_can_be_set() {
    let table = with_last_updated(parse(&version_1()).unwrap().table, 7).unwrap();
    for codec in [MetadataCodec::Plain, MetadataCodec::Gzip] {
        let back = Metadata::parse("x", &serialise(&table, codec).unwrap()).unwrap();
        assert_eq!((back.table.last_updated_ms(), &back.table), (7, &table));
    }
}
