use iceberg::spec::{Datum, PrimitiveType};
use waterline_core::value::Value;

use super::{Precision, lower, upper};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn short_text_is_its_own_bound() {
    let value = text("sixteen_letters_");
    assert_eq!(lower(&value, &PrimitiveType::String, Precision::Truncated), Some(Datum::string("sixteen_letters_")));
    assert_eq!(upper(&value, &PrimitiveType::String, Precision::Truncated), Some(Datum::string("sixteen_letters_")));
}

#[test]
fn long_text_is_cut_below_and_cut_upwards_above() {
    let value = text("sixteen_letters_and_more");
    assert_eq!(lower(&value, &PrimitiveType::String, Precision::Truncated), Some(Datum::string("sixteen_letters_")));
    assert_eq!(upper(&value, &PrimitiveType::String, Precision::Truncated), Some(Datum::string("sixteen_letters`")));
    assert_eq!(upper(&value, &PrimitiveType::String, Precision::Full), Some(Datum::string("sixteen_letters_and_more")));
}

#[test]
fn the_upper_bound_steps_over_surrogates_and_characters_without_successor() {
    let surrogate = text(&format!("{}\u{D7FF}x", "a".repeat(15)));
    assert_eq!(upper(&surrogate, &PrimitiveType::String, Precision::Truncated), Some(Datum::string(format!("{}\u{E000}", "a".repeat(15)))));
    let last = text(&format!("a{}", "\u{10FFFF}".repeat(20)));
    assert_eq!(upper(&last, &PrimitiveType::String, Precision::Truncated), Some(Datum::string("b")));
    assert_eq!(upper(&text(&"\u{10FFFF}".repeat(20)), &PrimitiveType::String, Precision::Truncated), None);
}

#[test]
fn long_binaries_are_cut_the_same_way() {
    let mut bytes = vec![7; 15];
    bytes.extend([0xff, 0xff]);
    let value = Value::Bytes(bytes.clone());
    assert_eq!(lower(&value, &PrimitiveType::Binary, Precision::Truncated), Some(Datum::binary(bytes[..16].to_vec())));
    let mut above = vec![7; 15];
    above[14] = 8;
    assert_eq!(upper(&value, &PrimitiveType::Binary, Precision::Truncated), Some(Datum::binary(above)));
    assert_eq!(upper(&Value::Bytes(vec![0xff; 17]), &PrimitiveType::Binary, Precision::Truncated), None);
}

#[test]
fn nan_bounds_nothing_and_zero_bounds_both_zeros() {
    assert_eq!(lower(&Value::Float(f64::NAN), &PrimitiveType::Double, Precision::Full), None);
    let sign = |datum: Option<Datum>| datum.and_then(|datum| datum.to_bytes().ok()).map(|bytes| bytes[7] & 0x80 != 0);
    assert_eq!(sign(lower(&Value::Float(0.0), &PrimitiveType::Double, Precision::Full)), Some(true));
    assert_eq!(sign(upper(&Value::Float(-0.0), &PrimitiveType::Double, Precision::Full)), Some(false));
}
