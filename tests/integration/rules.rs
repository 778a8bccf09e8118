//! The rules of DESIGN.md that decide what a table holds: one small history each, through the program where files and
//! folds decide (1 to 9, 17), and through the engine where commits do (18 to 20).

mod commits;
mod order;
mod rows;
mod watermark;

use std::collections::BTreeSet;

use serde_json::Value;
use waterline_core::change::Op;
use waterline_core::sequence::Domain;
use waterline_core::table::TableName;
use waterline_testkit::cell::Cell;
use waterline_testkit::debezium::{ddl, lines};
use waterline_testkit::histories::table_schema;
use waterline_testkit::oracle::{Event, Mark, Order};

use crate::shell::{Shell, TextRow, assert_same, report_of};

const ORDERS: &str = "shop.orders";
/// Event times count in seconds from here: 2025-11-21T04:40:00Z.
const START_US: i64 = 1_763_700_000_000_000;

const SECTIONS: &str = "\
[sources.shop]
path = \"landing/pg.{table}/\"
format = \"debezium-json\"
schema = { ddl = \"ddl.sql\" }
";

/// An event of the row with this `id`, at this place in PostgreSQL's order and as many seconds in time.
fn event(op: Op, (commit, position): (impl Into<Option<u64>>, u64), id: i64, columns: &[(&str, &str)]) -> Event {
    let key = vec![Cell::from("eu"), Cell::from(id)];
    let given = columns.iter().map(|(name, value)| ((*name).to_owned(), Cell::from(*value)));
    let keys = [("region".to_owned(), key[0].clone()), ("id".to_owned(), key[1].clone())];
    Event {
        domain: Domain("pg".into()),
        sequence: Order { commit: commit.into(), position, ordinal: 0 },
        op,
        key: (op != Op::Truncate).then_some(key),
        old_key: None,
        event_time_us: START_US + i64::try_from(position).unwrap() * 1_000_000,
        image: if op == Op::Truncate { Default::default() } else { keys.into_iter().chain(given).collect() },
        unset: BTreeSet::new(),
        mark: Mark::None,
    }
}

fn without(mut event: Event, unset: &[&str]) -> Event {
    event.unset = unset.iter().map(|name| (*name).to_owned()).collect();
    event
}

/// A row of `eu` as text.
fn row(id: i64, columns: &[(&str, &str)]) -> TextRow {
    let id = id.to_string();
    [("region", "eu"), ("id", &id)].iter().chain(columns).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A lake with one table whose events land as Debezium's lines.
struct Orders(Shell);

impl Orders {
    fn new(more: &str) -> Self {
        let shell = Shell::new(&format!("{SECTIONS}{more}"));
        shell.write("ddl.sql", ddl(&ORDERS.parse().unwrap(), &table_schema()));
        Self(shell)
    }

    fn text(events: &[Event]) -> String {
        let table: TableName = ORDERS.parse().unwrap();
        lines(&table, &table_schema(), events).iter().map(|line| format!("{line}\n")).collect()
    }

    fn land(&self, file: &str, text: &str) {
        self.0.write(&format!("landing/pg.shop.orders/{file}"), text);
    }

    /// Lands a file and merges it; returns what the report says of the table.
    #[track_caller]
    fn take(&self, file: &str, events: &[Event]) -> Value {
        self.land(file, &Self::text(events));
        report_of(&self.0.json(&["run"]), ORDERS).clone()
    }

    #[track_caller]
    fn holds(&self, rows: &[TextRow]) {
        assert_same(ORDERS, &self.0.table(ORDERS), rows);
    }
}
