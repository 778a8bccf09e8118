//! Z85 (ZeroMQ RFC 32): four bytes as five printable characters. Deletion vectors are named and stored inline so.

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Bytes are filled up with zeros to a multiple of four.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(4) * 5);
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(word);
        text.extend([85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1].map(|unit| char::from(ALPHABET[(number / unit % 85) as usize])));
    }
    text
}

/// `None` for what is no Z85.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    if !text.len().is_multiple_of(5) {
        return None;
    }
    for chunk in text.as_bytes().chunks(5) {
        let mut number: u32 = 0;
        for character in chunk {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            number = number.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        bytes.extend(number.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    /// The example of the RFC.
    #[test]
    fn the_example_of_the_specification() {
        let bytes = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert_eq!(encode(&bytes), "HelloWorld");
        assert_eq!(decode("HelloWorld").as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn what_is_no_z85_is_refused() {
        for text in ["Hello Worl", "Hell", "#####", "é123"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
