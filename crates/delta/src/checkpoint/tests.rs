use super::complete;

#[test]
fn a_checkpoint_counts_with_all_of_its_parts() {
    let names = [
        "00000000000000000010.checkpoint.parquet",
        "00000000000000000020.checkpoint.0000000001.0000000002.parquet",
        "00000000000000000020.checkpoint.0000000002.0000000002.parquet",
        "00000000000000000030.checkpoint.0000000001.0000000002.parquet",
        "00000000000000000040.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
        "00000000000000000041.json",
        "_last_checkpoint",
    ];
    let found: Vec<(i64, usize)> = complete(names.into_iter()).into_iter().map(|(version, files)| (version, files.len())).collect();
    assert_eq!(found, [(10, 1), (20, 2), (40, 1)]);
}
