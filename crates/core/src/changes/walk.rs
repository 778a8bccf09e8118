//! The walk over the events of keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{Detail, Step, Told, Walked};
use crate::change::ChangeBatch;
use crate::collapse::{Folding, Slot, fold_order};
use crate::error::Result;
use crate::key::KeyId;
use crate::schema::TableSchema;

/// What events of keys do after a time. `events` are all those that follow upon a state from before it, in any order; truncates
/// have no row of their own here.
pub fn walk<'a>(events: &'a ChangeBatch, schema: &'a TableSchema, since_us: i64, detail: Detail) -> Result<Walked<'a>> {
    let (order, _) = fold_order(events);
    let mut walk = Walk { events, since_us, folding: Folding::new(events, schema)?, order, steps: Vec::new() };
    let groups = walk.groups()?;
    match detail {
        Detail::EveryEvent => walk.every_event(&groups)?,
        Detail::Net => walk.net(&groups)?,
    }
    Ok(Walked { events, schema, keys: walk.folding.into_keys(), steps: walk.steps })
}

struct Walk<'a> {
    events: &'a ChangeBatch,
    since_us: i64,
    folding: Folding<'a>,
    /// All events as they are folded.
    order: Vec<u32>,
    steps: Vec<Step>,
}

/// Keys that continue each other's rows, as one group each.
struct Groups {
    of_key: Vec<usize>,
    /// By event as it is folded; `None` for a truncate.
    of_event: Vec<Option<usize>>,
}

impl Walk<'_> {
    fn time(&self, row: u32) -> i64 {
        self.events.event_times().value(row as usize)
    }

    fn groups(&mut self) -> Result<Groups> {
        let mut keys = Vec::with_capacity(self.order.len());
        for row in &self.order {
            keys.push(self.folding.keys_of(*row)?);
        }
        let mut of_key: Vec<usize> = (0..self.folding.keys().len()).collect();
        for (key, old) in keys.iter().flatten() {
            if let Some(old) = old {
                let (one, other) = (first_of(&of_key, *key), first_of(&of_key, *old));
                of_key[one.max(other)] = one.min(other);
            }
        }
        for key in self.folding.keys().ids() {
            of_key[key.index()] = first_of(&of_key, key);
        }
        let of_event = keys.into_iter().map(|keys| keys.map(|(key, _)| of_key[key.index()])).collect();
        Ok(Groups { of_key, of_event })
    }

    fn every_event(&mut self, groups: &Groups) -> Result<()> {
        let disordered = self.disordered(groups);
        let order = std::mem::take(&mut self.order);
        for (row, group) in order.iter().zip(&groups.of_event) {
            match group {
                Some(group) if disordered.contains(group) => {}
                Some(_) => self.step(*row)?,
                None => self.folding.apply(*row)?,
            }
        }
        let mut groups_apart: BTreeMap<usize, (Vec<u32>, Vec<KeyId>)> =
            disordered.into_iter().map(|group| (group, Default::default())).collect();
        for (row, group) in order.iter().zip(&groups.of_event) {
            match group {
                Some(group) => groups_apart.get_mut(group).into_iter().for_each(|(rows, _)| rows.push(*row)),
                None => groups_apart.values_mut().for_each(|(rows, _)| rows.push(*row)),
            }
        }
        for key in self.folding.keys().ids() {
            groups_apart.get_mut(&groups.of_key[key.index()]).into_iter().for_each(|(_, keys)| keys.push(key));
        }
        groups_apart.values().try_for_each(|(rows, keys)| self.disordered_steps(rows, keys))
    }

    /// Groups whose events, with all truncates, come in another order by their times than by their sequences.
    fn disordered(&self, groups: &Groups) -> BTreeSet<usize> {
        let mut disordered = BTreeSet::new();
        let (mut latest, mut latest_truncate) = (vec![i64::MIN; groups.of_key.len()], i64::MIN);
        for (row, group) in self.order.iter().zip(&groups.of_event) {
            let time = self.time(*row);
            match group {
                Some(group) if time < latest[*group].max(latest_truncate) => drop(disordered.insert(*group)),
                Some(group) => latest[*group] = time,
                None => latest_truncate = latest_truncate.max(time),
            }
        }
        let mut earliest_truncate = i64::MAX;
        for (row, group) in self.order.iter().zip(&groups.of_event).rev() {
            let time = self.time(*row);
            match group {
                Some(group) if time > earliest_truncate => drop(disordered.insert(*group)),
                Some(_) => {}
                None => earliest_truncate = earliest_truncate.min(time),
            }
        }
        disordered
    }

    /// Applies the next event.
    fn step(&mut self, row: u32) -> Result<()> {
        let keys = self.folding.keys_of(row)?.filter(|_| self.time(row) > self.since_us);
        let Some((key, _)) = keys else { return self.folding.apply(row) };
        let before = self.folding.slot(key);
        self.folding.apply(row)?;
        let after = self.folding.slot(key);
        self.steps.push(Step { event: row, before, after, told: Told::AsLogged });
        Ok(())
    }

    /// The events of one group, and truncates, given as they are folded.
    fn disordered_steps(&mut self, rows: &[u32], keys: &[KeyId]) -> Result<()> {
        let mut feed: Vec<usize> = (0..rows.len()).collect();
        feed.sort_by_key(|at| (self.time(rows[*at]), *at));
        self.folding.restart(keys.iter().copied());
        let mut known = BTreeSet::new();
        for at in feed {
            let before = self.slots(keys);
            let is_newest = known.last().is_none_or(|last| *last < at);
            known.insert(at);
            if is_newest {
                self.folding.apply(rows[at])?;
            } else {
                self.folding.restart(keys.iter().copied());
                known.iter().try_for_each(|at| self.folding.apply(rows[*at]))?;
            }
            if self.time(rows[at]) > self.since_us {
                let after = self.slots(keys);
                self.tell(rows[at], keys, before, after)?;
            }
        }
        Ok(())
    }

    fn slots(&mut self, keys: &[KeyId]) -> Vec<Slot> {
        keys.iter().map(|key| self.folding.slot(*key)).collect()
    }

    /// The event's own row, and those of other keys that it changed. A truncate leaves nothing that is not said to be there.
    fn tell(&mut self, event: u32, keys: &[KeyId], before: Vec<Slot>, after: Vec<Slot>) -> Result<()> {
        let own = self.folding.keys_of(event)?.map(|(key, _)| key);
        for ((key, before), after) in keys.iter().zip(before).zip(after) {
            let (before, told) = match own {
                Some(own) if own == *key => (before, Told::AsLogged),
                Some(_) => (before, Told::ByRows),
                None => (Slot::Nothing, Told::ByRows),
            };
            if told == Told::AsLogged || before != after {
                self.steps.push(Step { event, before, after, told });
            }
        }
        Ok(())
    }

    /// One step for each key that may differ between the two moments.
    fn net(&mut self, groups: &Groups) -> Result<()> {
        let newest = self.newest(groups)?;
        let order = std::mem::take(&mut self.order);
        let keys: Vec<KeyId> = self.folding.keys().ids().collect();
        let early = order.iter().filter(|row| self.events.event_times().value(**row as usize) <= self.since_us);
        early.copied().try_for_each(|row| self.folding.apply(row))?;
        let before = self.slots(&keys);
        self.folding.restart(keys.iter().copied());
        order.iter().try_for_each(|row| self.folding.apply(*row))?;
        let after = self.slots(&keys);
        for ((event, before), after) in newest.into_iter().zip(before).zip(after) {
            if let Some(event) = event.filter(|_| before != after) {
                self.steps.push(Step { event, before, after, told: Told::ByRows });
            }
        }
        Ok(())
    }

    /// By key: its newest event after the time, truncates included; where it has none, the newest of its group.
    fn newest(&mut self, groups: &Groups) -> Result<Vec<Option<u32>>> {
        let mut of_key: Vec<Option<(i64, usize)>> = vec![None; groups.of_key.len()];
        let (mut of_group, mut of_all) = (of_key.clone(), None);
        for (at, row) in self.order.iter().enumerate() {
            let place = Some((self.events.event_times().value(*row as usize), at)).filter(|(time, _)| *time > self.since_us);
            match self.folding.keys_of(*row)? {
                Some((key, _)) => {
                    of_key[key.index()] = of_key[key.index()].max(place);
                    let group = groups.of_key[key.index()];
                    of_group[group] = of_group[group].max(place);
                }
                None => of_all = of_all.max(place),
            }
        }
        let newest = |key: usize| of_key[key].max(of_all).or(of_group[groups.of_key[key]]);
        Ok((0..of_key.len()).map(|key| newest(key).map(|(_, at)| self.order[at])).collect())
    }
}

/// The first key of a group whose keys lead to it.
fn first_of(leads_to: &[usize], key: KeyId) -> usize {
    let mut at = key.index();
    while leads_to[at] != at {
        at = leads_to[at];
    }
    at
}
