//! Files of moments: `--as-of-each`.

use std::collections::HashSet;
use std::path::Path;

use chrono_tz::Tz;
use waterline_core::error::{Error, Result};

use crate::settings::{parse_moment, read_text};

pub(crate) fn read_moments(path: &Path, timezone: Option<Tz>) -> Result<Vec<i64>> {
    moments(&read_text(path)?, timezone).map_err(|e| e.with("file", path.display()))
}

/// The moments in the first fields of a CSV file, each once, in their order; a first line without a digit in it is a header.
fn moments(text: &str, timezone: Option<Tz>) -> Result<Vec<i64>> {
    let (mut moments, mut known) = (Vec::new(), HashSet::new());
    for (number, line) in text.lines().enumerate() {
        let field = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
        let is_header = number == 0 && !field.contains(|c: char| c.is_ascii_digit());
        if field.is_empty() || is_header {
            continue;
        }
        let moment = parse_moment(field, timezone).map_err(|e| e.with("line", number + 1))?;
        if known.insert(moment) {
            moments.push(moment);
        }
    }
    if moments.is_empty() {
        return Err(Error::usage("there are no moments in the first field of any line"));
    }
    Ok(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_stand_in_the_first_field_with_or_without_a_header() {
        let expected = vec![1_762_916_400_000_000, 1_762_973_651_000_000];
        let plain = "2025-11-12T03:00:00Z\n2025-11-12T18:54:11Z,case 7\n\n2025-11-12 12:00:00+09:00\n";
        assert_eq!(moments(plain, None).unwrap(), expected);
        assert_eq!(moments(&format!("at,what\n{plain}"), None).unwrap(), expected);
        assert_eq!(moments("\"2025-11-12T03:00:00Z\"\r\n2025-11-12T18:54:11Z\r\n", None).unwrap(), expected);
        assert_eq!(moments("2025-11-12 12:00:00\n", Some(chrono_tz::Asia::Tokyo)).unwrap(), expected[..1]);
    }

    #[test]
    fn what_is_no_moment_is_named_by_its_line() {
        assert!(moments("at\n2025-11-12T03:00:00Z\nnoon\n", None).unwrap_err().to_string().contains("line 3"));
        assert!(moments("2025-11-12 03:00:00\n", None).unwrap_err().to_string().contains("line 1"));
        assert!(moments("at\n", None).is_err() && moments("", None).is_err());
    }
}
