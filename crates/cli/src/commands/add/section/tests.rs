use super::*;

fn section() -> Section {
    Section {
        name: "pg".into(),
        paths: vec!["landing/pg.{table}/".into()],
        format: ChangeFormatName::DebeziumJson,
        tables: vec!["shop.*".into()],
        ddl: vec!["ddl.sql".into()],
        dialect: None,
    }
}

#[track_caller]
fn assert_written(before: &str, after: &str) {
    let mut document: DocumentMut = before.parse().unwrap();
    section().write(&mut document).unwrap();
    assert_eq!(document.to_string(), after);
}

const NEW: &str = r#"[sources.pg]
path = "landing/pg.{table}/"
format = "debezium-json"
tables = ["shop.*"]
schema = { ddl = "ddl.sql", dialect = "postgres" }
"#;

#[test]
fn a_new_section_comes_at_the_end() {
    assert_eq!(section().to_string(), NEW);
    let before = "# mine\n[catalog]\ntype = \"sql\" # this\n\n# [limits]\n# batch_rows = 7\n";
    assert_written(before, &format!("{before}\n{NEW}"));
    assert_written("[sources.a]\npath = \"x\"\n# end\n", &format!("[sources.a]\npath = \"x\"\n\n{NEW}# end\n"));
}

#[test]
fn a_section_that_is_there_keeps_its_comments_and_other_keys() {
    let before = "[sources.pg] # the shop\n# where\npath = \"old/\" # moved in May\nlateness = \"5s\"\ntables = [\"a.*\"]\n\n[tables.\"a.b\"]\nenabled = false\n";
    let after = "[sources.pg] # the shop\n# where\npath = \"landing/pg.{table}/\" # moved in May\nlateness = \"5s\"\ntables = [\"shop.*\"]\nformat = \"debezium-json\"\nschema = { ddl = \"ddl.sql\", dialect = \"postgres\" }\n\n[tables.\"a.b\"]\nenabled = false\n";
    assert_written(before, after);
}

#[test]
fn what_is_no_table_is_refused() {
    let mut document: DocumentMut = "sources = 1".parse().unwrap();
    assert!(section().write(&mut document).is_err());
}
