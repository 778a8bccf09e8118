//! Sessions: names, versions and what a query may do.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Schema};
use waterline_core::error::{Error, ErrorKind};
use waterline_core::format::{Operation, Ref, RefKind, VersionId, VersionInfo};
use waterline_engine::read::{ReadAt, query};

use crate::lake::{Lake, batch, column, rows};

/// One row more per version: version 1 committed at 1000 ms, 2 at 3000, 3 at 2000 (a clock that ran back).
async fn three_versions() -> Lake {
    let mut lake = Lake::new(Schema::new(vec![column(1, "id", DataType::Int64)]));
    let mut history = Vec::new();
    for (version, committed_at_ms) in [(1, 1000), (2, 3000), (3, 2000)] {
        lake.add(&batch(vec![(column(1, "id", DataType::Int64), Arc::new(Int64Array::from(vec![version])))])).await;
        history.push(VersionInfo {
            version: VersionId(version),
            parent: (version > 1).then(|| VersionId(version - 1)),
            committed_at_ms,
            operation: Operation::Append,
            summary: Default::default(),
        });
    }
    lake.state.version = Some(VersionId(3));
    lake.state.history = Arc::new(history);
    lake.state.refs.insert("main".into(), Ref { version: VersionId(3), kind: RefKind::Branch });
    lake.state.refs.insert("monday".into(), Ref { version: VersionId(2), kind: RefKind::Tag });
    lake
}

const COUNT: &str = "select count(*) from shop.orders";

async fn count_at(lake: &Lake, at: ReadAt) -> String {
    rows(&lake.session_at(at), COUNT).await.concat()
}

async fn error_of(lake: &Lake, at: ReadAt, sql: &str) -> Error {
    query(&lake.session_at(at), sql).await.map(|_| ()).unwrap_err()
}

fn version(text: &str) -> ReadAt {
    ReadAt::Version(text.parse().unwrap())
}

#[tokio::test]
async fn a_version_is_named_by_id_tag_or_branch() {
    let lake = three_versions().await;
    for (at, count) in [(ReadAt::Head, "3"), (version("1"), "1"), (version("monday"), "2"), (version("main"), "3")] {
        assert_eq!(count_at(&lake, at.clone()).await, count, "{at:?}");
    }
    for absent in ["9", "tuesday", "-1"] {
        let error = error_of(&lake, version(absent), COUNT).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{absent}");
        assert!(error.to_string().contains("main monday") && error.to_string().contains("3 2 1"), "{error}");
    }
}

#[tokio::test]
async fn the_newest_version_committed_by_a_time_is_read_even_when_clocks_ran_back() {
    let lake = three_versions().await;
    for (time_ms, count) in [(1000, "1"), (1999, "1"), (2000, "3"), (2999, "3"), (i64::MAX, "3")] {
        assert_eq!(count_at(&lake, ReadAt::CommittedBy(time_ms)).await, count, "{time_ms}");
    }
    let error = error_of(&lake, ReadAt::CommittedBy(999), COUNT).await;
    assert_eq!(error.kind(), ErrorKind::NotAnswerable);
    assert!(error.to_string().contains("1970-01-01T00:00:01.000Z"), "{error}");
}

#[tokio::test]
async fn a_session_sees_one_version_of_a_table_in_all_queries() {
    let lake = three_versions().await;
    let session = lake.session();
    assert_eq!(rows(&session, COUNT).await, ["3"]);
    assert_eq!(rows(&session, "select a.id from shop.orders a join shop.orders b on a.id = b.id + 1 order by 1").await, ["2", "3"]);
    assert_eq!(rows(&session, "with o as (select id from shop.orders) select max(id) from o").await, ["3"]);
}

#[tokio::test]
async fn an_absent_table_is_named_with_those_that_exist() {
    let lake = three_versions().await;
    for (sql, hint) in [
        ("select * from shop.order", "shop.orders"),
        (r#"select * from shop."ORDERS""#, "double quotes"),
        ("select * from other.orders", "shop.orders"),
        ("select * from orders", "shop.orders"),
    ] {
        let error = error_of(&lake, ReadAt::Head, sql).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{sql}: {error}");
        assert!(error.to_string().contains(hint), "{sql}: {error}");
    }
}

#[tokio::test]
async fn statements_that_change_anything_are_refused() {
    let lake = three_versions().await;
    for sql in [
        "create table shop.copy as select 1",
        "insert into shop.orders values (4)",
        "delete from shop.orders",
        "update shop.orders set id = 1",
        "drop table shop.orders",
        "create external table t stored as parquet location '/tmp/x'",
        "copy shop.orders to '/tmp/out.parquet'",
        "set datafusion.execution.batch_size = 1",
        "select id into shop.copy from shop.orders",
        "explain insert into shop.orders values (4)",
    ] {
        let error = error_of(&lake, ReadAt::Head, sql).await;
        assert_eq!(error.kind(), ErrorKind::Usage, "{sql}: {error}");
    }
    for sql in ["explain select * from shop.orders", "describe shop.orders", "values (1)"] {
        assert!(query(&lake.session(), sql).await.unwrap().collect().await.is_ok(), "{sql}");
    }
}

#[tokio::test]
async fn what_is_not_sql_or_names_no_column_is_wrong_usage() {
    let lake = three_versions().await;
    for sql in ["selekt 1", "select nothing from shop.orders", "select id + 'x' || from shop.orders"] {
        assert_eq!(error_of(&lake, ReadAt::Head, sql).await.kind(), ErrorKind::Usage, "{sql}");
    }
}

#[tokio::test]
async fn a_missing_data_file_is_named() {
    let mut lake = three_versions().await;
    lake.files[1].path = "memory:///lake/shop/orders/gone.parquet".into();
    let error = query(&lake.session(), "select sum(id) from shop.orders").await.unwrap().collect().await.unwrap_err();
    let error = waterline_engine::read::from_datafusion(error);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("gone.parquet"), "{error}");
}
