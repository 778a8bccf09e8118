use super::*;

fn names(names: &[&str]) -> Vec<TableName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_changelog_is_a_part_of_its_table() {
    let all = names(&["a.x", "a.x__changelog", "a.y__changelog", "b.z"]);
    assert_eq!(selected(&all, &[]).unwrap().into_iter().collect::<Vec<_>>(), names(&["a.x", "a.y", "b.z"]));
    assert_eq!(selected(&all, &["a.*".into(), "a.x".into()]).unwrap().into_iter().collect::<Vec<_>>(), names(&["a.x", "a.y"]));
}

#[test]
fn a_name_that_matches_nothing_is_an_error() {
    assert!(selected(&names(&["a.x"]), &["a.x".into(), "b.*".into()]).unwrap_err().to_string().contains("b.*"));
}

#[test]
fn a_table_that_cannot_be_read_has_its_row_with_the_reason() {
    let good = Row { table: "a.x".parse().unwrap(), facts: Ok(Facts::default()) };
    let bad = Row { table: "a.y".parse().unwrap(), facts: Err(Error::corrupt("no metadata")) };
    let batch = batch(&[good, bad]).unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec![None, Some("no metadata")]));
    assert_eq!(batch.column_by_name("error").unwrap(), &expected);
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None]));
    assert_eq!(batch.column_by_name("lag_batches").unwrap(), &expected);
}
