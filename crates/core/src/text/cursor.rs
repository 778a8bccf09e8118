//! A place in ASCII text.

/// Reads bytes from the front of a text.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes the byte when it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Whether the word comes next.
    pub(super) fn is_at(&self, word: &str) -> bool {
        self.0.starts_with(word.as_bytes())
    }

    /// Takes the word when it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let rest = self.0.strip_prefix(word.as_bytes());
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes a sign and says whether it is a minus.
    pub(super) fn sign(&mut self) -> bool {
        self.take(b'-') || {
            self.take(b'+');
            false
        }
    }

    pub(super) fn digit(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        let digit = first.wrapping_sub(b'0');
        (digit < 10).then(|| {
            self.0 = rest;
            digit
        })
    }

    /// A number of at least `min` and at most `max` digits; `max` is below ten.
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        let mut value = 0;
        for at in 0..max {
            match self.digit() {
                Some(digit) => value = value * 10 + u32::from(digit),
                None if at < min => return None,
                None => break,
            }
        }
        Some(value)
    }

    /// Two digits of at most `most`.
    pub(super) fn two(&mut self, most: u32) -> Option<u32> {
        self.number(2, 2).filter(|&value| value <= most)
    }

    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
