//! The citizen's side of a complaint: draws reply codes, signs words with their keys, and shows both as QR codes.
//!
//! Must not send a reply code or keep it: a node gets public keys and signed words only.

use std::time::Duration;

use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use sinergi_proto::citizen::{ReplyCode, SignedWord};
use sinergi_proto::operator_api::{LodgeRequest, Reply};
use sinergi_proto::wire::KeyOrigin;

/// A new reply code, from the system's random numbers.
pub fn draw() -> ReplyCode {
    ReplyCode::from(rand::random::<[u8; 16]>())
}

/// Puts the public key of a drawn code into a request.
pub fn commit(request: &mut LodgeRequest, code: &ReplyCode) {
    (request.citizen_key, request.key_origin) = (code.public().to_vec(), KeyOrigin::Drawn.into());
}

/// The number of the next word: the time in seconds since 1970, so that words from several devices have rising numbers. It is above `highest`.
pub fn next_number(highest: u64, now: Timestamp) -> u64 {
    let seconds = now.duration_since(Timestamp::UNIX_EPOCH);
    let seconds = Duration::try_from(seconds).map_or(0, |since| since.as_secs());
    seconds.max(highest.saturating_add(1))
}

/// The act that carries a signed word.
pub fn carried(signed: &SignedWord) -> Reply {
    let word = &signed.word;
    Reply {
        word: word.says.into(),
        answer: word.answer.map(|answer| answer.0.to_vec()).unwrap_or_default(),
        score: word.score.into(),
        number: word.number,
        signature: signed.signature.to_vec(),
    }
}

/// The text of a code, a key or a word as a QR code for a terminal with a dark background. `None` if it is too long for one.
pub fn qr(text: &str) -> Option<String> {
    // Capital letters need fewer bits, and hyphens none.
    let text = text.to_uppercase().replace('-', "");
    let code = QrCode::new(text).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_numbers_rise_with_the_time_and_above_every_earlier_one() {
        let now = |seconds| Timestamp::from_second(seconds).expect("a time");
        assert_eq!(next_number(0, now(1_764_000_000)), 1_764_000_000);
        assert_eq!(next_number(1_764_000_000, now(1_764_000_000)), 1_764_000_001);
        assert_eq!(next_number(7, now(-5)), 8);
        assert_eq!(next_number(u64::MAX, now(5)), u64::MAX);
    }

    #[test]
    fn a_code_becomes_a_small_qr_code() {
        let shown = qr(&ReplyCode::from([7; 16]).to_string()).expect("a QR code");
        let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]) && widths[0] <= 40, "{shown}");
        assert_ne!(draw(), draw());
    }
}
