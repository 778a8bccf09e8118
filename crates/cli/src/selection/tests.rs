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
