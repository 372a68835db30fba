//! The citizen's word on an answer, and its signature.
//!
//! Must not know the effect of a word.

use std::fmt;
use std::str::FromStr;

use super::CitizenKey;
use super::typed::{Form, TypedError};
use crate::base::ids::{ComplaintId, EntryId};
use crate::base::key::{PublicKey, SigningKey};
use crate::wire::ReplyWord;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
const DOMAIN: &[u8] = b"sinergi/word/v2\0";
/// Bytes of complaint, answer, word, score and number.
const FIELDS: usize = 32 + 32 + 1 + 1 + 8;
const TEXT_BYTES: usize = FIELDS + SIGNATURE_BYTES;
const TEXT: Form = Form { name: "signed word", domain: DOMAIN, characters: 224 };

/// One word of the citizen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word. `Unspecified` if this version does not know it.
    pub says: ReplyWord,
    /// The entry that it is about. `None`: no particular one.
    pub answer: Option<EntryId>,
    /// 1 to 5; 0: none.
    pub score: u8,
    /// The citizen's words have rising numbers, from 1 on.
    pub number: u64,
}

impl Word {
    /// The message that the citizen signs:
    /// `"sinergi/word/v2\0" || complaint || answer (zero if there is none) || word || score || number (big-endian)`.
    pub fn statement(&self, complaint: &ComplaintId) -> Vec<u8> {
        [DOMAIN, &self.fields(complaint)].concat()
    }

    /// The word with the signature of a key.
    pub fn sign(self, complaint: ComplaintId, key: &SigningKey) -> SignedWord {
        let signature = key.sign(&self.statement(&complaint)).to_bytes();
        SignedWord { complaint, word: self, signature }
    }

    fn fields(&self, complaint: &ComplaintId) -> [u8; FIELDS] {
        let mut fields = [0; FIELDS];
        fields[..32].copy_from_slice(&complaint.0);
        fields[32..64].copy_from_slice(&self.answer.unwrap_or(EntryId([0; 32])).0);
        fields[64] = u8::try_from(i32::from(self.says)).unwrap_or_default();
        fields[65] = self.score;
        fields[66..].copy_from_slice(&self.number.to_be_bytes());
        fields
    }
}

/// The body of `Replied`: a word, and the citizen's signature if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The word.
    pub word: Word,
    /// The signature. `None`: the intake agency notes in its own name what the citizen said.
    pub signature: Option<[u8; SIGNATURE_BYTES]>,
}

impl Reply {
    /// Whether the signature is the citizen's, for this complaint.
    pub fn verifies(&self, complaint: &ComplaintId, key: &CitizenKey) -> bool {
        let Ok(key) = PublicKey::try_from(key.public.as_slice()) else { return false };
        self.signature.is_some_and(|signature| key.verifies(&self.word.statement(complaint), &signature))
    }
}

/// A signed word that names its complaint. As text it can be passed on and carried by any agency that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWord {
    /// The complaint.
    pub complaint: ComplaintId,
    /// The word.
    pub word: Word,
    /// The citizen's signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl FromStr for SignedWord {
    type Err = TypedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; TEXT_BYTES] = TEXT.read(text)?;
        let (fields, rest) = bytes.split_at(FIELDS);
        let part = |from: usize| <[u8; 32]>::try_from(&fields[from..from + 32]).expect("32 bytes");
        let answer = part(32);
        let word = Word {
            says: ReplyWord::try_from(i32::from(fields[64])).unwrap_or(ReplyWord::Unspecified),
            answer: (answer != [0; 32]).then_some(EntryId(answer)),
            score: fields[65],
            number: u64::from_be_bytes(fields[66..].try_into().expect("8 bytes")),
        };
        Ok(Self { complaint: ComplaintId(part(0)), word, signature: rest.try_into().expect("64 bytes") })
    }
}

impl fmt::Display for SignedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&TEXT.write(&[&self.word.fields(&self.complaint)[..], &self.signature].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citizen::ReplyCode;

    const COMPLAINT: ComplaintId = ComplaintId([1; 32]);

    fn word() -> Word {
        Word { says: ReplyWord::Satisfied, answer: Some(EntryId([2; 32])), score: 4, number: 7 }
    }

    #[test]
    fn a_signature_is_for_one_complaint_answer_word_score_and_number() {
        let key = ReplyCode::from([3; 16]).key();
        let public = CitizenKey { public: (&key.verification_key()).into(), origin: 1 };
        let signature = word().sign(COMPLAINT, &key).signature;
        let verifies = |word: Word, complaint| Reply { word, signature: Some(signature) }.verifies(&complaint, &public);
        assert!(verifies(word(), COMPLAINT));
        assert!(!verifies(word(), ComplaintId([9; 32])));
        let others = [
            Word { says: ReplyWord::Dissatisfied, ..word() },
            Word { answer: Some(EntryId([9; 32])), ..word() },
            Word { answer: None, ..word() },
            Word { score: 5, ..word() },
            Word { number: 8, ..word() },
        ];
        for other in others {
            assert!(!verifies(other.clone(), COMPLAINT), "{other:?}");
        }
        assert!(!Reply { word: word(), signature: None }.verifies(&COMPLAINT, &public));
        let no_point = CitizenKey { public: [2; 32], ..public };
        assert!(!Reply { word: word(), signature: Some(signature) }.verifies(&COMPLAINT, &no_point));
    }

    #[test]
    fn a_signed_word_is_read_back_from_its_text() {
        let key = ReplyCode::from([3; 16]).key();
        for word in [word(), Word { says: ReplyWord::Information, answer: None, score: 0, number: u64::MAX }] {
            let signed = word.sign(COMPLAINT, &key);
            assert_eq!(signed.to_string().parse(), Ok(signed));
        }
        let name = "signed word";
        assert_eq!("0000".parse::<SignedWord>(), Err(TypedError::Length { name, found: 4, expected: 224 }));
    }
}
