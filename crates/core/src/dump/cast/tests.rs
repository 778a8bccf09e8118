use arrow::array::*;
use arrow::datatypes::*;

use super::super::tests::{cell, table};
use super::*;

fn batch(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
}

fn cast(column: ArrayRef, declared: &str) -> Result<Vec<String>> {
    let schema = table(&format!("a {declared}"));
    let batch = cast_to_table(&batch(column), &schema)?;
    assert_eq!(batch.schema(), schema.to_arrow());
    Ok((0..batch.num_rows()).map(|row| cell(batch.column(0), row)).collect())
}

fn exact(column: impl Array + 'static, declared: &str) -> Vec<String> {
    cast(Arc::new(column), declared).unwrap()
}

fn refused(column: impl Array + 'static, declared: &str) -> String {
    cast(Arc::new(column), declared).unwrap_err().to_string()
}

#[test]
fn values_that_fit_are_kept_exactly() {
    assert_eq!(exact(Int8Array::from(vec![Some(-1), None]), "int"), ["-1", "\\N"]);
    assert_eq!(exact(Int64Array::from(vec![i64::from(i32::MAX)]), "int"), ["2147483647"]);
    assert_eq!(exact(UInt32Array::from(vec![u32::MAX]), "bigint"), ["4294967295"]);
    assert_eq!(exact(UInt64Array::from(vec![u64::MAX]), "numeric(20,0)"), ["18446744073709551615"]);
    assert_eq!(exact(Int32Array::from(vec![7]), "numeric(5,2)"), ["7.00"]);
    assert_eq!(exact(Float32Array::from(vec![0.5, f32::NAN]), "double precision"), ["0.5", "NaN"]);
    assert_eq!(exact(Float64Array::from(vec![0.5, f64::NAN, f64::INFINITY]), "real"), ["0.5", "NaN", "Infinity"]);
    let decimals = Decimal128Array::from(vec![1_500]).with_precision_and_scale(10, 3).unwrap();
    assert_eq!(exact(decimals.clone(), "numeric(5,1)"), ["1.5"]);
    let decimals = Decimal128Array::from(vec![7_000]).with_precision_and_scale(10, 3).unwrap();
    assert_eq!(exact(decimals, "bigint"), ["7"]);
    assert_eq!(exact(Date64Array::from(vec![86_400_000]), "date"), ["1970-01-02"]);
    assert_eq!(exact(Time32MillisecondArray::from(vec![1_500]), "time"), ["00:00:01.5"]);
    assert_eq!(exact(TimestampNanosecondArray::from(vec![-1_000]), "timestamp"), ["1969-12-31 23:59:59.999999"]);
    assert_eq!(exact(TimestampMillisecondArray::from(vec![5]).with_timezone("Asia/Tokyo"), "timestamptz"), ["1970-01-01 00:00:00.005+00"]);
    assert_eq!(exact(NullArray::new(2), "text"), ["\\N", "\\N"]);
}

#[test]
fn layouts_of_text_and_bytes_are_unpacked() {
    assert_eq!(exact(LargeStringArray::from(vec!["é"]), "text"), ["é"]);
    assert_eq!(
        exact(StringViewArray::from(vec![Some("a text longer than twelve bytes"), None]), "text"),
        ["a text longer than twelve bytes", "\\N"]
    );
    let dictionary: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    assert_eq!(exact(dictionary, "text"), ["a", "\\N", "a"]);
    assert_eq!(exact(LargeBinaryArray::from(vec![b"\xff".as_slice()]), "bytea"), ["\\xff"]);
    assert_eq!(exact(FixedSizeBinaryArray::try_from_iter([[1u8, 2]].into_iter()).unwrap(), "bytea"), ["\\x0102"]);
    let lists = LargeListArray::from_iter_primitive::<Int16Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    assert_eq!(exact(lists, "int[]"), ["{1,NULL}", "\\N"]);
}

#[test]
fn what_other_writers_make_of_declared_types_is_taken_back() {
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some((0u8..16).collect::<Vec<u8>>()), None].into_iter(), 16).unwrap();
    assert_eq!(exact(uuids, "uuid"), ["00010203-0405-0607-0809-0a0b0c0d0e0f", "\\N"]);
    let flag = crate::ddl::declared_field("a", "boolean", crate::ddl::SqlDialect::MySql).unwrap();
    let schema = TableSchema::new(vec![flag], vec![]).unwrap();
    let cast = cast_to_table(&batch(Arc::new(BooleanArray::from(vec![true, false]))), &schema).unwrap();
    assert_eq!((cell(cast.column(0), 0), cell(cast.column(0), 1)), ("1".into(), "0".into()));
}

#[test]
fn values_that_would_change_are_refused() {
    let message = "a column of the dump has a value that the table's type cannot hold exactly (field a, dump type Int64, table type Int32)";
    assert_eq!(refused(Int64Array::from(vec![1, 1 << 31]), "int"), message);
    for error in [
        refused(UInt64Array::from(vec![u64::MAX]), "bigint"),
        refused(Float64Array::from(vec![0.1]), "real"),
        refused(Decimal128Array::from(vec![1_501]).with_precision_and_scale(10, 3).unwrap(), "numeric(5,2)"),
        refused(Decimal128Array::from(vec![7_001]).with_precision_and_scale(10, 3).unwrap(), "int"),
        refused(Date64Array::from(vec![86_400_001]), "date"),
        refused(Time64NanosecondArray::from(vec![1_001]), "time"),
        refused(TimestampNanosecondArray::from(vec![1]), "timestamp"),
        refused(TimestampSecondArray::from(vec![i64::MAX / 1_000]), "timestamp"),
    ] {
        assert!(error.contains("cannot hold exactly (field a"), "{error}");
    }
}

#[test]
fn types_that_mean_something_else_are_refused() {
    let message = "a column of the dump has a type that the table cannot take (field a, dump type Utf8, table type Int32)";
    assert_eq!(refused(StringArray::from(vec!["1"]), "int"), message);
    for error in [
        refused(Int32Array::from(vec![1]), "text"),
        refused(Int32Array::from(vec![1]), "double precision"),
        refused(Float64Array::from(vec![1.0]), "int"),
        refused(TimestampMicrosecondArray::from(vec![1]), "timestamptz"),
        refused(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"), "timestamp"),
        refused(Date32Array::from(vec![1]), "timestamp"),
        refused(BooleanArray::from(vec![true]), "int"),
    ] {
        assert!(error.contains("a type that the table cannot take (field a"), "{error}");
    }
}

#[test]
fn columns_go_by_name() {
    let one: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let cast = cast_to_table(&batch(one.clone()), &table("b text, a int")).unwrap();
    assert_eq!((cell(cast.column(0), 0), cell(cast.column(1), 0)), ("\\N".into(), "1".into()));
    let error = cast_to_table(&batch(one.clone()), &table("b text")).unwrap_err();
    assert!(error.to_string().contains("a column that the table lacks"), "{error}");
    let error = cast_to_table(&batch(one), &table("a int, b int PRIMARY KEY")).unwrap_err();
    assert_eq!(error.to_string(), "a column of the key is null or absent (field b)");
}

#[test]
fn structs_are_cast_member_by_member() {
    let members = |value: i64| -> ArrayRef {
        let text: ArrayRef = Arc::new(StringViewArray::from(vec!["x"]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        Arc::new(StructArray::try_from(vec![("t", text), ("n", number)]).unwrap())
    };
    let fields = vec![Field::new("t", DataType::Utf8, true), Field::new("n", DataType::Int32, true)];
    let schema = TableSchema::new(vec![Arc::new(Field::new("a", DataType::Struct(fields.into()), true))], vec![]).unwrap();
    let cast = cast_to_table(&batch(members(5)), &schema).unwrap();
    let found = cast.column(0).as_struct();
    assert_eq!((cell(found.column(0), 0), cell(found.column(1), 0)), ("x".into(), "5".into()));
    assert!(cast_to_table(&batch(members(1 << 40)), &schema).unwrap_err().to_string().contains("cannot hold exactly"));
}

#[test]
fn a_file_schema_becomes_canonical() {
    let text = |name: &str| Field::new(name, DataType::Utf8View, false);
    let schema = Schema::new(vec![
        Field::new("i", DataType::UInt16, false),
        Field::new("u", DataType::UInt64, true),
        Field::new("s", DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8)), true),
        Field::new("t", DataType::Timestamp(TimeUnit::Nanosecond, Some("Asia/Tokyo".into())), true),
        Field::new("l", DataType::LargeList(Arc::new(text("item"))), true),
        Field::new("o", DataType::Struct(vec![text("x")].into()), true),
        Field::new("d", DataType::Decimal128(5, -2), true),
    ]);
    let fields = schema_from_arrow(&schema).unwrap();
    let types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(
        types,
        [
            DataType::Int32,
            DataType::Decimal128(20, 0),
            DataType::Utf8,
            timestamp_utc(),
            list_of(DataType::Utf8),
            DataType::Struct(vec![Field::new("x", DataType::Utf8, true)].into()),
            DataType::Decimal128(7, 0),
        ]
    );
    assert!(fields.iter().all(|field| field.is_nullable()));
    let error = schema_from_arrow(&Schema::new(vec![Field::new("m", DataType::Interval(IntervalUnit::MonthDayNano), true)])).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Unsupported);
}
