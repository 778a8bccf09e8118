//! Where rows are that were copied into other files, in their order and without those that were deleted: a row's place among
//! all rows that stayed is the same before and after, so that no row needs to be remembered.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringTreemap;

#[derive(Clone, Debug, Default)]
pub struct Moves {
    from: HashMap<String, Source>,
    /// New files with the places at which they begin.
    to: Vec<(u64, String)>,
}

#[derive(Clone, Debug)]
struct Source {
    /// Place of its first row.
    start: u64,
    gone: RoaringTreemap,
}

impl Moves {
    /// `from` are the files in the order in which they were copied, with their rows and those of them that were gone; `to` the new
    /// ones, with their rows.
    pub fn new(from: impl IntoIterator<Item = (String, u64, RoaringTreemap)>, to: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut moves = Self::default();
        let mut place = 0;
        for (path, rows, gone) in from {
            let stayed = rows - gone.len();
            moves.from.insert(path, Source { start: place, gone });
            place += stayed;
        }
        place = 0;
        for (path, rows) in to {
            moves.to.push((place, path));
            place += rows;
        }
        moves
    }

    /// Where these rows of a file are now, by new file. Rows that were gone are nowhere.
    pub fn places(&self, path: &str, rows: &RoaringTreemap) -> BTreeMap<String, RoaringTreemap> {
        let mut places: BTreeMap<String, RoaringTreemap> = BTreeMap::new();
        let Some(source) = self.from.get(path) else { return places };
        for position in (rows - &source.gone).iter() {
            let place = source.start + position - source.gone.rank(position);
            let file = self.to.partition_point(|(start, _)| *start <= place);
            if let Some((start, path)) = file.checked_sub(1).and_then(|file| self.to.get(file)) {
                places.entry(path.clone()).or_default().insert(place - start);
            }
        }
        places
    }
}
