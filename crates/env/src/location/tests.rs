use super::{absolute, key, of_warehouse};

#[test]
fn names_of_one_file_compare_equal() {
    for name in ["file:///lake/a b%2F", "file:/lake/a b%2F", "/lake/a b%2F"] {
        assert_eq!(key(name), "/lake/a b%2F");
    }
    assert_eq!(key("s3a://bucket/a"), key("s3://bucket/a"));
    assert_ne!(key("gs://bucket/a"), key("s3://bucket/a"));
}

#[test]
fn absolute_locations_have_a_scheme_and_no_slash_at_the_end() {
    for name in ["file:///lake/t/", "file:/lake/t", "/lake/t"] {
        assert_eq!(absolute(name), "file:///lake/t");
    }
    assert_eq!(absolute("s3://bucket/t/"), "s3://bucket/t");
}

#[test]
fn a_warehouse_is_a_path_or_a_url() {
    assert_eq!(of_warehouse("s3://bucket/lake/").unwrap(), "s3://bucket/lake");
    assert_eq!(of_warehouse("/my lake").unwrap(), "file:///my lake");
    let relative = of_warehouse("lake").unwrap();
    assert!(relative.starts_with("file:///") && relative.ends_with("/lake"), "{relative}");
}
