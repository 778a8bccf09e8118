use super::*;

fn variables(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("db.example".into()),
        "QUOTED" => Some("a\"b\\c".into()),
        _ => None,
    }
}

fn expanded(text: &str) -> Result<String> {
    let path = Path::new("waterline.toml");
    expand(text, path, &parse_document(text, path)?, variables)
}

#[test]
fn variables_are_replaced_in_strings_of_every_depth() {
    let text = "a = \"x://${HOST}/\" # ${LEFT_ALONE}\n[b]\nc = ['${HOST}', { d = \"${QUOTED}\" }]\n";
    let table: toml::Table = toml::from_str(&expanded(text).unwrap()).unwrap();
    assert_eq!(table["a"].as_str(), Some("x://db.example/"));
    assert_eq!(table["b"]["c"][0].as_str(), Some("db.example"));
    assert_eq!(table["b"]["c"][1]["d"].as_str(), Some("a\"b\\c"));
}

#[test]
fn two_dollars_are_the_text_itself() {
    let table: toml::Table = toml::from_str(&expanded("a = \"$${HOST} $5 ${HOST}\"").unwrap()).unwrap();
    assert_eq!(table["a"].as_str(), Some("${HOST} $5 db.example"));
}

#[test]
fn a_missing_variable_is_named_with_its_key_and_line() {
    let error = expanded("[catalog]\ntype = \"sql\"\nuri = \"postgres://${NO_SUCH}@h/d\"\n").unwrap_err();
    assert_eq!(error.to_string(), "an environment variable is not set (variable NO_SUCH, file waterline.toml, line 3, key catalog.uri)");
}

#[test]
fn an_open_brace_is_an_error() {
    assert!(expanded("a = \"${HOST\"").unwrap_err().to_string().contains("closing"));
}
