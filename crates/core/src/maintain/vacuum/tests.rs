use super::*;
use crate::error::ErrorKind;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const NOW_MS: i64 = 1_000 * DAY_MS;
const WHEN: When = When { now_ms: NOW_MS, cut_off_ms: NOW_MS - 3 * DAY_MS };

fn file(path: &str, age_days: i64) -> Listed {
    Listed { path: path.into(), size_bytes: 10, modified_ms: NOW_MS - age_days * DAY_MS }
}

fn root() -> Root {
    Root::new("s3://lake/shop/orders").unwrap()
}

fn needed(paths: &[&str]) -> StoredFiles {
    paths.iter().map(|path| (format!("s3a://lake/shop/orders/{path}"), None)).collect()
}

/// Paths that would go.
fn garbage(listed: &[Listed], needed: &StoredFiles) -> Result<Vec<String>> {
    let plan = plan(&root(), listed.to_vec(), needed, WHEN, Caution::Usual)?;
    Ok(plan.garbage.into_iter().map(|file| file.path).collect())
}

#[test]
fn old_files_that_nothing_needs_go() {
    let listed = [
        file("data/live.parquet", 9),
        file("data/dead.parquet", 9),
        file("data/day=2025-01-01/dead%2F.parquet", 9),
        file("data/young.parquet", 2),
        file("metadata/v1.metadata.json", 9),
        file("metadata/v2.metadata.json", 1),
        file("metadata/positions-dead.json", 9),
        file("quarantine/1.jsonl", 9),
        file("quarantine-retried/1.jsonl", 9),
        file("runs/done.json", 9),
        file("_other/00.json", 9),
        file("_waterline/00.json", 9),
        file("data/.hidden", 9),
    ];
    let needed = needed(&["data/live.parquet", "metadata/v2.metadata.json"]);
    let expected =
        ["data/dead.parquet", "data/day=2025-01-01/dead%2F.parquet", "metadata/v1.metadata.json", "metadata/positions-dead.json"];
    assert_eq!(garbage(&listed, &needed).unwrap(), expected);
}

#[test]
fn of_a_delta_table_old_log_files_and_ledgers_go_too() {
    let listed = [
        file("_delta_log/00.json", 9),
        file("_delta_log/01.json", 9),
        file("_delta_log/_last_checkpoint", 9),
        file("_delta_log/_sidecars/dead.parquet", 9),
        file("_delta_log/_staged_commits/01.json", 9),
        file("_waterline/7.json", 9),
        file("_waterline/runs/done.json", 9),
        file("_waterline/quarantine/1.jsonl", 9),
        file("_waterline/metadata/positions-dead.json", 9),
        file("_waterline/5-00ff/_delta_log/00.json", 9),
        file("_change_data/1.parquet", 9),
        file("_p=1/dead.parquet", 9),
        file("deletion_vector_dead.bin", 9),
        file("dead.parquet", 9),
    ];
    let expected = [
        "_delta_log/00.json",
        "_delta_log/_sidecars/dead.parquet",
        "_waterline/7.json",
        "_waterline/metadata/positions-dead.json",
        "_waterline/5-00ff/_delta_log/00.json",
        "_p=1/dead.parquet",
        "deletion_vector_dead.bin",
        "dead.parquet",
    ];
    assert_eq!(garbage(&listed, &needed(&["_delta_log/01.json"])).unwrap(), expected);
}

#[test]
fn a_needed_file_elsewhere_stops_everything() {
    for elsewhere in ["s3://lake/shop/customers/x", "s3://other/shop/orders/x", "gs://lake/shop/orders/x", "s3://lake/shop/orders/../x"] {
        let mut needed = needed(&["data/live.parquet"]);
        needed.insert(elsewhere.into(), None);
        let error = garbage(&[file("data/dead.parquet", 9)], &needed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{elsewhere}");
    }
}

#[test]
fn a_table_in_the_folder_stops_everything() {
    let both = ["archive/metadata/v1.metadata.json", "metadata/old/1.metadata.json", "part/_delta_log/00.json"];
    for (own, others) in [("metadata/v1.metadata.json", "_delta_log/00.json"), ("_delta_log/00.json", "metadata/v1.metadata.json")] {
        for nested in both.iter().chain([&others]) {
            let listed = [file("data/dead.parquet", 9), file(own, 9), file(nested, 9)];
            assert_eq!(garbage(&listed, &needed(&[own])).unwrap_err().kind(), ErrorKind::Unsupported, "{nested}");
        }
    }
}

#[test]
fn a_commit_under_way_stops_everything() {
    let mut young = file("data/young.parquet", 0);
    young.modified_ms -= 1_000;
    let mut listed = vec![file("data/live.parquet", 1), file("data/dead.parquet", 9), young.clone()];
    let needed = needed(&["data/live.parquet"]);
    assert_eq!(garbage(&listed, &needed).unwrap_err().kind(), ErrorKind::Unavailable);
    let forced = plan(&root(), listed.clone(), &needed, WHEN, Caution::Forced).unwrap();
    assert_eq!(forced.garbage, [file("data/dead.parquet", 9)]);
    // The job that wrote it lost, since another one committed later.
    listed[0].modified_ms = young.modified_ms + 1;
    assert_eq!(garbage(&listed, &needed).unwrap(), ["data/dead.parquet"]);
}

#[test]
fn much_goes_only_when_forced() {
    let plan = |dead| Plan { garbage: vec![file("data/dead.parquet", 9); dead], files: 10 };
    plan(2).ensure_modest(Caution::Usual).unwrap();
    plan(3).ensure_modest(Caution::Usual).unwrap_err();
    plan(10).ensure_modest(Caution::Forced).unwrap();
    Plan::default().ensure_modest(Caution::Usual).unwrap();
}
