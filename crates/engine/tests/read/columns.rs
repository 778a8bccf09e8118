//! Schema evolution: whatever a file's columns are called and however they are stored, a query sees the table's.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema, TimeUnit};
use parquet::file::properties::WriterProperties;
use waterline_core::format::MATCH_COLUMNS;

use crate::lake::{Lake, batch, column};

fn longs(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn without_id(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

#[tokio::test]
async fn columns_are_found_by_id_whatever_they_are_called_and_where_they_stand() {
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(2, "label", DataType::Utf8),
        column(3, "size", DataType::Int64),
    ]));
    lake.add(&batch(vec![
        (column(3, "id", DataType::Int64), longs([30, 31])),
        (column(2, "old name", DataType::Utf8), texts(["a", "b"])),
        (column(1, "size", DataType::Int64), longs([1, 2])),
    ]))
    .await;
    assert_eq!(lake.rows("select id, label, size from shop.orders order by id").await, ["1 a 30", "2 b 31"]);
    assert_eq!(lake.rows("select size from shop.orders where label = 'b' and id > 1").await, ["31"]);
    assert_eq!(lake.rows("select count(*) from shop.orders where id = 30").await, ["0"]);
    assert_eq!(lake.rows("select count(*) from shop.orders where size = 30").await, ["1"]);
}

#[tokio::test]
async fn a_column_that_a_file_lacks_is_null() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "note", DataType::Utf8)]));
    lake.add(&batch(vec![(column(1, "id", DataType::Int64), longs([1, 2]))])).await;
    lake.add(&batch(vec![(column(1, "id", DataType::Int64), longs([3])), (column(2, "note", DataType::Utf8), texts(["x"]))])).await;
    assert_eq!(lake.rows("select id, note from shop.orders order by id").await, ["1 null", "2 null", "3 x"]);
    assert_eq!(lake.rows("select id from shop.orders where note is null order by id").await, ["1", "2"]);
    assert_eq!(lake.rows("select id from shop.orders where note = 'x'").await, ["3"]);
    assert_eq!(lake.rows("select count(note), count(*) from shop.orders").await, ["1 3"]);
}

#[tokio::test]
async fn a_column_dropped_and_added_again_under_its_name_is_another_column() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(5, "note", DataType::Utf8)]));
    lake.add(&batch(vec![(column(1, "id", DataType::Int64), longs([1])), (column(2, "note", DataType::Int64), longs([7]))])).await;
    assert_eq!(lake.rows("select id, note from shop.orders").await, ["1 null"]);
    assert_eq!(lake.rows("select id from shop.orders where note is not null").await, [""; 0]);
}

#[tokio::test]
async fn promoted_columns_read_as_the_wider_type() {
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(2, "ratio", DataType::Float64),
        column(3, "amount", DataType::Decimal128(20, 2)),
        column(4, "day", micros()),
    ]));
    let amounts = Decimal128Array::from(vec![12345, -1]).with_precision_and_scale(9, 2).unwrap();
    lake.add(&batch(vec![
        (column(1, "id", DataType::Int32), Arc::new(Int32Array::from(vec![1, i32::MIN]))),
        (column(2, "ratio", DataType::Float32), Arc::new(Float32Array::from(vec![0.5, -2.25]))),
        (column(3, "amount", DataType::Decimal128(9, 2)), Arc::new(amounts)),
        (column(4, "day", DataType::Date32), Arc::new(Date32Array::from(vec![0, -1]))),
    ]))
    .await;
    let sql = "select id, ratio, amount, day from shop.orders order by id desc";
    assert_eq!(lake.rows(sql).await, ["1 0.5 123.45 1970-01-01T00:00:00", "-2147483648 -2.25 -0.01 1969-12-31T00:00:00"]);
    assert_eq!(lake.rows("select id from shop.orders where id < 5000000000 and id > -5000000000 and amount = 123.45").await, ["1"]);
    assert_eq!(lake.rows("select id from shop.orders where ratio = -2.25").await, ["-2147483648"]);
    assert_eq!(lake.rows("select count(*) from shop.orders where id = 5000000000").await, ["0"]);
}

#[tokio::test]
async fn files_without_ids_are_matched_by_name() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "Label", DataType::Utf8)]));
    lake.add(&batch(vec![
        (without_id("Label", DataType::Utf8), texts(["a"])),
        (without_id("label", DataType::Utf8), texts(["other"])),
        (without_id("id", DataType::Int64), longs([1])),
    ]))
    .await;
    assert_eq!(lake.rows(r#"select id, "Label" from shop.orders"#).await, ["1 a"]);
}

/// Of a format without ids: those in a file are its writer's own.
#[tokio::test]
async fn a_table_by_names_has_no_use_for_ids() {
    let by_name = HashMap::from([(MATCH_COLUMNS.to_owned(), "name".to_owned())]);
    let mut lake =
        Lake::new(Schema::new_with_metadata(vec![column(1, "id", DataType::Int64), column(2, "label", DataType::Utf8)], by_name));
    lake.add(&batch(vec![
        (column(2, "id", DataType::Int64), longs([1, 2])),
        (column(7, "label", DataType::Utf8), texts(["a", "b"])),
        (column(1, "other", DataType::Int64), longs([10, 20])),
    ]))
    .await;
    assert_eq!(lake.rows("select id, label from shop.orders where id > 1").await, ["2 b"]);
}

/// Times of day in a format that has none are read back from the integers that they are stored as.
#[tokio::test]
async fn times_stored_as_integers_are_times() {
    let mut lake =
        Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "opens", DataType::Time64(TimeUnit::Microsecond))]));
    lake.add(&batch(vec![
        (column(1, "id", DataType::Int64), longs([1, 2])),
        (column(2, "opens", DataType::Int64), longs([45_000_500_000, 0])),
    ]))
    .await;
    assert_eq!(lake.rows("select id, opens from shop.orders order by id").await, ["1 12:30:00.500", "2 00:00:00"]);
    assert_eq!(lake.rows("select id from shop.orders where opens > '12:00:00'").await, ["1"]);
}

#[tokio::test]
async fn files_without_ids_follow_the_tables_name_mapping() {
    let point = |x: Field| DataType::Struct(Fields::from(vec![x]));
    let table_list = DataType::List(Arc::new(column(6, "element", point(column(7, "y", DataType::Int64)))));
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(2, "label", DataType::Utf8),
        column(3, "point", point(column(4, "x", DataType::Int64))),
        column(5, "points", table_list),
    ]));
    let mapping = r#"[{"field-id": 1, "names": ["id", "key"]}, {"field-id": 2, "names": ["text"]},
        {"field-id": 3, "names": ["point"], "fields": [{"field-id": 4, "names": ["left"]}]},
        {"field-id": 5, "names": ["all"], "fields": [{"field-id": 6, "names": ["element"], "fields": [{"field-id": 7, "names": ["top"]}]}]}]"#;
    lake.state.properties.insert("schema.name-mapping.default".into(), mapping.into());
    let left = StructArray::from(vec![(Arc::new(without_id("left", DataType::Int64)), longs([9]))]);
    let tops = StructArray::from(vec![
        (Arc::new(without_id("top", DataType::Int64)), longs([5, 6])),
        (Arc::new(without_id("y", DataType::Int64)), longs([-1, -1])),
    ]);
    let item = Arc::new(without_id("item", tops.data_type().clone()));
    let all = ListArray::new(item.clone(), OffsetBuffer::from_lengths([2]), Arc::new(tops), None);
    lake.add(&batch(vec![
        (without_id("key", DataType::Int64), longs([1])),
        (without_id("text", DataType::Utf8), texts(["a"])),
        (without_id("label", DataType::Utf8), texts(["not mapped"])),
        (without_id("point", point(without_id("left", DataType::Int64))), Arc::new(left)),
        (without_id("all", DataType::List(item)), Arc::new(all)),
    ]))
    .await;
    assert_eq!(lake.rows("select id, label, point['x'], points from shop.orders").await, ["1 a 9 [{y: 5}, {y: 6}]"]);
}

#[tokio::test]
async fn lists_of_two_levels_as_old_writers_made_them_are_read() {
    use parquet::data_type::Int32Type as Int32Column;
    let message = "message m { optional group a (LIST) = 1 { repeated int32 array; } optional group b (LIST) = 2 { repeated group array { required int32 n = 3; } } }";
    let schema = parquet::schema::parser::parse_message_type(message).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for values in [[1, 2, 3], [4, 5, 6]] {
        let mut chunk = group.next_column().unwrap().unwrap();
        chunk.typed::<Int32Column>().write_batch(&values, Some(&[2, 2, 0, 1, 2]), Some(&[0, 1, 0, 0, 0])).unwrap();
        chunk.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();

    let list = |element: DataType| DataType::List(Arc::new(column(9, "element", element)));
    let pair = DataType::Struct(Fields::from(vec![column(3, "number", DataType::Int64)]));
    let mut lake = Lake::new(Schema::new(vec![column(1, "plain", list(DataType::Int64)), column(2, "pairs", list(pair))]));
    let (path, size_bytes) = lake.put_bytes("two-level.parquet", bytes).await;
    let file = lake.add(&batch(vec![(column(7, "x", DataType::Int64), longs([0, 0, 0, 0]))])).await;
    (file.path, file.size_bytes) = (path, size_bytes);
    let expected = ["[1, 2] [{number: 4}, {number: 5}]", "null null", "[] []", "[3] [{number: 6}]"];
    assert_eq!(lake.rows("select plain, pairs from shop.orders").await, expected);
}

#[tokio::test]
async fn fields_of_structs_and_elements_of_lists_are_found_by_id() {
    let table_item =
        Fields::from(vec![column(12, "sku", DataType::Utf8), column(13, "count", DataType::Int64), column(14, "added", DataType::Utf8)]);
    let table_list = DataType::List(Arc::new(column(11, "element", DataType::Struct(table_item))));
    let table_address = DataType::Struct(Fields::from(vec![column(21, "town", DataType::Utf8), column(22, "zip", DataType::Int64)]));
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(10, "items", table_list),
        column(20, "address", table_address),
    ]));

    let file_item =
        Fields::from(vec![column(13, "sku", DataType::Int32), column(99, "count", DataType::Utf8), column(12, "code", DataType::Utf8)]);
    let items = StructArray::new(
        file_item.clone(),
        vec![Arc::new(Int32Array::from(vec![1, 2, 3])), texts(["x", "x", "x"]), texts(["a", "b", "c"])],
        None,
    );
    let element = Arc::new(column(11, "item", DataType::Struct(file_item)));
    let nulls = vec![true, false, true, true].into();
    let list = ListArray::new(element.clone(), OffsetBuffer::from_lengths([2, 0, 0, 1]), Arc::new(items), Some(nulls));
    let file_address = Fields::from(vec![column(22, "town", DataType::Int32), column(21, "city", DataType::Utf8)]);
    let address = StructArray::new(
        file_address.clone(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)])),
            Arc::new(StringArray::from(vec![Some("A"), Some("B"), None, Some("D")])),
        ],
        Some(vec![true, true, true, false].into()),
    );
    lake.add(&batch(vec![
        (column(1, "id", DataType::Int64), longs([1, 2, 3, 4])),
        (column(10, "lines", DataType::List(element)), Arc::new(list)),
        (column(20, "place", DataType::Struct(file_address)), Arc::new(address)),
    ]))
    .await;
    let items = lake.rows("select id, items from shop.orders order by id").await;
    assert_eq!(
        items,
        ["1 [{sku: a, count: 1, added: null}, {sku: b, count: 2, added: null}]", "2 null", "3 []", "4 [{sku: c, count: 3, added: null}]"]
    );
    let addresses = lake.rows("select id, address from shop.orders order by id").await;
    assert_eq!(addresses, ["1 {town: A, zip: 1}", "2 {town: B, zip: null}", "3 {town: null, zip: 3}", "4 null"]);
    assert_eq!(lake.rows("select id, address['town'], address['zip'] from shop.orders where address['zip'] > 2").await, ["3 null 3"]);
    assert_eq!(lake.rows("select id from shop.orders where address['town'] = 'B'").await, ["2"]);
    assert_eq!(lake.rows("select id, items[1]['sku'] from shop.orders where items[1]['count'] = 3").await, ["4 c"]);
    assert_eq!(lake.rows("select id from shop.orders where address is null").await, ["4"]);
}

#[tokio::test]
async fn maps_are_read_with_promoted_values() {
    let entries = |key: &str, value: DataType| {
        let fields = Fields::from(vec![Field::new(key, DataType::Utf8, false), Field::new("value", value, true)]);
        Arc::new(Field::new("key_value", DataType::Struct(fields), false))
    };
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "id", DataType::Int64),
        column(2, "tags", DataType::Map(entries("key", DataType::Int64), false)),
    ]));
    let mut tags = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    tags.keys().append_value("a");
    tags.values().append_value(1);
    tags.append(true).unwrap();
    tags.append(false).unwrap();
    let tags = tags.finish();
    lake.add(&batch(vec![
        (column(1, "id", DataType::Int64), longs([1, 2])),
        (column(2, "labels", tags.data_type().clone()), Arc::new(tags)),
    ]))
    .await;
    assert_eq!(lake.rows("select id, tags from shop.orders order by id").await, ["1 {a: 1}", "2 null"]);
}

#[tokio::test]
async fn other_layouts_of_the_same_values_read_as_the_tables_type() {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = || DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    let mut lake = Lake::new(Schema::new(vec![
        column(1, "dictionary", DataType::Utf8),
        column(2, "large", DataType::Utf8),
        column(3, "viewed", DataType::Utf8),
        column(4, "seconds", micros()),
        column(5, "millis", utc()),
        column(6, "nanos", micros()),
        column(7, "date64", DataType::Date32),
        column(8, "time", DataType::Time64(TimeUnit::Microsecond)),
        column(9, "bytes", DataType::Binary),
        column(10, "list", list()),
        column(11, "short", DataType::Int32),
        column(12, "unannotated", DataType::Utf8),
    ]));
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    let mut large_list = LargeListBuilder::new(LargeStringBuilder::new());
    large_list.append_value([Some("p"), None]);
    large_list.append_null();
    large_list.append_value([Some("q")]);
    let large_list = large_list.finish();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(dictionary),
        Arc::new(LargeStringArray::from(vec!["x", "y", "z"])),
        Arc::new(StringViewArray::from(vec!["x", "a view that is longer than twelve bytes", "z"])),
        Arc::new(TimestampSecondArray::from(vec![0, 1, -1])),
        Arc::new(TimestampMillisecondArray::from(vec![0, 1, -1]).with_timezone("+02:00")),
        Arc::new(TimestampNanosecondArray::from(vec![0, 1_000, -1_000])),
        Arc::new(Date64Array::from(vec![0, 86_400_000, -86_400_000])),
        Arc::new(Time32MillisecondArray::from(vec![0, 1, 86_399_999])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([[0u8, 1], [2, 3], [255, 0]].into_iter()).unwrap()),
        Arc::new(large_list),
        Arc::new(Int16Array::from(vec![0, 1, -1])),
        Arc::new(BinaryArray::from_iter_values(["ä", "b", "c"])),
    ];
    let columns = lake
        .state
        .schema
        .fields()
        .iter()
        .zip(arrays)
        .map(|(field, array)| (field.as_ref().clone().with_data_type(array.data_type().clone()), array));
    lake.add(&batch(columns.collect())).await;
    let select = |columns: &str| format!("select {columns} from shop.orders order by short");
    assert_eq!(lake.rows(&select("dictionary, large, viewed")).await, ["a z z", "a x x", "b y a view that is longer than twelve bytes"]);
    assert_eq!(
        lake.rows(&select("seconds, millis, nanos")).await,
        [
            "1969-12-31T23:59:59 1969-12-31T23:59:59.999Z 1969-12-31T23:59:59.999999",
            "1970-01-01T00:00:00 1970-01-01T00:00:00Z 1970-01-01T00:00:00",
            "1970-01-01T00:00:01 1970-01-01T00:00:00.001Z 1970-01-01T00:00:00.000001",
        ]
    );
    assert_eq!(
        lake.rows(&select("date64, time, bytes")).await,
        ["1969-12-31 23:59:59.999 ff00", "1970-01-01 00:00:00 0001", "1970-01-02 00:00:00.001 0203"]
    );
    assert_eq!(lake.rows(&select("list, short, unannotated")).await, ["[q] -1 c", "[p, null] 0 ä", "null 1 b"]);
    for (filter, short) in [
        ("dictionary = 'b'", "1"),
        ("large = 'z'", "-1"),
        ("seconds < '1970-01-01'", "-1"),
        ("millis > '1970-01-01T00:00:00Z'", "1"),
        ("nanos = '1970-01-01T00:00:00.000001'", "1"),
        ("date64 = '1970-01-02'", "1"),
        ("unannotated = 'ä'", "0"),
        ("short < 0", "-1"),
    ] {
        assert_eq!(lake.rows(&format!("select short from shop.orders where {filter}")).await, [short], "{filter}");
    }
}

#[tokio::test]
async fn int96_timestamps_read_as_microseconds() {
    use parquet::data_type::{Int96, Int96Type};
    let schema = parquet::schema::parser::parse_message_type("message m { optional int96 at = 1; }").unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut at = group.next_column().unwrap().unwrap();
    // Nanoseconds of the day and Julian day: the epoch's second microsecond, and the year 1.
    let values = [Int96::from(vec![1_000, 0, 2_440_588]), Int96::from(vec![0, 0, 1_721_426])];
    at.typed::<Int96Type>().write_batch(&values, Some(&[1, 0, 1]), None).unwrap();
    at.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let mut lake = Lake::new(Schema::new(vec![column(1, "at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))]));
    let (path, size_bytes) = lake.put_bytes("int96.parquet", bytes).await;
    let file = lake.add(&batch(vec![(column(1, "at", DataType::Int64), longs([0, 0, 0]))])).await;
    (file.path, file.size_bytes) = (path, size_bytes);
    assert_eq!(
        lake.rows("select at from shop.orders order by at nulls first").await,
        ["null", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z"]
    );
}

#[tokio::test]
async fn a_column_of_a_type_that_the_table_never_had_is_an_error_and_not_a_cast() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64)]));
    lake.add(&batch(vec![(column(1, "id", DataType::Utf8), texts(["7"]))])).await;
    let error = waterline_engine::read::query(&lake.session(), "select id from shop.orders").await.unwrap().collect().await.unwrap_err();
    let error = waterline_engine::read::from_datafusion(error);
    assert_eq!(error.kind(), waterline_core::error::ErrorKind::Corrupt);
    let context: HashMap<_, _> = error.context().iter().cloned().collect();
    assert_eq!((context["field"].as_str(), context["file type"].as_str(), context["table type"].as_str()), ("id", "Utf8", "Int64"));
    assert_eq!(context["file"], lake.files[0].path);
}

#[tokio::test]
async fn wide_texts_and_rows_keep_their_values() {
    let wide = "ß".repeat(1 << 20);
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64), column(2, "text", DataType::Utf8)]));
    lake.add_with(
        &batch(vec![(column(1, "id", DataType::Int64), longs([1, 2])), (column(2, "text", DataType::Utf8), texts([wide.as_str(), ""]))]),
        WriterProperties::builder().set_dictionary_enabled(false).build(),
    )
    .await;
    assert_eq!(
        lake.rows("select id, character_length(text), octet_length(text) from shop.orders order by id").await,
        ["1 1048576 2097152", "2 0 0"]
    );
    assert_eq!(lake.rows(&format!("select id from shop.orders where text = '{wide}'")).await, ["1"]);
}

#[tokio::test]
async fn any_name_can_be_a_columns() {
    let names = ["a.b", "a", "#1", "#3", "select", "Größe \"x\"", " "];
    let fields: Vec<Field> = names.iter().zip(1..).map(|(name, id)| column(id, name, DataType::Int64)).collect();
    let mut lake = Lake::new(Schema::new(fields.clone()));
    let unknown = (column(99, "a", DataType::Int64), longs([-1]));
    let mut columns: Vec<_> = fields.into_iter().zip(1..).map(|(field, n)| (field.with_name("same"), longs([n]))).collect();
    columns.insert(1, unknown.clone());
    columns.insert(3, unknown);
    lake.add(&batch(columns)).await;
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    assert_eq!(lake.rows(&format!("select {} from shop.orders", quoted.join(", "))).await, ["1 2 3 4 5 6 7"]);
    for (name, n) in quoted.iter().zip(1..) {
        assert_eq!(lake.rows(&format!("select count(*) from shop.orders where {name} = {n}")).await, ["1"], "{name}");
    }
}

#[tokio::test]
async fn two_tables_of_other_ids_are_of_the_same_types_in_a_query() {
    let mut lake = Lake::new(Schema::new(vec![column(1, "a", DataType::Int64), column(2, "b", DataType::Int64)]));
    lake.add(&batch(vec![(column(1, "a", DataType::Int64), longs([1, 2])), (column(2, "b", DataType::Int64), longs([2, 3]))])).await;
    assert_eq!(lake.rows("select a from shop.orders union select b from shop.orders order by 1").await, ["1", "2", "3"]);
    assert_eq!(lake.rows("select coalesce(a, b), case when a = 1 then a else b end from shop.orders order by 1").await, ["1 1", "2 3"]);
}
