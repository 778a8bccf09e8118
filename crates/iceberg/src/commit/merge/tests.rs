use iceberg::spec::{ManifestContentType, ManifestFile};

use super::MergePolicy;

fn manifest(path: &str, bytes: i64) -> ManifestFile {
    ManifestFile {
        manifest_path: path.into(),
        manifest_length: bytes,
        partition_spec_id: 0,
        content: ManifestContentType::Data,
        sequence_number: 1,
        min_sequence_number: 1,
        added_snapshot_id: 1,
        added_files_count: Some(1),
        existing_files_count: Some(0),
        deleted_files_count: Some(0),
        added_rows_count: Some(1),
        existing_rows_count: Some(0),
        deleted_rows_count: Some(0),
        partitions: None,
        key_metadata: None,
        first_row_id: None,
    }
}

fn paths(files: &[ManifestFile]) -> Vec<&str> {
    files.iter().map(|file| file.manifest_path.as_str()).collect()
}

const POLICY: MergePolicy = MergePolicy { min_count: 3, target_bytes: 100 };

#[test]
fn few_manifests_stay_as_they_are() {
    let (kept, groups) = POLICY.plan(9, vec![manifest("a", 10), manifest("b", 10)]);
    assert_eq!(paths(&kept), ["a", "b"]);
    assert!(groups.is_empty());
}

#[test]
fn neighbours_are_packed_up_to_the_target_size() {
    let (kept, groups) = POLICY.plan(9, ["a", "b", "c", "d"].map(|path| manifest(path, 40)).to_vec());
    assert!(kept.is_empty());
    assert_eq!(groups.iter().map(|group| paths(group)).collect::<Vec<_>>(), [["a", "b"], ["c", "d"]]);
}

#[test]
fn large_ones_other_kinds_and_those_of_the_snapshot_itself_stay() {
    let deletes = ManifestFile { content: ManifestContentType::Deletes, ..manifest("deletes", 10) };
    let own = ManifestFile { added_snapshot_id: 9, ..manifest("own", 10) };
    let (mut kept, groups) =
        POLICY.plan(9, vec![manifest("large", 100), deletes, own, manifest("a", 10), manifest("b", 10), manifest("c", 10)]);
    kept.sort_by(|a, b| a.manifest_path.cmp(&b.manifest_path));
    assert_eq!(paths(&kept), ["deletes", "large", "own"]);
    assert_eq!(groups.iter().map(|group| paths(group)).collect::<Vec<_>>(), [["a", "b", "c"]]);
}
