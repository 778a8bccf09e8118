//! The dumps of the fixtures, value by value.

use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::*;
use crate::ddl::{Ddl, SqlDialect, parse_ddl};
use crate::error::Result;
use crate::schema::TableSchema;
use crate::table::TableName;
use crate::text::{Zone, format_date, format_decimal, format_time, format_timestamp};

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn ddl(path: &str) -> Ddl {
    parse_ddl(&std::fs::read_to_string(fixtures().join(path)).unwrap(), SqlDialect::Postgres).unwrap()
}

/// A table with the columns of a DDL text.
pub(super) fn table(columns: &str) -> TableSchema {
    let ddl = parse_ddl(&format!("CREATE TABLE t ({columns})"), SqlDialect::Postgres).unwrap();
    ddl.table(&"public.t".parse().unwrap()).unwrap().clone()
}

pub(super) fn postgres_csv() -> CsvOptions {
    CsvOptions { null: "\\N".into(), ..CsvOptions::default() }
}

/// All rows, decoded from chunks of this many bytes.
pub(super) fn decode_all(decoder: &mut dyn DumpDecoder, bytes: &[u8], chunk_bytes: usize) -> Result<Option<RecordBatch>> {
    let mut batches = Vec::new();
    for chunk in bytes.chunks(chunk_bytes.max(1)) {
        batches.extend(decoder.decode(chunk)?);
    }
    batches.extend(decoder.finish()?);
    let Some(first) = batches.first() else { return Ok(None) };
    Ok(Some(concat_batches(&first.schema(), &batches).unwrap()))
}

/// A cell in PostgreSQL's notation; `\N` is null.
pub(super) fn cell(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "\\N".into();
    }
    match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "t" } else { "f" }.into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string().replace("inf", "Infinity"),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string().replace("inf", "Infinity"),
        DataType::Decimal128(_, scale) => format_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => array.as_binary::<i32>().value(row).iter().fold("\\x".into(), |text, byte| format!("{text}{byte:02x}")),
        DataType::Date32 => format_date(array.as_primitive::<Date32Type>().value(row)).to_string(),
        DataType::Time64(_) => format_time(array.as_primitive::<Time64MicrosecondType>().value(row)).to_string(),
        DataType::Timestamp(_, zone) => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let zone = if zone.is_some() { Zone::Utc } else { Zone::Local };
            format_timestamp(value, zone).to_string().replace('T', " ").replace('Z', "+00")
        }
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            let cells: Vec<String> = (0..elements.len()).map(|at| cell(&elements, at).replace("\\N", "NULL")).collect();
            format!("{{{}}}", cells.join(","))
        }
        other => panic!("no notation for {other}"),
    }
}

pub(super) fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| cell(column, row)).collect()).collect()
}

/// The fields of a file without quotes.
fn plain_fields(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn every_moment_of_tpcc_reads_back_as_it_was_written() {
    let ddl = ddl("tpcc/ddl.sql");
    let mut files = 0;
    for moment in 0..6 {
        for (name, schema) in ddl.tables() {
            let path = fixtures().join(format!("tpcc/moment-{moment:02}/{}.csv.gz", name.name()));
            let mut text = String::new();
            flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
            let batch = decode_all(&mut CsvDecoder::new(schema, &postgres_csv()).unwrap(), text.as_bytes(), 8_192).unwrap();
            let mut expected = plain_fields(&text);
            let header = expected.remove(0);
            assert_eq!(header, schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>());
            assert_eq!(batch.as_ref().map(rows).unwrap_or_default(), expected, "{name} at moment {moment}");
            files += 1;
        }
    }
    assert_eq!(files, 54);
}

#[test]
fn every_final_table_of_debezium_reads_back_as_it_was_written() {
    let script = ["ddl.sql", "workload.sql"].map(|file| std::fs::read_to_string(fixtures().join("debezium/postgres").join(file)).unwrap());
    let ddl = parse_ddl(&script.join(";\n"), SqlDialect::Postgres).unwrap();
    for (name, schema) in ddl.tables() {
        let file = if name.name().starts_with("Weird") { "_Weird_Table-1_" } else { name.name() };
        let text = std::fs::read_to_string(fixtures().join(format!("debezium/postgres/final/{file}.csv"))).unwrap();
        let mut options = postgres_csv();
        options.general.except_columns = ddl.computed_columns(name).to_vec();
        let batch = decode_all(&mut CsvDecoder::new(schema, &options).unwrap(), text.as_bytes(), 100).unwrap();
        let mut expected = plain_fields(&text);
        let header = expected.remove(0);
        let skipped = header.iter().position(|name| name == "c_gen");
        for row in &mut expected {
            skipped.map(|at| row.remove(at));
        }
        assert_eq!(batch.as_ref().map(rows).unwrap_or_default(), expected, "{name}");
    }
}

#[test]
fn infinite_and_early_values_of_debezium_are_exact() {
    let ddl = ddl("debezium/postgres/ddl.sql");
    let name: TableName = "shop.all_types".parse().unwrap();
    let text = std::fs::read(fixtures().join("debezium/postgres/final/all_types.csv")).unwrap();
    let mut options = postgres_csv();
    options.general.except_columns = ddl.computed_columns(&name).to_vec();
    let batch = decode_all(&mut CsvDecoder::new(ddl.table(&name).unwrap(), &options).unwrap(), &text, text.len()).unwrap().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let dates: Vec<Option<i32>> = column("c_date").as_primitive::<Date32Type>().iter().collect();
    assert_eq!(dates, [None, Some(-719_162), Some(2_932_896), Some(i32::MAX), Some(-735_160), None]);
    let local: Vec<Option<i64>> = column("c_ts").as_primitive::<TimestampMicrosecondType>().iter().collect();
    let expected = [1_772_368_496_500_000, -1, 253_402_300_799_999_999, i64::MAX, -63_517_780_800_000_000];
    assert_eq!(local, expected.into_iter().map(Some).chain([None]).collect::<Vec<_>>());
    let moments: Vec<Option<i64>> = column("c_tstz").as_primitive::<TimestampMicrosecondType>().iter().collect();
    assert_eq!(moments, [None, Some(-2_208_988_800_000_000), Some(253_402_300_799_999_999), Some(-i64::MAX), None, None]);
    assert_eq!(column("c_time").as_primitive::<Time64MicrosecondType>().value(1), 86_400_000_000);
    assert!(column("c_f4").as_primitive::<Float32Type>().value(1).is_nan());
    assert_eq!(column("c_f8").as_primitive::<Float64Type>().value(2), f64::NEG_INFINITY);
    assert_eq!(column("c_num").as_string::<i32>().value(5), "NaN");
    assert_eq!((column("c_text").is_null(0), column("c_text").as_string::<i32>().value(1)), (true, ""));
}
