//! Random values that are the same everywhere.

/// A xorshift generator.
pub struct Numbers(u64);

impl Numbers {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn unit(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    pub fn word(&mut self) -> String {
        let length = 10 + self.below(21);
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    pub fn time_us(&mut self) -> i64 {
        1_600_000_000_000_000 + self.below(100_000_000_000_000) as i64
    }

    /// A time as Debezium writes a `timestamptz`.
    pub fn time(&mut self) -> String {
        let (day, second, us) = (1 + self.below(28), self.below(60), self.below(1_000_000));
        format!("2021-{:02}-{day:02}T{:02}:{:02}:{second:02}.{us:06}Z", 1 + self.below(12), self.below(24), self.below(60))
    }

    pub fn shuffled<T>(&mut self, values: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut values: Vec<T> = values.into_iter().collect();
        for at in (1..values.len()).rev() {
            values.swap(at, self.below(at as u64 + 1) as usize);
        }
        values
    }
}
