use super::metadata_version;

#[test]
fn versions_are_read_from_names_of_both_kinds() {
    for (name, version) in [
        ("/t/metadata/00012-5f0a.metadata.json", 12),
        ("/t/metadata/v7.metadata.json", 7),
        ("/t/metadata/v7.gz.metadata.json", 7),
        ("/t/metadata/other.metadata.json", 0),
    ] {
        assert_eq!(metadata_version(name), version, "{name}");
    }
}
