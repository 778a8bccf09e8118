//! Shorter text as a bound of longer.

/// The text itself when it has no more than `kept` characters, else the shortest text above all that start like it; `None` when
/// there is none.
pub fn cut_upwards(text: &str, kept: usize) -> Option<String> {
    if text.chars().nth(kept).is_none() {
        return Some(text.to_owned());
    }
    let mut kept: Vec<char> = text.chars().take(kept).collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = successor(last) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

/// The next code point; those of surrogates are no characters.
fn successor(character: char) -> Option<char> {
    match character {
        '\u{D7FF}' => Some('\u{E000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}
