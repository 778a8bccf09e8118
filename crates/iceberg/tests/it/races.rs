use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use waterline_core::error::ErrorKind;
use waterline_core::format::{CommitOutcome, TableFormat, TableState};

use crate::faults::{Fault, FaultyStores};
use crate::lake::{Kind, Lake, adding, all, append, committed, conflict, definition, name};
use crate::rows::{read, rows, write};

#[tokio::test]
async fn a_commit_on_a_stale_base_changes_nothing() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let other = lake.catalog().await.open(&name()).await.unwrap().unwrap();
        let theirs = append(other.as_ref(), &base, "theirs", &rows(1..=3)).await;
        let ours = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
        let head = conflict(table.commit(&base, &ours).await.unwrap());
        assert_eq!(head.version, theirs.version);
        let again = committed(table.commit(&head, &ours).await.unwrap());
        assert_eq!(read(table.as_ref(), &again).await, rows(1..=6));
        let repeated = committed(table.commit(&base, &ours).await.unwrap());
        assert_eq!(repeated.version, again.version, "a commit that has landed is found again");
    }
}

#[tokio::test]
async fn of_many_commits_on_one_base_one_wins() {
    for (kind, version) in all() {
        let lake = Lake::new(kind);
        let table = lake.table(&definition(version, &[])).await;
        let base = table.head().await.unwrap();
        let commits = (0..8).map(|n| {
            let (table, base) = (table.clone(), base.clone());
            let commit = adding(&n.to_string(), vec![write(&base, &n.to_string(), &rows([n]), vec![])]);
            tokio::spawn(async move { table.commit(&base, &commit).await.unwrap() })
        });
        let outcomes = futures::future::join_all(commits).await;
        let won: Vec<_> = outcomes.iter().flatten().filter(|outcome| matches!(outcome, CommitOutcome::Committed(_))).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(read(table.as_ref(), &table.head().await.unwrap()).await.len(), 1);
    }
}

async fn faulty_table() -> (Lake, FaultyStores, Arc<dyn TableFormat>, TableState) {
    let mut lake = Lake::new(Kind::Filesystem);
    let stores = FaultyStores::default();
    lake.env.stores = Arc::new(stores.clone());
    let table = lake.table(&definition(2, &[])).await;
    let base = append(table.as_ref(), &table.head().await.unwrap(), "base", &rows(1..=3)).await;
    (lake, stores, table, base)
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_whether_it_landed_or_not() {
    for fault in [Fault::BeforeApply, Fault::AfterApply] {
        let (_lake, stores, table, base) = faulty_table().await;
        let commit = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
        stores.arm(fault);
        assert!(matches!(table.commit(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
        let state = committed(table.settle(&base, &commit).await.unwrap());
        assert_eq!(read(table.as_ref(), &state).await, rows(1..=6), "{fault:?}");
        assert_eq!(state.history.len(), 2);
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_a_handle_that_did_not_make_it() {
    for fault in [Fault::BeforeApply, Fault::AfterApply] {
        let (lake, stores, table, base) = faulty_table().await;
        let commit = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
        stores.arm(fault);
        assert!(matches!(table.commit(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
        let other = lake.catalog().await.open(&name()).await.unwrap().unwrap();
        let state = committed(other.settle(&base, &commit).await.unwrap());
        assert_eq!(read(other.as_ref(), &state).await, rows(1..=6), "{fault:?}");
    }
}

#[tokio::test]
async fn a_commit_that_another_overtook_is_a_conflict() {
    let (lake, stores, table, base) = faulty_table().await;
    let commit = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
    stores.arm(Fault::Late);
    assert!(matches!(table.commit(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
    let other = lake.catalog().await.open(&name()).await.unwrap().unwrap();
    append(other.as_ref(), &base, "theirs", &rows(7..=9)).await;
    stores.land().await;
    let head = conflict(table.settle(&base, &commit).await.unwrap());
    assert_eq!(read(table.as_ref(), &head).await, rows([1, 2, 3, 7, 8, 9]));
}

#[tokio::test]
async fn a_commit_that_landed_late_is_found_below_the_head() {
    let (lake, stores, table, base) = faulty_table().await;
    let commit = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
    stores.arm(Fault::Late);
    assert!(matches!(table.commit(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
    stores.land().await;
    let other = lake.catalog().await.open(&name()).await.unwrap().unwrap();
    let on_top = append(other.as_ref(), &other.head().await.unwrap(), "theirs", &rows(7..=9)).await;
    let ours = committed(table.settle(&base, &commit).await.unwrap());
    assert_eq!(read(table.as_ref(), &ours).await, rows(1..=6));
    assert_eq!(read(table.as_ref(), &on_top).await, rows(1..=9));
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_decided() {
    let (_lake, stores, table, base) = faulty_table().await;
    let commit = adding("ours", vec![write(&base, "ours", &rows(4..=6), vec![])]);
    stores.set_down(true);
    assert_eq!(table.commit(&base, &commit).await.unwrap_err().kind(), ErrorKind::Unavailable);
    stores.set_down(false);
    stores.arm(Fault::AfterApply);
    assert!(matches!(table.commit(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
    stores.set_down(true);
    assert!(matches!(table.settle(&base, &commit).await.unwrap(), CommitOutcome::Unknown(_)));
    stores.set_down(false);
    assert_eq!(read(table.as_ref(), &committed(table.settle(&base, &commit).await.unwrap())).await, rows(1..=6));
}

#[tokio::test]
async fn the_slot_of_a_version_that_was_cleaned_up_is_not_won() {
    let (lake, stores, table, stale) = faulty_table().await;
    let other = lake.catalog().await.open(&name()).await.unwrap().unwrap();
    let mut state = stale.clone();
    for n in 4..=6 {
        state = append(other.as_ref(), &state, &n.to_string(), &rows([n])).await;
    }
    // The writer sleeps between its look at the table and its commit; meanwhile others commit and clean up.
    let folder = lake.folder.path().join("ware house/shop/orders/metadata");
    let newest = std::fs::read(folder.join("v5.metadata.json")).unwrap();
    (3..=5).for_each(|version| std::fs::remove_file(folder.join(format!("v{version}.metadata.json"))).unwrap());
    std::fs::write(folder.join("version-hint.text"), "2").unwrap();
    stores.before_create(move || {
        std::fs::write(folder.join("v5.metadata.json"), newest).unwrap();
        std::fs::write(folder.join("version-hint.text"), "5").unwrap();
    });
    let late = adding("late", vec![write(&stale, "late", &rows([99]), vec![])]);
    let head = conflict(table.commit(&stale, &late).await.unwrap());
    assert_eq!(read(table.as_ref(), &head).await, rows(1..=6));
}

#[tokio::test]
async fn changes_without_a_snapshot_settle_themselves() {
    for fault in [Fault::BeforeApply, Fault::AfterApply] {
        let (_lake, stores, table, base) = faulty_table().await;
        stores.arm(fault);
        let tagged = committed(table.set_tag(&base, "t0", base.version).await.unwrap());
        assert_eq!(Some(tagged.refs["t0"].version), base.version, "{fault:?}");
        let mut fields: Vec<_> = tagged.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("extra", DataType::Utf8, true)));
        stores.arm(fault);
        let evolved = committed(table.evolve(&tagged, &Arc::new(Schema::new(fields))).await.unwrap());
        assert_eq!(evolved.schema.fields().len(), 5, "{fault:?}");
        assert_eq!(table.head().await.unwrap().schema, evolved.schema);
    }
}
