use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use proptest::prelude::*;

use super::super::DumpOptions;
use super::super::tests::{decode_all, postgres_csv, rows, table};
use super::*;

fn read_with(columns: &str, options: &CsvOptions, text: &str) -> Vec<Vec<String>> {
    let batch = decode_all(&mut CsvDecoder::new(&table(columns), options).unwrap(), text.as_bytes(), 7).unwrap();
    batch.as_ref().map(rows).unwrap_or_default()
}

fn read(columns: &str, text: &str) -> Vec<Vec<String>> {
    read_with(columns, &postgres_csv(), text)
}

fn failure_with(columns: &str, options: &CsvOptions, bytes: &[u8]) -> String {
    let error = decode_all(&mut CsvDecoder::new(&table(columns), options).unwrap(), bytes, 7).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::BadInput);
    error.to_string()
}

fn failure(columns: &str, text: &str) -> String {
    failure_with(columns, &postgres_csv(), text.as_bytes())
}

#[test]
fn only_a_field_without_quotes_is_null() {
    assert_eq!(read("a text, b text", "a,b\n\\N,\"\\N\"\n"), [["\\N", "\\N"]]);
    let batch =
        decode_all(&mut CsvDecoder::new(&table("a text, b text"), &postgres_csv()).unwrap(), b"a,b\n\\N,\"\\N\"\n", 1).unwrap().unwrap();
    assert_eq!((batch.column(0).null_count(), batch.column(1).null_count()), (1, 0));
    let empty = CsvOptions::default();
    let batch = decode_all(&mut CsvDecoder::new(&table("a text, b text"), &empty).unwrap(), b"a,b\n,\"\"\n", 1).unwrap().unwrap();
    assert_eq!((batch.column(0).null_count(), batch.column(1).as_string::<i32>().value(0)), (1, ""));
}

#[test]
fn quotes_hold_delimiters_lines_and_quotes() {
    let text = "a,b\n\"x,\"\"y\"\"\nz\",\"\"\"\"\r\n\"é\r\n\",\"\"\"a\"\r\nlast,line";
    assert_eq!(read("a text, b text", text), [["x,\"y\"\nz", "\""], ["é\r\n", "\"a"], ["last", "line"]]);
}

#[test]
fn an_escape_of_its_own_guards_quotes_and_itself() {
    let options = CsvOptions { escape: b'\\', quote: b'\'', delimiter: b';', ..CsvOptions::default() };
    let text = "a;b\n'it\\'s\\\\';'\\n;'\n'';'\\\\'\n";
    assert_eq!(read_with("a text, b text", &options, text), [["it's\\", "\\n;"], ["", "\\"]]);
}

#[test]
fn columns_go_by_the_header() {
    assert_eq!(read("a int, b text, c date", "\u{feff}c,a\n2026-02-28,1\n\\N,2\n"), [["1", "\\N", "2026-02-28"], ["2", "\\N", "\\N"]]);
    let options = CsvOptions { header: Header::Absent, ..postgres_csv() };
    assert_eq!(read_with("a int, b text", &options, "1,x\n2,y\n"), [["1", "x"], ["2", "y"]]);
    let general = DumpOptions { except_columns: vec!["x".into()], ..DumpOptions::default() };
    assert_eq!(read_with("a int", &CsvOptions { general, ..postgres_csv() }, "x,a\nfoo,1\n"), [["1"]]);
}

#[test]
fn every_type_reads_postgres_notation() {
    let columns = "b boolean, i int, l bigint, f real, d double precision, n numeric(12,2), m money, x bytea, bits bit(10), v varbit, \
                   da date, ti time, ts timestamp, tz timestamptz, ia int[], ta text[], xa bytea[], fa boolean[]";
    let header = "b,i,l,f,d,n,m,x,bits,v,da,ti,ts,tz,ia,ta,xa,fa\n";
    let row = "t,-5,5.0,1.5,-Infinity,-0.01,\"-$1,234.56\",\\x00FF,1010101011,0000000000000101,0044-03-15 BC,24:00:00,infinity,2026-11-21 01:49:24.5+05:30,\
               \"{1,NULL,3}\",\"{a,\"\"b,\\\"\"c\"\",\"\"NULL\"\",null}\",\"{\"\"\\\\x01\"\"}\",\"[0:1]={t,f}\"\n";
    let expected = [
        "t",
        "-5",
        "5",
        "1.5",
        "-Infinity",
        "-0.01",
        "-1234.56",
        "\\x00ff",
        "\\xab02",
        "\\x05",
        "0044-03-15 BC",
        "24:00:00",
        "infinity",
        "2026-11-20 20:19:24.5+00",
        "{1,NULL,3}",
        "{a,b,\"c,NULL,NULL}",
        "{\\x01}",
        "{t,f}",
    ];
    assert_eq!(read(columns, &format!("{header}{row}")), [expected]);
}

#[test]
fn a_timezone_dates_timestamps_without_offset() {
    let general = DumpOptions { timezone: Some(chrono_tz::Asia::Tokyo), ..DumpOptions::default() };
    let options = CsvOptions { general, ..postgres_csv() };
    let text = b"a\n2026-11-21 10:49:24\n2026-11-21 01:49:24Z\n";
    let batch = decode_all(&mut CsvDecoder::new(&table("a timestamptz"), &options).unwrap(), text, 9).unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().values(), &[1_795_225_764_000_000; 2]);
}

#[test]
fn batches_are_bounded_and_in_order() {
    let text: String = std::iter::once("a\n".to_owned()).chain((0..150_000).map(|i| format!("{i}\n"))).collect();
    let mut decoder = CsvDecoder::new(&table("a int"), &postgres_csv()).unwrap();
    let mut batches = decoder.decode(text.as_bytes()).unwrap();
    batches.extend(decoder.finish().unwrap());
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [65_536, 65_536, 18_928]);
    let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec());
    assert!(values.eq(0..150_000));
}

#[test]
fn a_decoder_reads_one_file_after_another() {
    let mut decoder = CsvDecoder::new(&table("a int"), &postgres_csv()).unwrap();
    for text in ["a\n1", "a\n2\n"] {
        assert_eq!(decoder.decode(text.as_bytes()).unwrap().len(), 0);
        assert_eq!(decoder.finish().unwrap().unwrap().num_rows(), 1);
    }
    let error = decode_all(&mut decoder, b"a\nx", 10).unwrap_err();
    assert!(error.to_string().contains("record 1, line 2"), "{error}");
}

#[test]
fn bad_records_are_named_by_place_and_never_by_value() {
    for (columns, text, message) in [
        ("a int", "a\n1\nsecret\n", "not an integer of the column's width (record 2, line 3, field a, type Int32)"),
        ("a int", "a\n2147483648\n", "not an integer of the column's width (record 1, line 2, field a, type Int32)"),
        ("a int", "a\n1.5\n", "not an integer of the column's width (record 1, line 2, field a, type Int32)"),
        (
            "a text, b numeric(5,2)",
            "a,b\n\"x\ny\",1\nz,NaN\n",
            "not a decimal of the column's precision and scale (record 2, line 4, field b, type Decimal128(5, 2))",
        ),
        (
            "a numeric(5,2)",
            "a\n1.005\n",
            "not a decimal of the column's precision and scale (record 1, line 2, field a, type Decimal128(5, 2))",
        ),
        ("a real", "a\n1e40\n", "a number too large for the column (record 1, line 2, field a, type Float32)"),
        ("a boolean", "a\nyes\n", "not a boolean (record 1, line 2, field a, type Boolean)"),
        ("a date", "a\n2026-02-29\n", "not a date (record 1, line 2, field a, type Date32)"),
        ("a time", "a\n25:00:00\n", "not a time of day (record 1, line 2, field a, type Time64(µs))"),
        (
            "a timestamp",
            "a\n2026-01-01 00:00:00Z\n",
            "a timestamp with an offset, but the column has no time zone (record 1, line 2, field a, type Timestamp(µs))",
        ),
        (
            "a timestamptz",
            "a\n2026-01-01 00:00:00\n",
            "a timestamp without an offset from UTC; --timezone says whose clock it is (record 1, line 2, field a, type Timestamp(µs, \"UTC\"))",
        ),
        ("a bytea", "a\n\\x0\n", "an odd or other than hexadecimal digit (record 1, line 2, field a, type Binary)"),
        ("a bit(8)", "a\n12\n", "not a string of bits (record 1, line 2, field a, type Binary)"),
        (
            "a int[]",
            "a\n\"{1,{2}}\"\n",
            "an array of more than one dimension (record 1, line 2, field a, type List(Int32, field: 'element'))",
        ),
        ("a int[]", "a\n\"{1,\"\n", "not an array (record 1, line 2, field a, type List(Int32, field: 'element'))"),
        ("a text[]", "a\n\"{a,}\"\n", "not an array (record 1, line 2, field a, type List(Utf8, field: 'element'))"),
        ("a int, b text", "a,b\n1\n", "the record lacks fields (record 1, line 2, field b, type Utf8)"),
        ("a int, b text", "a,b\n1,x,y\n", "the record has more fields than there are columns (record 1, line 2)"),
        ("a int PRIMARY KEY", "a\n\\N\n", "a column of the key is null or absent (record 1, line 2, field a)"),
        ("a int PRIMARY KEY, b text", "b\nx\n", "a column of the key is null or absent (record 1, line 2, field a)"),
        ("a text", "a\nx\n5\" pipe\n", "a quote in a field that is not in quotes (record 2, line 3)"),
        ("a text", "a\n\"x\"y\n", "a field that goes on after its closing quote (record 1, line 2, field a, type Utf8)"),
        ("a text", "a\nx\n\"open\n\n", "the file ends inside of quotes (record 2, line 3)"),
        ("a text", "", "the file has no header"),
        ("a text", "\"a", "the file ends inside of quotes (line 1)"),
        ("a text", "a,a\n", "the header names a column twice (line 1, field a)"),
        (
            "a text",
            "a,b\n",
            "the dump has a column that the table lacks; declare it, or leave it out with except_columns (field b, line 1)",
        ),
    ] {
        assert_eq!(failure(columns, text), message, "{text:?}");
    }
    assert_eq!(failure_with("a text, b text", &postgres_csv(), b"a,b\nx,\xff\n"), "not UTF-8 (record 1, line 2, field b, type Utf8)");
}

#[test]
fn marks_must_be_distinct_and_ascii() {
    for options in [
        CsvOptions { delimiter: b'"', ..CsvOptions::default() },
        CsvOptions { delimiter: b'\n', ..CsvOptions::default() },
        CsvOptions { quote: 0xe9, ..CsvOptions::default() },
        CsvOptions { escape: b',', ..CsvOptions::default() },
    ] {
        let error = CsvDecoder::new(&table("a text"), &options).err().unwrap();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
    }
}

/// As PostgreSQL writes a field: in quotes when it must be, or always.
fn written(field: Option<&str>, quotes: bool, escape: char) -> String {
    let Some(field) = field else { return "\\N".into() };
    let needs_quotes = quotes || field == "\\N" || field.contains(['"', ',', '\n', '\r', escape]);
    let escaped: String =
        field.chars().flat_map(|char| (char == '"' || char == escape).then_some(escape).into_iter().chain([char])).collect();
    if needs_quotes { format!("\"{escaped}\"") } else { field.into() }
}

proptest! {
    #[test]
    fn any_chunks_give_the_rows_that_were_written(
        rows in prop::collection::vec((prop::option::of("[a\"\\\\,\n\ré🦀N]{0,6}"), prop::option::of("[a\"\\\\,\n\ré🦀N]{0,6}"), any::<bool>()), 0..40),
        chunk_bytes in 1usize..20,
        with_backslash in any::<bool>(),
    ) {
        let escape = if with_backslash { '\\' } else { '"' };
        let options = CsvOptions { escape: escape as u8, ..postgres_csv() };
        let mut text = String::from("a,b\n");
        for (a, b, quotes) in &rows {
            text.push_str(&format!("{},{}\n", written(a.as_deref(), *quotes, escape), written(b.as_deref(), *quotes, escape)));
        }
        let batch = decode_all(&mut CsvDecoder::new(&table("a text, b text"), &options).unwrap(), text.as_bytes(), chunk_bytes).unwrap();
        let read: Vec<(Option<String>, Option<String>)> = batch.iter().flat_map(|batch| {
            let column = |at: usize| batch.column(at).as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>();
            column(0).into_iter().zip(column(1))
        }).collect();
        let expected: Vec<_> = rows.into_iter().map(|(a, b, _)| (a, b)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn chunks_around_a_buffer_size_make_no_difference(rows in 0usize..3_000, chunk_bytes in prop::sample::select(vec![1usize, 8_191, 8_192, 8_193])) {
        let body: String = (0..rows).map(|i| format!("{i},\"multi\nline \"\"{i}\"\"\"\r\n")).collect();
        let text = format!("a,b\n{body}");
        let mut decoder = CsvDecoder::new(&table("a int, b text"), &postgres_csv()).unwrap();
        let batch = decode_all(&mut decoder, text.as_bytes(), chunk_bytes).unwrap();
        let expected: Vec<Vec<String>> = (0..rows).map(|i| vec![i.to_string(), format!("multi\nline \"{i}\"")]).collect();
        prop_assert_eq!(batch.as_ref().map(super::super::tests::rows).unwrap_or_default(), expected);
    }

    #[test]
    fn random_bytes_never_panic_and_fail_the_same_in_any_chunks(bytes in prop::collection::vec(prop::sample::select(b"ab\",\\\n\r{}1.-\xff:NT".to_vec()), 0..200), chunk_bytes in 1usize..9) {
        let columns = "a text, b int[], c timestamptz, d numeric(5,2), e bytea, f text[]";
        let options = CsvOptions { header: Header::Absent, ..postgres_csv() };
        let outcome = |chunk_bytes| decode_all(&mut CsvDecoder::new(&table(columns), &options).unwrap(), &bytes, chunk_bytes).map_err(|e| e.to_string());
        prop_assert_eq!(outcome(chunk_bytes), outcome(bytes.len()));
    }
}
