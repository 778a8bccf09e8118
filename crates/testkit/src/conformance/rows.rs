//! Files come and go, and their rows with them.

use std::collections::BTreeSet;

use waterline_core::error::Result;
use waterline_core::format::{Commit, DeleteState, Operation, Removal};

use super::Subject;
use super::lake::Lake;
use super::sample::{extremes, ids, samples};

pub(super) async fn appended_rows_are_read_back(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let empty = lake.head().await?;
    let file = lake.file(&empty, &samples(0..20)).await?;
    let first = lake.submit(&empty, &Commit { add: vec![file.clone()], ..lake.commit(Operation::Append) }).await?;
    let [found] = &lake.files(&first).await?[..] else { panic!("one file was added") };
    assert_eq!((&found.path, found.size_bytes, found.record_count), (&file.path, file.size_bytes, 20));
    assert_eq!(found.deletes, DeleteState::None);
    assert!(lake.table.deleted_rows(found).await?.is_empty());
    lake.expect_rows(&first, samples(0..20)).await?;
    let second = lake.append(20..30).await?;
    lake.expect_rows(&second, samples(0..30)).await
}

pub(super) async fn extreme_values_are_read_back(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let head = lake.head().await?;
    let state = lake.submit(&head, &lake.append_of(&head, &extremes()).await?).await?;
    lake.expect_rows(&state, extremes()).await
}

pub(super) async fn removed_files_are_gone(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..5).await?;
    let kept: BTreeSet<String> = lake.files(&lake.head().await?).await?.into_iter().map(|file| file.path).collect();
    let full = lake.append(5..9).await?;
    let gone = lake.files(&full).await?.into_iter().map(|file| file.path).filter(|path| !kept.contains(path)).collect();
    let state = lake.submit(&full, &Commit { remove: Removal::Files(gone), ..lake.commit(Operation::Delete) }).await?;
    lake.expect_rows(&state, samples(0..5)).await?;
    lake.expect_rows(&full, samples(0..9)).await
}

pub(super) async fn everything_can_be_replaced(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..5).await?;
    lake.append(5..9).await?;
    let full = lake.delete(&[1, 6]).await?;
    let add = vec![lake.file(&full, &samples(4..7)).await?];
    let replaced = lake.submit(&full, &Commit { add, remove: Removal::All, ..lake.commit(Operation::Overwrite) }).await?;
    assert_eq!(lake.files(&replaced).await?.len(), 1);
    lake.expect_rows(&replaced, samples(4..7)).await?;
    let emptied = lake.submit(&replaced, &Commit { remove: Removal::All, ..lake.commit(Operation::Delete) }).await?;
    assert!(lake.files(&emptied).await?.is_empty());
    let again = lake.append(0..2).await?;
    lake.expect_rows(&again, samples(0..2)).await
}

pub(super) async fn a_replaced_file_keeps_its_rows(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    for from in [0, 10, 20] {
        lake.append(from..from + 10).await?;
    }
    let before = lake.delete(&[3, 14]).await?;
    let rows = lake.rows(&before).await?;
    let gone = lake.files(&before).await?.into_iter().map(|file| file.path).collect();
    let add = vec![lake.file(&before, &rows).await?];
    let compacted = lake.submit(&before, &Commit { add, remove: Removal::Files(gone), ..lake.commit(Operation::Replace) }).await?;
    let [file] = &lake.files(&compacted).await?[..] else { panic!("one file is left") };
    assert_eq!(file.deletes, DeleteState::None);
    assert_eq!(compacted.current().map(|info| info.operation), Some(Operation::Replace));
    lake.expect_rows(&compacted, rows).await
}

pub(super) async fn two_hundred_files_in_one_commit(subject: &Subject) -> Result<()> {
    let lake = Lake::of_ids(subject).await?;
    let head = lake.head().await?;
    let mut commit = lake.commit(Operation::Append);
    for file in 0..200 {
        commit.add.push(lake.file(&head, &ids([2 * file, 2 * file + 1])).await?);
    }
    let full = lake.submit(&head, &commit).await?;
    assert_eq!(lake.files(&full).await?.len(), 200);
    lake.expect_rows(&full, ids(0..400)).await?;
    let odd: Vec<i64> = (0..400).filter(|id| id % 2 == 1).collect();
    let halved = lake.delete(&odd).await?;
    lake.expect_rows(&halved, ids((0..400).filter(|id| id % 2 == 0))).await?;
    let gone = commit.add.iter().take(150).map(|file| file.path.clone()).collect();
    let rest = lake.submit(&halved, &Commit { remove: Removal::Files(gone), ..lake.commit(Operation::Delete) }).await?;
    lake.expect_rows(&rest, ids((300..400).filter(|id| id % 2 == 0))).await
}

pub(super) async fn many_small_commits(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let mut expected = BTreeSet::new();
    for id in 0..40 {
        lake.append([id]).await?;
        expected.insert(id);
        if id % 3 == 2 {
            lake.delete(&[id - 1]).await?;
            expected.remove(&(id - 1));
        }
    }
    lake.expect_rows(&lake.head().await?, samples(expected)).await
}
