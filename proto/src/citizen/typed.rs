//! Bytes in a form that a person can type: groups of four characters of Crockford's base32, which end with a checksum.
//!
//! Case, hyphens and white space do not count, and letters that look like a digit are read as that digit.
//!
//! Invariant: a text that is read gives exactly the bytes from which it was written, or an error.

use sha2::{Digest, Sha256};

use crate::base::ids::CROCKFORD_DIGITS;

/// One kind of such texts.
pub(super) struct Form {
    /// Its name in error messages.
    pub(super) name: &'static str,
    /// Sets the checksums of different kinds apart.
    pub(super) domain: &'static [u8],
    /// Number of characters, a multiple of four. The bits that the bytes do not fill hold the checksum: the first bits of
    /// SHA-256(`domain || bytes`).
    pub(super) characters: usize,
}

/// The reason why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypedError {
    /// It is too short or too long.
    #[error("the {name} has {found} characters, it must have {expected}")]
    Length {
        /// The kind of text.
        name: &'static str,
        /// Number of characters that were found.
        found: usize,
        /// Number of characters that it must have.
        expected: usize,
    },
    /// A character is never part of such a text.
    #[error("the {name} holds {character:?}; its characters are 0-9 and a-z without u")]
    Character {
        /// The kind of text.
        name: &'static str,
        /// The character.
        character: char,
    },
    /// The checksum does not fit.
    #[error("the {name} is mistyped: its last characters do not fit the others")]
    Checksum {
        /// The kind of text.
        name: &'static str,
    },
}

impl Form {
    /// The text of some bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(self.characters * 5 / 4);
        for (number, digit) in self.digits(bytes).into_iter().enumerate() {
            if number > 0 && number % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(CROCKFORD_DIGITS.as_bytes()[usize::from(digit)]));
        }
        text
    }

    /// The bytes of a text. `N` is the number of bytes of this kind.
    pub(super) fn read<const N: usize>(&self, text: &str) -> Result<[u8; N], TypedError> {
        let mut digits = Vec::with_capacity(self.characters);
        for character in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            digits.push(digit(character).ok_or(TypedError::Character { name: self.name, character })?);
        }
        if digits.len() != self.characters {
            let (name, expected) = (self.name, self.characters);
            return Err(TypedError::Length { name, found: digits.len(), expected });
        }
        let mut bytes = [0; N];
        for (number, byte) in bytes.iter_mut().enumerate() {
            let bit = |at: usize| (digits[at / 5] >> (4 - at % 5)) & 1;
            *byte = (8 * number..8 * number + 8).fold(0, |byte, at| byte << 1 | bit(at));
        }
        if self.digits(&bytes) == digits { Ok(bytes) } else { Err(TypedError::Checksum { name: self.name }) }
    }

    /// The digits of some bytes and their checksum, each from 0 to 31.
    fn digits(&self, bytes: &[u8]) -> Vec<u8> {
        let checksum = Sha256::new().chain_update(self.domain).chain_update(bytes).finalize();
        let all = [bytes, &checksum].concat();
        let bit = |at: usize| (all[at / 8] >> (7 - at % 8)) & 1;
        (0..self.characters)
            .map(|number| (5 * number..5 * number + 5).fold(0, |digit, at| digit << 1 | bit(at)))
            .collect()
    }
}

/// The value of a character. Letters that look like a digit count as that digit.
fn digit(character: char) -> Option<u8> {
    let character = match character.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    CROCKFORD_DIGITS.find(character).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { name: "code", domain: b"test\0", characters: 8 };

    #[test]
    fn every_text_is_read_back_however_it_is_typed() {
        for first in 0..=255_u8 {
            let bytes = [first, first.wrapping_mul(37), first.wrapping_add(11)];
            let text = FORM.write(&bytes);
            assert_eq!(text.len(), 9, "{text}");
            let typed = text.replace('0', "O").replace('1', "l").replace('-', " ").to_uppercase();
            assert_eq!((FORM.read(&text), FORM.read(&typed)), (Ok(bytes), Ok(bytes)));
        }
    }

    #[test]
    fn a_mistyped_text_is_recognised() {
        let name = "code";
        let text = FORM.write(&[1, 2, 3]);
        let mut swapped: Vec<char> = text.chars().collect();
        swapped.swap(2, 3);
        assert_eq!(FORM.read::<3>(&swapped.iter().collect::<String>()), Err(TypedError::Checksum { name }));
        assert_eq!(FORM.read::<3>(&text[1..]), Err(TypedError::Length { name, found: 7, expected: 8 }));
        let character = 'u';
        assert_eq!(FORM.read::<3>("uuuu-uuuu"), Err(TypedError::Character { name, character }));
    }
}
