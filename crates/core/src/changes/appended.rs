//! Changes of a table without a key: its rows are what was created since the last truncate.

use super::{Detail, Step, Told, Walked};
use crate::change::{ChangeBatch, Op};
use crate::collapse::{Image, Slot, fold_order};
use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyIndex;
use crate::schema::TableSchema;

/// What events do after a time. `events` are those that take part in it ([`super::takes_part`]), in any order. Here truncates have rows.
pub fn appended<'a>(events: &'a ChangeBatch, schema: &'a TableSchema, since_us: i64, detail: Detail) -> Result<Walked<'a>> {
    let order = fold_order(events).0;
    let mut feed: Vec<usize> = (0..order.len()).collect();
    feed.sort_by_key(|at| (events.event_times().value(order[*at] as usize), *at));
    let mut appended = Appended { live: Vec::new(), truncated: None, steps: Vec::new() };
    for at in feed {
        let row = order[at];
        let is_new = events.event_times().value(row as usize) > since_us;
        match events.op(row as usize)? {
            Op::Create | Op::Read => appended.create(at, row, is_new),
            Op::Truncate => appended.truncate(at, row, &order, is_new),
            op => return Err(needs_key(op)),
        }
    }
    let mut steps = appended.steps;
    if detail == Detail::Net {
        // What a truncate took away is not told, nor a truncate before another.
        let last = steps.iter().rposition(|step| is_truncate(events, step)).unwrap_or(0);
        steps.drain(..last);
        steps.retain(|step| step.after != Slot::Nothing || is_truncate(events, step));
    }
    Ok(Walked { events, schema, keys: KeyIndex::default(), steps })
}

struct Appended {
    /// Places, as events are folded, of the creates whose rows are there.
    live: Vec<usize>,
    /// The highest place of a truncate.
    truncated: Option<usize>,
    steps: Vec<Step>,
}

impl Appended {
    /// A truncate that came before in the feed, but is after the create by its sequence, takes the row away at once.
    fn create(&mut self, at: usize, row: u32, is_new: bool) {
        let is_live = self.truncated.is_none_or(|truncated| truncated < at);
        if is_live {
            self.live.push(at);
        }
        if is_new {
            let after = if is_live { whole(row) } else { Slot::Nothing };
            self.steps.push(Step { event: row, before: Slot::Nothing, after, told: Told::AsLogged });
        }
    }

    fn truncate(&mut self, at: usize, row: u32, order: &[u32], is_new: bool) {
        self.truncated = self.truncated.max(Some(at));
        self.live.retain(|live| *live > at);
        if is_new {
            self.steps.push(Step { event: row, before: Slot::Nothing, after: Slot::Nothing, told: Told::AsLogged });
            let outlive = self.live.iter().map(|live| whole(order[*live]));
            let consequence = |after| Step { event: row, before: Slot::Nothing, after, told: Told::ByRows };
            self.steps.extend(outlive.map(consequence));
        }
    }
}

fn whole(row: u32) -> Slot {
    Slot::Image(Image { row, patches: Vec::new() })
}

fn is_truncate(events: &ChangeBatch, step: &Step) -> bool {
    step.told == Told::AsLogged && events.ops().value(step.event as usize) == Op::Truncate.as_str()
}

fn needs_key(op: Op) -> Error {
    Error::new(
        ErrorKind::BadInput,
        "a table without a key is append-only; give it a key (`keys` in waterline.toml) to take updates and deletes",
    )
    .with("op", op.as_str())
}
