use arrow::datatypes::DataType::{self, *};
use proptest::prelude::*;

use super::super::tests::{decode_all, rows, table};
use super::super::{DumpFormat, infer_csv_schema, infer_json_schema};
use super::*;
use crate::dump::{CsvOptions, Header};
use crate::schema::list_of;

fn read(columns: &str, text: &str) -> Vec<Vec<String>> {
    let mut decoder = JsonLinesDecoder::new(&table(columns), &DumpOptions::default()).unwrap();
    let batch = decode_all(&mut decoder, text.as_bytes(), 5).unwrap();
    batch.as_ref().map(rows).unwrap_or_default()
}

fn failure(columns: &str, text: &[u8]) -> String {
    let mut decoder = JsonLinesDecoder::new(&table(columns), &DumpOptions::default()).unwrap();
    decode_all(&mut decoder, text, 5).unwrap_err().to_string()
}

fn inferred(text: &str) -> Vec<(String, DataType)> {
    infer_json_schema(text.as_bytes()).unwrap().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

#[test]
fn members_fill_columns_by_name() {
    let text = "{\"a\":1,\"b\":\"x\"}\n\n  {\"b\" : null}\r\n{\"b\":\"\\u00e9\\n\",\"a\":-3}\n{}";
    assert_eq!(read("a int, b text", text), [["1", "x"], ["\\N", "\\N"], ["-3", "é\n"], ["\\N", "\\N"]]);
}

#[test]
fn values_are_exact_as_numbers_and_as_text() {
    let columns = "b boolean, i int, l bigint, f real, d double precision, n numeric(38,9), x bytea, da date, ts timestamptz, ia int[], ta text[], j jsonb";
    let numbers = r#"{"b":true,"i":5.0,"l":9223372036854775807,"f":0.1,"d":1e300,"n":-12345678901234567890123456789.123456789,"x":"/xA=","da":"2026-02-28","ts":"2026-11-21T01:49:24Z","ia":[1,null,-3],"ta":["a","\"",null],"j":{"b": 1,  "a":[2.50]}}"#;
    let strings = r#"{"b":"f","i":"5","l":"-1","f":"NaN","d":"-Infinity","n":"0.000000001","x":"\\xff10","da":"0044-03-15 BC","ts":"infinity","ia":"{1,NULL}","ta":"{\"a,b\"}","j":"[1]"}"#;
    assert_eq!(
        read(columns, &format!("{numbers}\n{strings}\n")),
        [
            [
                "t",
                "5",
                "9223372036854775807",
                "0.1",
                &1e300f64.to_string(),
                "-12345678901234567890123456789.123456789",
                "\\xff10",
                "2026-02-28",
                "2026-11-21 01:49:24+00",
                "{1,NULL,-3}",
                "{a,\",NULL}",
                "{\"b\": 1,  \"a\":[2.50]}",
            ],
            ["f", "5", "-1", "NaN", "-Infinity", "0.000000001", "\\xff10", "0044-03-15 BC", "infinity", "{1,NULL}", "{a,b}", "[1]"],
        ]
    );
}

#[test]
fn bad_lines_are_named_by_place_and_never_by_value() {
    for (columns, text, message) in [
        ("a int", "{\"a\":1}\n\n{\"a\":\"secret\"}", "not an integer of the column's width (record 2, line 3, field a, type Int32)"),
        ("a int", "{\"a\":true}", "not an integer of the column's width (record 1, line 1, field a, type Int32)"),
        ("a int", "{\"a\":{}}", "not an integer of the column's width (record 1, line 1, field a, type Int32)"),
        ("a date", "{\"a\":20512}", "not a date (record 1, line 1, field a, type Date32)"),
        (
            "a int[]",
            "{\"a\":[1,\"x\"]}",
            "not an integer of the column's width (record 1, line 1, field a, type List(Int32, field: 'element'))",
        ),
        (
            "a int[]",
            "{\"a\":[[1]]}",
            "not an integer of the column's width (record 1, line 1, field a, type List(Int32, field: 'element'))",
        ),
        ("a int", "{\"a\":1,\"a\":2}", "the field comes twice (record 1, line 1, field a, type Int32)"),
        ("a text", "{\"a\":\"\\ud800\"}", "not a string of Unicode (record 1, line 1, field a, type Utf8)"),
        ("a int PRIMARY KEY", "{\"a\":null}", "a column of the key is null or absent (record 1, line 1, field a)"),
        (
            "a int",
            "{\"a\":1,\"b\":2}",
            "the dump has a column that the table lacks; declare it, or leave it out with except_columns (field b, record 1, line 1)",
        ),
        ("a int", "{\"a\":1}{\"a\":2}", "the record is not one JSON object (record 1, line 1, column 8)"),
        ("a int", "{\"a\":1}\n[1]", "the record is not one JSON object (record 2, line 2, column 0)"),
        ("a int", "{\"a\":1", "the record is not one JSON object (record 1, line 1, column 6)"),
        ("a int", "{\"a\":secret}", "the record is not one JSON object (record 1, line 1, column 6)"),
    ] {
        assert_eq!(failure(columns, text.as_bytes()), message, "{text}");
    }
    assert_eq!(failure("a text", b"{\"a\":\"\xff\"}"), "the record is not UTF-8 (record 1, line 1)");
}

#[test]
fn types_are_inferred_from_what_all_lines_have_in_common() {
    let text = concat!(
        "{\"i\":1,\"f\":1,\"big\":9007199254740993,\"mixed\":9007199254740993,\"s\":\"x\",\"b\":true,\"l\":[1],\"n\":null,\"o\":{\"a\":1},\"huge\":18446744073709551615}\n",
        "\n{\"i\":-2,\"f\":2.5,\"big\":1,\"mixed\":0.5,\"s\":null,\"b\":null,\"l\":[null,2.5],\"late\":\"2026-01-01\",\"any\":1}\n",
        "{\"any\":\"x\",\"nested\":[[1]],\"empty\":[]}\n",
        "{\"cut\":1"
    );
    let expected: Vec<(&str, DataType)> = vec![
        ("i", Int64),
        ("f", Float64),
        ("big", Int64),
        ("mixed", Utf8),
        ("s", Utf8),
        ("b", Boolean),
        ("l", list_of(Float64)),
        ("n", Utf8),
        ("o", Utf8),
        ("huge", Utf8),
        ("late", Utf8),
        ("any", Utf8),
        ("nested", Utf8),
        ("empty", list_of(Utf8)),
    ];
    assert_eq!(inferred(text), expected.into_iter().map(|(name, data_type)| (name.to_owned(), data_type)).collect::<Vec<_>>());
    assert_eq!(inferred("{\"a\":1}"), [("a".to_owned(), Int64)]);
    let error = infer_json_schema(b"{\"a\":1}\nsecret\n").unwrap_err().to_string();
    assert_eq!(error, "the record is not one JSON object (line 2, column 1)");
}

#[test]
fn csv_without_declared_types_is_text() {
    let names = |text: &[u8]| {
        infer_csv_schema(text, &CsvOptions::default())
            .unwrap()
            .iter()
            .map(|f| (f.name().clone(), f.data_type().clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(b"\xef\xbb\xbfa,\"b\nc\"\r\n1,2\n"), [("a".to_owned(), Utf8), ("b\nc".to_owned(), Utf8)]);
    assert_eq!(names(b"a"), [("a".to_owned(), Utf8)]);
    assert!(infer_csv_schema(b"\"a", &CsvOptions::default()).is_err());
    let without_header = CsvOptions { header: Header::Absent, ..CsvOptions::default() };
    assert_eq!(infer_csv_schema(b"1,2\n", &without_header).unwrap_err().kind(), crate::error::ErrorKind::Usage);
}

#[test]
fn formats_compare_by_their_options() {
    assert_ne!(DumpFormat::Csv(CsvOptions::default()), DumpFormat::JsonLines(DumpOptions::default()));
}

proptest! {
    #[test]
    fn any_chunks_give_the_rows_that_were_written(values in prop::collection::vec((any::<i64>(), prop::option::of(any::<String>())), 0..30), chunk_bytes in 1usize..20) {
        let text: String = values.iter().map(|(a, b)| format!("{}\n", serde_json::json!({"a": a, "b": b}))).collect();
        let mut decoder = JsonLinesDecoder::new(&table("a bigint, b text"), &DumpOptions::default()).unwrap();
        let batch = decode_all(&mut decoder, text.as_bytes(), chunk_bytes).unwrap();
        let expected: Vec<Vec<String>> = values.iter().map(|(a, b)| vec![a.to_string(), b.clone().unwrap_or("\\N".into())]).collect();
        prop_assert_eq!(batch.as_ref().map(rows).unwrap_or_default(), expected);
    }

    #[test]
    fn random_bytes_never_panic_and_fail_the_same_in_any_chunks(bytes in prop::collection::vec(prop::sample::select(b"{}[]\"ab:,1.-e\\\nnulltruefas\xff ".to_vec()), 0..120), chunk_bytes in 1usize..9) {
        let outcome = |chunk_bytes| {
            let mut decoder = JsonLinesDecoder::new(&table("a int[], b text, ab numeric(5,2)"), &DumpOptions::default()).unwrap();
            decode_all(&mut decoder, &bytes, chunk_bytes).map_err(|e| e.to_string())
        };
        prop_assert_eq!(outcome(chunk_bytes), outcome(bytes.len()));
        let _ = infer_json_schema(&bytes);
    }
}
