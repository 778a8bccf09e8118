use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationSecondArray, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray, MapBuilder, NullArray, StringArray, StringBuilder,
    StringViewArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Fields, Int32Type, i256};

use super::*;

/// Each row as text (`None` for a null) and as JSON.
fn shown(array: impl Array + 'static) -> Vec<(Option<String>, String)> {
    let array: ArrayRef = Arc::new(array);
    let cells = Cells::new(&array).unwrap();
    let show = |row| {
        let (mut text, mut json) = (String::new(), String::new());
        cells.write_text(&mut text, row);
        cells.write_json(&mut json, row);
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        ((!cells.is_null(row)).then_some(text), json)
    };
    (0..array.len()).map(show).collect()
}

#[track_caller]
fn assert_shown(array: impl Array + 'static, expected: &[(Option<&str>, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(text, json)| (text.map(str::to_owned), (*json).to_owned())).collect();
    assert_eq!(shown(array), expected);
}

#[test]
fn booleans_and_integers() {
    assert_shown(
        BooleanArray::from(vec![Some(true), Some(false), None]),
        &[(Some("true"), "true"), (Some("false"), "false"), (None, "null")],
    );
    assert_shown(Int8Array::from(vec![-128]), &[(Some("-128"), "-128")]);
    assert_shown(Int32Array::from(vec![Some(i32::MIN), None]), &[(Some("-2147483648"), "-2147483648"), (None, "null")]);
    assert_shown(Int64Array::from(vec![i64::MAX]), &[(Some("9223372036854775807"), "9223372036854775807")]);
    assert_shown(UInt64Array::from(vec![u64::MAX]), &[(Some("18446744073709551615"), "18446744073709551615")]);
    assert_shown(NullArray::new(1), &[(None, "null")]);
}

#[test]
fn floats_have_the_digits_that_bring_them_back() {
    let values = [0.1, 1.0, -0.0, 1e300, 5e-324, 123_456_789.123_456_78, f64::MAX];
    for value in values {
        let (text, json) = shown(Float64Array::from(vec![value])).remove(0);
        assert_eq!(text.unwrap().parse::<f64>().unwrap().to_bits(), value.to_bits());
        assert_eq!(serde_json::from_str::<f64>(&json).unwrap().to_bits(), value.to_bits());
    }
    assert_shown(
        Float64Array::from(vec![0.1, 1.0, -0.0, 1e300]),
        &[(Some("0.1"), "0.1"), (Some("1.0"), "1.0"), (Some("-0.0"), "-0.0"), (Some("1e300"), "1e300")],
    );
    assert_shown(Float32Array::from(vec![0.1f32, 16_777_216.0]), &[(Some("0.1"), "0.1"), (Some("16777216.0"), "16777216.0")]);
}

#[test]
fn floats_that_are_not_finite_are_text_in_json() {
    let expected = [(Some("NaN"), "\"NaN\""), (Some("Infinity"), "\"Infinity\""), (Some("-Infinity"), "\"-Infinity\"")];
    assert_shown(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), &expected);
    assert_shown(Float32Array::from(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]), &expected);
}

#[test]
fn decimals_keep_their_scale() {
    let decimals = |values: Vec<i128>, scale| Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap();
    assert_shown(
        decimals(vec![1000, -1000, 5, -5, 0], 2),
        &[(Some("10.00"), "10.00"), (Some("-10.00"), "-10.00"), (Some("0.05"), "0.05"), (Some("-0.05"), "-0.05"), (Some("0.00"), "0.00")],
    );
    assert_shown(decimals(vec![42], 0), &[(Some("42"), "42")]);
    assert_shown(decimals(vec![42, 0, -7], -3), &[(Some("42000"), "42000"), (Some("0"), "0"), (Some("-7000"), "-7000")]);
    let widest = "99999999999999999999999999999999999999";
    assert_shown(decimals(vec![widest.parse().unwrap()], 0), &[(Some(widest), widest)]);
    let wide = Decimal256Array::from(vec![i256::from_i128(-123)]).with_precision_and_scale(50, 2).unwrap();
    assert_shown(wide, &[(Some("-1.23"), "-1.23")]);
}

#[test]
fn text_is_escaped_in_json_only() {
    let text = "a\"b\\c\nd\te\u{1}é本";
    assert_shown(
        StringArray::from(vec![Some(text), Some(""), None]),
        &[(Some(text), r#""a\"b\\c\nd\te\u0001é本""#), (Some(""), "\"\""), (None, "null")],
    );
    assert_shown(
        StringViewArray::from(vec!["a longer text than twelve bytes"]),
        &[(Some("a longer text than twelve bytes"), "\"a longer text than twelve bytes\"")],
    );
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    assert_shown(dictionary, &[(Some("x"), "\"x\""), (None, "null"), (Some("x"), "\"x\"")]);
}

#[test]
fn binary_is_hexadecimal() {
    assert_shown(BinaryArray::from(vec![&[0u8, 255, 16][..], &[]]), &[(Some("\\x00ff10"), r#""\\x00ff10""#), (Some("\\x"), r#""\\x""#)]);
    assert_shown(FixedSizeBinaryArray::try_from_iter([[1u8, 2]].into_iter()).unwrap(), &[(Some("\\x0102"), r#""\\x0102""#)]);
}

#[test]
fn dates_of_every_era() {
    let days = vec![0, 20_413, -1, -719_162, -719_163, -730_000, i32::MAX, -i32::MAX, 2_932_897];
    let expected = [
        (Some("1970-01-01"), "\"1970-01-01\""),
        (Some("2025-11-21"), "\"2025-11-21\""),
        (Some("1969-12-31"), "\"1969-12-31\""),
        (Some("0001-01-01"), "\"0001-01-01\""),
        (Some("0001-12-31 BC"), "\"0001-12-31 BC\""),
        (Some("0030-05-01 BC"), "\"0030-05-01 BC\""),
        (Some("infinity"), "\"infinity\""),
        (Some("-infinity"), "\"-infinity\""),
        (Some("10000-01-01"), "\"10000-01-01\""),
    ];
    assert_shown(Date32Array::from(days), &expected);
}

#[test]
fn timestamps_with_a_zone_are_utc() {
    let zoned =
        TimestampMicrosecondArray::from(vec![Some(1_795_225_774_473_380), Some(0), Some(-1), Some(i64::MAX), Some(-i64::MAX), None])
            .with_timezone("Asia/Tokyo");
    let expected = [
        (Some("2026-11-21T01:49:34.47338Z"), "\"2026-11-21T01:49:34.47338Z\""),
        (Some("1970-01-01T00:00:00Z"), "\"1970-01-01T00:00:00Z\""),
        (Some("1969-12-31T23:59:59.999999Z"), "\"1969-12-31T23:59:59.999999Z\""),
        (Some("infinity"), "\"infinity\""),
        (Some("-infinity"), "\"-infinity\""),
        (None, "null"),
    ];
    assert_shown(zoned, &expected);
}

#[test]
fn timestamps_without_a_zone_have_no_offset() {
    let bc = -719_163 * 86_400_000_000 + 1_500_000;
    let local = TimestampMicrosecondArray::from(vec![1_795_225_774_000_000, bc]);
    assert_shown(
        local,
        &[(Some("2026-11-21T01:49:34"), "\"2026-11-21T01:49:34\""), (Some("0001-12-31T00:00:01.5 BC"), "\"0001-12-31T00:00:01.5 BC\"")],
    );
    assert_shown(
        TimestampMillisecondArray::from(vec![1_795_225_774_473]),
        &[(Some("2026-11-21T01:49:34.473"), "\"2026-11-21T01:49:34.473\"")],
    );
}

#[test]
fn times_of_day() {
    assert_shown(
        Time64MicrosecondArray::from(vec![0, 86_399_999_999, 86_400_000_000]),
        &[(Some("00:00:00"), "\"00:00:00\""), (Some("23:59:59.999999"), "\"23:59:59.999999\""), (Some("24:00:00"), "\"24:00:00\"")],
    );
}

#[test]
fn nested_values_are_json() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), Some(vec![]), None, Some(vec![Some(3)])]);
    assert_shown(list.slice(1, 3), &[(Some("[]"), "[]"), (None, "null"), (Some("[3]"), "[3]")]);
    assert_shown(list, &[(Some("[1,null]"), "[1,null]"), (Some("[]"), "[]"), (None, "null"), (Some("[3]"), "[3]")]);
    let fields = Fields::from(vec![Field::new("a", DataType::Utf8, true), Field::new("b\"", DataType::Date32, true)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![Some("x"), None])), Arc::new(Date32Array::from(vec![Some(0), Some(1)]))];
    let nested = StructArray::new(fields, columns, Some(vec![true, false].into()));
    assert_shown(nested, &[(Some(r#"{"a":"x","b\"":"1970-01-01"}"#), r#"{"a":"x","b\"":"1970-01-01"}"#), (None, "null")]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    assert_shown(map.finish(), &[(Some(r#"{"k":null}"#), r#"{"k":null}"#)]);
}

#[test]
fn types_that_only_queries_make_are_text() {
    assert_shown(DurationSecondArray::from(vec![90]), &[(Some("PT90S"), "\"PT90S\"")]);
}
