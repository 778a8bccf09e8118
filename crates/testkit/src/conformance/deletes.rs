//! Rows go, and their files stay.

use waterline_core::error::Result;
use waterline_core::format::{Commit, DeleteState, Operation, Removal};

use super::Subject;
use super::lake::Lake;
use super::sample::{ids, sample, samples};
use crate::cell::Cell;

pub(super) async fn deleted_rows_are_gone(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..5).await?;
    lake.append(5..10).await?;
    let state = lake.delete(&[0, 4, 7]).await?;
    assert_eq!(lake.files(&state).await?.len(), 2);
    for file in lake.files(&state).await? {
        assert_eq!((file.record_count, file.deletes), (5, DeleteState::Some));
    }
    lake.expect_rows(&state, samples([1, 2, 3, 5, 6, 8, 9])).await
}

pub(super) async fn deletes_of_one_file_add_up(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..10).await?;
    for id in [0, 9, 4] {
        lake.delete(&[id]).await?;
    }
    let state = lake.head().await?;
    let [file] = &lake.files(&state).await?[..] else { panic!("one file was added") };
    assert_eq!(lake.table.deleted_rows(file).await?.iter().collect::<Vec<_>>(), [0, 4, 9]);
    lake.expect_rows(&state, samples([1, 2, 3, 5, 6, 7, 8])).await
}

pub(super) async fn a_row_deleted_twice_is_gone_once(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..4).await?;
    lake.delete(&[1]).await?;
    let state = lake.delete(&[1, 2]).await?;
    let [file] = &lake.files(&state).await?[..] else { panic!("one file was added") };
    assert_eq!(lake.table.deleted_rows(file).await?.iter().collect::<Vec<_>>(), [1, 2]);
    lake.expect_rows(&state, samples([0, 3])).await
}

/// Positions on both sides of what a block of a bitmap holds.
pub(super) async fn deletes_far_apart_in_a_file(subject: &Subject) -> Result<()> {
    let lake = Lake::of_ids(subject).await?;
    let head = lake.head().await?;
    lake.submit(&head, &lake.append_of(&head, &ids(0..70_000)).await?).await?;
    let gone = [0, 1, 8_191, 8_192, 65_535, 65_536, 69_999];
    let state = lake.delete(&gone).await?;
    let [file] = &lake.files(&state).await?[..] else { panic!("one file was added") };
    assert_eq!(lake.table.deleted_rows(file).await?.iter().collect::<Vec<_>>(), gone.map(|at| at as u64));
    lake.expect_rows(&state, ids((0..70_000).filter(|id| !gone.contains(id)))).await
}

pub(super) async fn deletes_and_new_rows_in_one_commit(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    let base = lake.append(0..6).await?;
    let mut newer = sample(2);
    newer.insert("name".into(), Cell::from("newer"));
    let add = vec![lake.file(&base, &[newer.clone(), sample(6)]).await?];
    let merge = Commit { add, operation: Operation::Overwrite, ..lake.delete_of(&base, &[2, 5]).await? };
    let state = lake.submit(&base, &merge).await?;
    let mut expected = samples([0, 1, 3, 4, 6]);
    expected.push(newer);
    lake.expect_rows(&state, expected).await
}

/// As a compaction carries deletes over that were committed while it read.
pub(super) async fn rows_of_a_file_that_comes_are_deleted_at_once(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..6).await?;
    let base = lake.delete(&[1]).await?;
    let [old] = &lake.files(&base).await?[..] else { panic!("one file was added") };
    let new = lake.file(&base, &samples([0, 2, 3, 4, 5])).await?;
    let delete_rows = [(new.path.clone(), [1, 4].into_iter().collect())].into();
    let remove = Removal::Files(vec![old.path.clone()]);
    let state = lake.submit(&base, &Commit { add: vec![new], remove, delete_rows, ..lake.commit(Operation::Replace) }).await?;
    lake.expect_rows(&state, samples([0, 3, 4])).await?;
    let state = lake.delete(&[3]).await?;
    let [file] = &lake.files(&state).await?[..] else { panic!("one file took the place of another") };
    assert_eq!((file.record_count, file.deleted_rows), (5, Some(3)));
    lake.expect_rows(&state, samples([0, 4])).await
}

pub(super) async fn deletes_leave_with_their_file(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..4).await?;
    let base = lake.delete(&[1]).await?;
    let [file] = &lake.files(&base).await?[..] else { panic!("one file was added") };
    let remove = Removal::Files(vec![file.path.clone()]);
    let add = vec![lake.file(&base, &samples(10..14)).await?];
    let state = lake.submit(&base, &Commit { add, remove, ..lake.commit(Operation::Overwrite) }).await?;
    let [file] = &lake.files(&state).await?[..] else { panic!("one file took the place of another") };
    assert!(lake.table.deleted_rows(file).await?.is_empty());
    lake.expect_rows(&state, samples(10..14)).await
}

pub(super) async fn a_file_without_live_rows(subject: &Subject) -> Result<()> {
    let lake = Lake::create(subject).await?;
    lake.append(0..3).await?;
    let state = lake.delete(&[0, 1, 2]).await?;
    lake.expect_rows(&state, Vec::new()).await?;
    let state = lake.append(0..3).await?;
    lake.expect_rows(&state, samples(0..3)).await
}
