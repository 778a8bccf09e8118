//! Spans of time as table properties have them: `interval 1 week`, `interval 30 days`.

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// `None` for what is not understood.
pub(crate) fn interval_ms(text: &str) -> Option<i64> {
    let text = text.to_lowercase();
    let mut words = text.split_whitespace().filter(|word| *word != "interval").peekable();
    words.peek()?;
    let mut sum: i64 = 0;
    while let Some(count) = words.next() {
        let unit_ms = match words.next()?.trim_end_matches('s') {
            "week" => WEEK_MS,
            "day" => WEEK_MS / 7,
            "hour" => 3_600_000,
            "minute" => 60_000,
            "second" => 1_000,
            "millisecond" => 1,
            _ => return None,
        };
        sum = sum.checked_add(count.parse::<i64>().ok()?.checked_mul(unit_ms)?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::interval_ms;

    #[test]
    fn intervals_are_sums_of_spans() {
        let day = 86_400_000;
        for (text, ms) in [
            ("interval 1 week", Some(7 * day)),
            ("INTERVAL 30 days", Some(30 * day)),
            ("1 day 12 hours", Some(day + day / 2)),
            ("interval 90 seconds 5 milliseconds", Some(90_005)),
            ("interval 1 month", None),
            ("interval", None),
            ("interval 1", None),
            ("interval x days", None),
            ("interval 9223372036854775807 weeks", None),
        ] {
            assert_eq!(interval_ms(text), ms, "{text}");
        }
    }
}
