//! A sweep keeps what is the same at every moment, and answers as single reads do.

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use waterline_core::as_of::Beyond;
use waterline_engine::read::{ReadAt, SessionOptions, SweepQuery, query, session};

use crate::rules::{Table, delete, seconds, update};
use crate::rules_as_of::{as_logged, moment};

const MOMENTS: [u64; 5] = [10, 20, 21, 30, 40];

/// Rows that change at some moments, and rows that never do.
async fn table() -> Table {
    let mut table = Table::new();
    table.load("id,a,b\n1,10,x\n2,20,y\n3,30,x\n4,40,y\n5,50,x\n", moment(10)).await;
    table.take(&[update(20, 1, "99", "y"), delete(30, 2)]).await;
    table.take(&[update(30, 3, "07", "x")]).await;
    table
}

fn options() -> SessionOptions {
    SessionOptions { beyond: Beyond::AsLogged, ..SessionOptions::default() }
}

fn text(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

async fn swept(table: &Table, sql: &str) -> Vec<String> {
    let at_us = MOMENTS.map(seconds);
    let mut sweep = SweepQuery::new(table.lake.catalog.clone(), &table.lake.env, sql, &at_us, None, &options()).unwrap();
    let mut results = Vec::new();
    while let Some((_, rows)) = sweep.next().await.unwrap() {
        results.push(text(&rows.try_collect::<Vec<_>>().await.unwrap()));
    }
    results
}

async fn single(table: &Table, sql: &str, second: u64) -> String {
    let session = session(table.lake.catalog.clone(), &table.lake.env, ReadAt::AsOf(as_logged(second)), &options()).unwrap();
    text(&query(&session, sql).await.unwrap().collect().await.unwrap())
}

#[tokio::test]
async fn a_sweep_answers_as_single_reads_do_whatever_it_keeps() {
    let table = table().await;
    for sql in [
        "select b, count(*) as n, min(a) as low from shop.t group by b order by b",
        "select count(*) as n, max(a) as high from shop.t where id > 1 and a <> '50'",
        "select count(*) as n from shop.t where a > (select avg(cast(a as double)) from shop.t)",
        "select l.b, count(distinct l.a) as n from shop.t l join shop.t r on l.b = r.b and l.id < r.id group by l.b order by l.b",
        "select sum(n) as n from (select count(*) as n from shop.t where a = '10' union all select count(*) as n from shop.t where id = 5)",
        "select min(id) as first from (select id from shop.t order by a desc limit 2)",
    ] {
        for (second, found) in MOMENTS.into_iter().zip(swept(&table, sql).await) {
            assert_eq!(found, single(&table, sql, second).await, "{sql} at {second}");
        }
    }
}

#[tokio::test]
async fn what_a_query_makes_of_unchanged_rows_is_kept_only_where_it_stays_the_same() {
    let table = table().await;
    for (sql, kept) in [
        ("select b, max(a) from shop.t group by b", 1),
        ("select max(upper(a)) from shop.t where id > 1", 1),
        ("select max(a) from shop.t where cast(id as double) > random()", 0),
        ("select max(a) from shop.t where a > (select min(a) from shop.t)", 1),
        ("select a from shop.t", 0),
    ] {
        let plans = swept(&table, &format!("explain {sql}")).await;
        assert!(plans.iter().all(|plan| plan.matches("KeptExec").count() == kept), "{sql}: {}", plans[0]);
    }
}
