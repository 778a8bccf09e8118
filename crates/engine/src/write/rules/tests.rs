use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use waterline_core::error::ErrorKind;

use super::*;

/// 2025-11-12
const DAY: i32 = 20_404;

fn schema() -> Schema {
    let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("Größe", DataType::Int32, true),
        Field::new("Name", DataType::Utf8, true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("ratio", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", timestamp(Some("UTC")), true),
        Field::new("local", timestamp(None), true),
    ])
}

/// One row: 7, 3, `Ann_a`, 12.50, -0.0, 2025-11-12, and that day at 18:00; the other is null but for its id.
fn rows() -> RecordBatch {
    let at = i64::from(DAY) * 86_400_000_000 + 18 * 3_600_000_000;
    let price = Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap();
    RecordBatch::try_new(
        Arc::new(schema()),
        vec![
            Arc::new(Int64Array::from(vec![7, 8])),
            Arc::new(Int32Array::from(vec![Some(3), None])),
            Arc::new(StringArray::from(vec![Some("Ann_a"), None])),
            Arc::new(price),
            Arc::new(Float64Array::from(vec![Some(-0.0), None])),
            Arc::new(Date32Array::from(vec![Some(DAY), None])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(at), None]).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(at), None])),
        ],
    )
    .unwrap()
}

fn state(rules: RowRules, schema: Schema) -> TableState {
    TableState {
        version: None,
        location: "memory:///t".into(),
        own_folder: "memory:///t".into(),
        metadata_location: None,
        schema: Arc::new(schema),
        keys: vec!["id".into()],
        partition_by: Vec::new(),
        properties: BTreeMap::new(),
        history: Arc::default(),
        refs: BTreeMap::new(),
        rules: Arc::new(rules),
        inner: Arc::new(()),
    }
}

fn constrained(condition: &str) -> Result<Rules> {
    let constraints = vec![Constraint { name: "c".into(), condition: condition.into() }];
    Rules::of(&state(RowRules { constraints, ..RowRules::default() }, schema())).map(|rules| rules.expect("there is a rule"))
}

fn generated(column: Field, expression: &str) -> Result<Rules> {
    let generated = vec![GeneratedColumn { column: column.name().clone(), expression: expression.into() }];
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(column));
    Rules::of(&state(RowRules { generated, ..RowRules::default() }, Schema::new(fields))).map(|rules| rules.expect("there is a rule"))
}

/// Names and text with quotes, precedence, and values where engines differ: null, negative zero, decimals and days.
#[test]
fn conditions_mean_what_spark_means() {
    for (condition, of_first, of_nulls) in [
        ("id > 6", true, true),
        ("ID = 7 OR id = 9 AND id = 1", true, false),
        ("(id = 7 OR id = 9) AND NOT id = 1", true, false),
        ("`GRÖßE` = 3 OR `größe` <> 3", true, false),
        ("`größe` + 1 = 4", true, false),
        ("name LIKE 'Ann__'", true, false),
        ("name IN ('x', \"Ann_a\")", true, false),
        ("NAME NOT IN ('x')", true, false),
        ("length(name) = 5", true, false),
        ("price = 12.5 AND price < 12.51 AND price * 2 = 25", true, false),
        ("price BETWEEN 12.49 AND 12.50", true, false),
        ("price NOT BETWEEN 1 AND 12", true, false),
        ("ratio >= 0", true, false),
        ("ratio = 0.0", true, false),
        ("-id < -6.5", true, true),
        ("day >= '2025-11-12' AND day < DATE '2025-11-13'", true, false),
        ("year(day) = 2025 AND month(local) = 11 AND day(day) = 12", true, false),
        ("CAST(local AS DATE) = day", true, false),
        ("name IS NOT NULL", true, false),
        ("(name IS NULL) IS TRUE", false, true),
        ("name <=> name", true, true),
    ] {
        let rules = constrained(condition).unwrap();
        for (row, expected) in [(0, of_first), (1, of_nulls)] {
            let found = rules.apply(&rows().slice(row, 1));
            assert_eq!(found.is_ok(), expected, "{condition} on row {row}: {:?}", found.err());
        }
    }
}

#[test]
fn what_engines_could_take_differently_is_refused_with_the_reason() {
    for (condition, word) in [
        ("id / 2 > 1", "operator"),
        ("id % 2 = 1", "operator"),
        ("name > 5", "compare"),
        ("id = '7'", "compare"),
        ("at > '2025-11-12'", "compare"),
        ("day > name", "literal"),
        ("CAST(at AS DATE) = day", "time zone"),
        ("CAST(name AS INT) = 1", "CAST"),
        ("upper(name) = 'X'", "upper"),
        ("name LIKE 'Ann\\_%'", "literal"),
        ("name = NULL", "literal"),
        ("other > 1", "other"),
        ("id", "condition"),
        ("id > 1; drop table x", "end"),
        ("id > (select 1)", "forms"),
        ("id >", "xpected"),
    ] {
        let Err(error) = constrained(condition) else { panic!("{condition} is taken") };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn an_error_names_the_constraint_and_no_value() {
    let error = constrained("name <> 'Ann_a' AND id > 0").unwrap().apply(&rows().slice(0, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    let context: BTreeMap<_, _> = error.context().iter().cloned().collect();
    assert_eq!((context["constraint"].as_str(), context["key columns"].as_str(), context["rows"].as_str()), ("c", "id", "1"));
}

/// Whatever the rows say of it, and where it may not be null either.
#[test]
fn generated_columns_are_made_of_the_others() {
    for (column, expression, expected) in [
        (Field::new("g", DataType::Int64, false), "id + 1", vec![Some(8_i64), Some(9)]),
        (Field::new("g", DataType::Int64, true), "year(DAY)", vec![Some(2025), None]),
        (Field::new("g", DataType::Int64, true), "`größe`", vec![Some(3), None]),
    ] {
        let rules = generated(column, expression).unwrap();
        let made = rules.apply(&rows()).unwrap();
        let stale = RecordBatch::try_new(made.schema(), {
            let mut columns = made.columns().to_vec();
            *columns.last_mut().unwrap() = Arc::new(Int64Array::from(vec![-1, -1]));
            columns
        });
        for rows in [made, rules.apply(&stale.unwrap()).unwrap()] {
            assert_eq!(rows.column_by_name("g").unwrap().as_ref(), &Int64Array::from(expected.clone()), "{expression}");
        }
    }
    let days = generated(Field::new("g", DataType::Date32, true), "CAST(local AS DATE)").unwrap().apply(&rows()).unwrap();
    assert_eq!(days.column_by_name("g").unwrap().as_ref(), &Date32Array::from(vec![Some(DAY), None]));
    for (data_type, expression) in [(DataType::Utf8, "id"), (DataType::Int32, "g"), (DataType::Date32, "CAST(at AS DATE)")] {
        assert_eq!(generated(Field::new("g", data_type, true), expression).err().unwrap().kind(), ErrorKind::Unsupported, "{expression}");
    }
}

#[test]
fn a_number_that_the_column_cannot_hold_is_an_error() {
    let rules = generated(Field::new("g", DataType::Int32, true), "id * 1000000000000").unwrap();
    assert_eq!(rules.apply(&rows()).unwrap_err().kind(), ErrorKind::BadInput);
}
