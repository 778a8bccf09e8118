//! A commit that keeps the rows tidies up: deletes that apply to nothing go, and small manifests become few, by partition.

use iceberg::spec::{Literal, ManifestContentType, Struct};
use waterline_core::format::{Commit, DanglingDelete, KeepAll, Operation, Removal, TableFormat, TableState};
use waterline_core::value::Value;

use crate::foreign::Writer;
use crate::lake::{Kind, Lake, append_to, commit, committed, definition, summary};
use crate::rows::{read, rows, write};

fn partition(id: i64) -> Struct {
    [Some(Literal::long(id))].into_iter().collect()
}

async fn paths(table: &dyn TableFormat, state: &TableState) -> Vec<String> {
    let mut paths: Vec<String> = table.data_files(state, &KeepAll).await.unwrap().into_iter().map(|file| file.path).collect();
    paths.sort();
    paths
}

async fn replace(table: &dyn TableFormat, state: &TableState, id: &str, old: &[&String], new: Option<(&str, &[i64], i64)>) -> TableState {
    let add = new.map(|(name, ids, partition)| write(state, name, &rows(ids.iter().copied()), vec![Some(Value::Int(partition))]));
    let remove = if old.is_empty() { Removal::Nothing } else { Removal::Files(old.iter().map(|path| (*path).clone()).collect()) };
    let replaced = Commit { add: add.into_iter().collect(), remove, ..commit(id, Operation::Replace) };
    committed(table.commit(state, &replaced).await.unwrap())
}

#[tokio::test]
async fn deletes_go_with_the_last_file_that_they_apply_to() {
    let lake = Lake::new(Kind::Filesystem);
    let table = lake.table(&definition(2, &["truncate(100, id)"])).await;
    let mut state = table.head().await.unwrap();
    for (name, first) in [("a", 1), ("b", 11), ("c", 101)] {
        state = append_to(table.as_ref(), &state, name, &rows(first..first + 10), vec![Some(Value::Int(first / 100 * 100))]).await;
    }
    let files = paths(table.as_ref(), &state).await;
    let writer = Writer::new(&lake);
    let positions = writer.positions("positions", &[(&files[0], 2), (&files[1], 0)], partition(0));
    writer.add(ManifestContentType::Deletes, vec![positions, writer.equality("equality", &[5, 12], partition(0))]).await;
    // Of no file: all that it could apply to lie in another partition.
    writer.add(ManifestContentType::Deletes, vec![writer.equality("elsewhere", &[101], partition(500))]).await;
    let state = table.head().await.unwrap();
    let names =
        |deletes: Vec<DanglingDelete>| deletes.iter().map(|delete| delete.path.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(table.leftovers(&state).await.unwrap().dangling_deletes), ["elsewhere.parquet"]);

    let one = replace(table.as_ref(), &state, "one", &[&files[0]], Some(("a2", &[1, 2, 4, 6, 7, 8, 9, 10], 0))).await;
    assert_eq!(table.leftovers(&one).await.unwrap().dangling_deletes, []);
    assert_eq!([summary(&one, "removed-delete-files"), summary(&one, "total-delete-files")], [Some("1"), None]);

    let both = replace(table.as_ref(), &one, "both", &[&files[1]], Some(("b2", &[13, 14, 15, 16, 17, 18, 19, 20], 0))).await;
    assert_eq!(summary(&both, "removed-delete-files"), Some("2"));
    assert_eq!(read(table.as_ref(), &both).await, rows((1..=20).chain(101..=110).filter(|id| ![3, 5, 11, 12].contains(id))));
}

#[tokio::test]
async fn small_manifests_become_few_and_keep_what_they_say() {
    for version in [2, 3] {
        let lake = Lake::new(Kind::Filesystem);
        let table = lake.table(&definition(version, &["truncate(100, id)"])).await;
        let mut state = table.head().await.unwrap();
        for number in 0..12 {
            let first = number % 3 * 100 + number;
            state =
                append_to(table.as_ref(), &state, &format!("f{number}"), &rows([first]), vec![Some(Value::Int(first / 100 * 100))]).await;
        }
        assert_eq!(table.leftovers(&state).await.unwrap().small_lists, 12);
        let lineage = async |state: &TableState| {
            let mut files = table.data_files(state, &KeepAll).await.unwrap();
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.into_iter().map(|file| (file.path, file.lineage, file.summary.partition)).collect::<Vec<_>>()
        };
        let before = lineage(&state).await;
        let tidied = replace(table.as_ref(), &state, "tidy", &[], None).await;
        assert_eq!(table.leftovers(&tidied).await.unwrap().small_lists, 0);
        assert_eq!(lineage(&tidied).await, before);
        let snapshot = Writer::new(&lake).metadata().current_snapshot().unwrap().clone();
        assert_eq!(Writer::new(&lake).manifests(&snapshot).len(), 1);
        assert_eq!(read(table.as_ref(), &tidied).await, read(table.as_ref(), &state).await);
        // By partition, whichever came first.
        let order: Vec<_> =
            table.data_files(&tidied, &KeepAll).await.unwrap().into_iter().map(|file| file.summary.partition[0].1.clone()).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}
