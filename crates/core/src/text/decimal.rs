//! Decimals from text.

use super::cursor::Cursor;

/// The unscaled value of a decimal such as `-12.50` or `1.25E+3`. `None` when the text is no number, or when the value
/// has more digits than the precision or non-zero digits beyond the scale.
pub fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let mut cursor = Cursor::new(text);
    let negative = cursor.sign();
    let mut digits = Digits::default();
    digits.read(&mut cursor)?;
    let mut fraction_digits = 0;
    if cursor.take(b'.') {
        let before = digits.count;
        digits.read(&mut cursor)?;
        fraction_digits = digits.count - before;
    }
    if digits.count == 0 {
        return None;
    }
    let exponent = exponent(&mut cursor)?;
    cursor.end()?;
    if digits.mantissa == 0 {
        return Some(0);
    }
    // The mantissa ends in a non-zero digit, so a negative shift would drop it.
    let shift = i64::from(digits.zeros) + exponent + i64::from(scale) - i64::from(fraction_digits);
    let power = 10u128.checked_pow(u32::try_from(shift).ok()?)?;
    let magnitude = digits.mantissa.checked_mul(power)?;
    let bound = 10u128.checked_pow(u32::from(precision))?;
    let value = i128::try_from(magnitude).ok().filter(|_| magnitude < bound)?;
    Some(if negative { -value } else { value })
}

fn exponent(cursor: &mut Cursor) -> Option<i64> {
    if !cursor.take(b'e') && !cursor.take(b'E') {
        return Some(0);
    }
    let negative = cursor.sign();
    let value = i64::from(cursor.number(1, 6)?);
    Some(if negative { -value } else { value })
}

/// A run of decimal digits as `mantissa * 10^zeros`, where the mantissa does not end in zero.
#[derive(Default)]
struct Digits {
    mantissa: u128,
    zeros: u32,
    count: u32,
}

impl Digits {
    /// `None` when the digits do not fit.
    fn read(&mut self, cursor: &mut Cursor) -> Option<()> {
        while let Some(digit) = cursor.digit() {
            self.count = self.count.checked_add(1)?;
            if digit == 0 {
                self.zeros += u32::from(self.mantissa != 0);
                continue;
            }
            let power = 10u128.checked_pow(self.zeros + 1)?;
            self.mantissa = self.mantissa.checked_mul(power)?.checked_add(u128::from(digit))?;
            self.zeros = 0;
        }
        Some(())
    }
}
