use super::*;

#[test]
fn spans_add_their_parts() {
    for (text, ms) in [("0s", 0), ("500ms", 500), ("90s", 90_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("2w", 1_209_600_000)] {
        assert_eq!(text.parse::<Span>().unwrap().0, Duration::from_millis(ms), "{text}");
    }
}

#[test]
fn sizes_tell_powers_of_two_from_powers_of_ten() {
    for (text, bytes) in [("1024", 1024), ("64k", 64_000), ("512MiB", 536_870_912), ("1 GB", 1_000_000_000)] {
        assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
    }
}

#[test]
fn what_has_no_number_or_unit_is_refused() {
    for text in ["", "5", "s", "-1s", "1.5h", "99999999999999999999d", "9999999999999999w"] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
    for text in ["", "0", "MiB", "1XB", "99999999999999T"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let secret = Secret::new("postgres://u:p@h/d");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(secret.expose(), "postgres://u:p@h/d");
}
