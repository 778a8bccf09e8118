use super::*;
use crate::settings::{CatalogSettings, file};

fn parsed(text: &str) -> file::File {
    file::File::parse(text, Path::new(FILE_NAME), |_| None).unwrap()
}

#[test]
fn the_template_is_a_configuration_to_which_sections_can_be_appended() {
    let text = format!("{}\n[sources.pg]\npath = \"events/pg.{{table}}/\"\nformat = \"debezium-json\"\n", template("warehouse"));
    assert!(parsed(&text).sources.contains_key("pg"));
}

#[test]
fn what_the_template_comments_out_is_right_too() {
    let text: String = template("warehouse").lines().map(uncommented).collect::<Vec<_>>().join("\n");
    let file = parsed(&text);
    assert_eq!((file.sources.len(), file.tables.len(), file.limits.batch_rows.map(usize::from)), (1, 1, Some(1_000_000)));
}

/// Only lines that are settings behind their `# `.
fn uncommented(line: &str) -> &str {
    line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = ")).unwrap_or(line)
}

#[test]
fn the_warehouse_is_written_as_given() {
    let section = parsed(&template("s3://bucket/a \"b\"")).catalog.unwrap();
    assert_eq!(section.warehouse.as_deref(), Some("s3://bucket/a \"b\""));
    let settings = CatalogSettings::from_section(section, Path::new("/lake")).unwrap();
    assert_eq!(settings.warehouse(), "s3://bucket/a \"b\"");
}
