//! Checkpoints: signed statements about a ledger.
//!
//! A checkpoint is a C2SP `tlog-checkpoint`: a signed note over the origin, the size and the root of a ledger. The agency adds a
//! `cosignature/v1` line of its own, which says the time.
//!
//! Must not know how the tree is kept, or which keys the charter lists.
//!
//! Invariants:
//! - the origin is `<federation>/<agency>/<epoch>`, and the key has the same name, so every C2SP tool can read the note;
//! - the time line is under a separate key, named `<federation>/<agency>/time`.
//!
//! Source: c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature.

use signed_note::Note;
use tlog_tiles::{Checkpoint as TlogCheckpoint, Hash};

use crate::base::ids::{AgencyId, Epoch};
use crate::base::key::{PublicKey, SigningKey};
use crate::base::limits;
use crate::tlog::note::{self, KnownKeys, NoteKey, NoteKeyUse};

/// The origin of an agency's ledger in one epoch.
pub fn origin(federation: &str, agency: &AgencyId, epoch: Epoch) -> String {
    format!("{federation}/{agency}/{epoch}")
}

/// The name of an agency's time key.
pub fn time_key_name(federation: &str, agency: &AgencyId) -> String {
    format!("{federation}/{agency}/time")
}

/// Signs the checkpoints of one epoch of a ledger.
pub struct CheckpointSigner {
    origin: String,
    key: SigningKey,
    time_name: String,
    time_key: SigningKey,
}

impl CheckpointSigner {
    /// The signer for the ledger of `agency` in `epoch`.
    pub fn new(federation: &str, agency: &AgencyId, epoch: Epoch, key: SigningKey, time_key: SigningKey) -> Self {
        Self { origin: origin(federation, agency, epoch), key, time_name: time_key_name(federation, agency), time_key }
    }

    /// Signs the tree of `size` leaves with `root`, and that it was seen at `seconds` since 1970, if the time is confirmed. Returns the note.
    ///
    /// The caller must have made these leaves durable. A checkpoint over lost leaves makes the ledger look rolled back.
    pub fn sign(&self, size: u64, root: [u8; 32], seconds: impl Into<Option<u64>>) -> Vec<u8> {
        let text = TlogCheckpoint::new(&self.origin, size, Hash(root), "")
            .expect("an origin of a federation name and an agency id has no newline")
            .to_bytes();
        let statement = note::sign_statement(&self.origin, &self.key, &text);
        let time = seconds.into().map(|seconds| note::cosign(&self.time_name, &self.time_key, &text, seconds));
        let lines = std::iter::once(statement).chain(time);
        let signatures: Vec<_> =
            lines.map(|line| line.expect("an origin without spaces and pluses names a key")).collect();
        Note::new(&text, &signatures).expect("a checkpoint's text is well-formed").to_bytes()
    }
}

/// A verified checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// Epoch of the ledger.
    pub epoch: Epoch,
    /// Number of leaves.
    pub size: u64,
    /// Root hash.
    pub root: [u8; 32],
    /// The cosigned time, in seconds since 1970. `None`: the note has no valid time line. An honest agency leaves it out while its clock is not
    /// confirmed.
    pub seconds: Option<u64>,
}

/// The reason why a note is no checkpoint of the agency.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note, or a signature fails.
    #[error("the note does not verify: {0}")]
    Note(#[from] signed_note::NoteError),
    /// The text is no checkpoint.
    #[error("the note's text is no checkpoint")]
    Malformed,
    /// The agency never was a member, so it has no keys.
    #[error("{0} is no member of any charter that is known")]
    Stranger(AgencyId),
    /// More leaves than a ledger can have.
    #[error("the checkpoint is of {0} leaves, at most {most}", most = limits::LEDGER_LEAVES)]
    Size(u64),
    /// The note is about another ledger.
    #[error("the checkpoint's origin is {found:?}, expected \"{expected}/<epoch>\"")]
    Origin {
        /// The origin in the note, cut to 120 characters.
        found: String,
        /// The agency's origin without the epoch.
        expected: String,
    },
}

/// The public keys under which an agency's checkpoints verify.
#[derive(Clone, Debug)]
pub struct CheckpointKeys {
    /// Keys of the statement.
    pub statement: Vec<PublicKey>,
    /// Keys of the time line.
    pub time: Vec<PublicKey>,
}

impl Checkpoint {
    /// Whether this checkpoint was surely signed before the other: its time is earlier by more than [`limits::COSIGNED_BACK_BY`].
    /// `false` if one of them has no time.
    pub fn is_surely_before(&self, other: &Self) -> bool {
        let margin = limits::COSIGNED_BACK_BY.as_secs();
        matches!((self.seconds, other.seconds), (Some(one), Some(other)) if one.saturating_add(margin) < other)
    }

    /// Whether the time of this checkpoint is in the future of a reader whose confirmed clock shows `now`, in milliseconds since 1970. The clocks of
    /// signer and reader may differ by [`limits::COSIGNED_BACK_BY`]. A reader whose clock is not confirmed (`None`) cannot tell. A checkpoint without
    /// a time is never ahead.
    pub fn is_ahead_of(&self, now: Option<u64>) -> bool {
        let latest = now.map(|now| now / 1000 + limits::COSIGNED_BACK_BY.as_secs());
        matches!((self.seconds, latest), (Some(seconds), Some(latest)) if seconds > latest)
    }

    /// The agency and the epoch that a note's origin names. No signature is checked.
    pub fn ledger_of(note: &[u8], federation: &str) -> Option<(AgencyId, Epoch)> {
        let origin = note.split(|byte| *byte == b'\n').next()?;
        let rest = std::str::from_utf8(origin).ok()?.strip_prefix(federation)?.strip_prefix('/')?;
        let (agency, epoch) = rest.split_once('/')?;
        Some((agency.parse().ok()?, Epoch(epoch.parse().ok()?)))
    }

    /// The time in seconds since 1970 that a note's first time line of `agency` claims. No signature is checked: it is the agency's only if the
    /// note [opens](Self::open) with this time.
    pub fn claimed_seconds(note: &[u8], federation: &str, agency: &AgencyId) -> Option<u64> {
        let name = time_key_name(federation, agency);
        note::signature_lines(note).find(|line| line.name() == name).and_then(|line| note::cosignature_seconds(&line))
    }

    /// A note of `agency` without its time line, if the time is further than [`limits::CLOCK_AHEAD`] from `now`, in milliseconds since 1970. The
    /// statement verifies as before. A node shows its newest checkpoint like this when its clock was not confirmed since it signed it.
    pub fn without_old_time(note: &[u8], federation: &str, agency: &AgencyId, now: u64) -> Vec<u8> {
        let is_old = |seconds: u64| seconds.abs_diff(now / 1000) > limits::CLOCK_AHEAD.as_secs();
        if !Self::claimed_seconds(note, federation, agency).is_some_and(is_old) {
            return note.to_vec();
        }
        let name = time_key_name(federation, agency);
        let statements: Vec<_> = note::signature_lines(note).filter(|line| line.name() != name).collect();
        let without = note::read(note).and_then(|read| Note::new(read.text(), &statements));
        without.map_or_else(|_| note.to_vec(), |without| without.to_bytes())
    }

    /// Reads and verifies a note that should be a checkpoint of `agency`.
    ///
    /// # Errors
    /// When it does not verify under these keys, or is of another origin.
    pub fn open(
        bytes: &[u8],
        federation: &str,
        agency: &AgencyId,
        keys: &CheckpointKeys,
    ) -> Result<Self, CheckpointError> {
        let note = note::read(bytes)?;
        let (text, epoch) = text_of(&note, federation, agency)?;
        let statement: Vec<NoteKey> =
            keys.statement.iter().map(|key| NoteKey::new(text.origin(), NoteKeyUse::Statement, key.clone())).collect();
        let time_name = time_key_name(federation, agency);
        let time: Vec<NoteKey> =
            keys.time.iter().map(|key| NoteKey::new(&time_name, NoteKeyUse::Cosignature, key.clone())).collect();
        let (verified, _) = note.verify(&KnownKeys(statement.iter().chain(&time).collect()))?;
        // A time line alone does not make a checkpoint.
        if !verified.iter().any(|line| line.name() == text.origin()) {
            return Err(signed_note::NoteError::UnverifiedNote.into());
        }
        let seconds = verified.iter().find(|line| line.name() == time_name).and_then(note::cosignature_seconds);
        Ok(Self { epoch, size: text.size(), root: text.hash().0, seconds })
    }

    /// Reads a note of `agency` that [opened](Self::open) before, under some of these keys. No signature is checked again: the time is that of the first
    /// time line under one of the keys, as [`Self::open`] would say.
    ///
    /// # Errors
    /// When the note is of another origin.
    pub fn read(
        bytes: &[u8],
        federation: &str,
        agency: &AgencyId,
        keys: &CheckpointKeys,
    ) -> Result<Self, CheckpointError> {
        let (text, epoch) = text_of(&note::read(bytes)?, federation, agency)?;
        let name = time_key_name(federation, agency);
        let ids: Vec<u32> =
            keys.time.iter().map(|key| NoteKey::new(&name, NoteKeyUse::Cosignature, key.clone()).id()).collect();
        let is_time = |line: &signed_note::Signature| line.name() == name && ids.contains(&line.id());
        let seconds = note::signature_lines(bytes).find(is_time).and_then(|line| note::cosignature_seconds(&line));
        Ok(Self { epoch, size: text.size(), root: text.hash().0, seconds })
    }
}

/// The text of a note about the ledger of `agency`, with the epoch that it names.
fn text_of(note: &Note, federation: &str, agency: &AgencyId) -> Result<(TlogCheckpoint, Epoch), CheckpointError> {
    let text = TlogCheckpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
    let base = format!("{federation}/{agency}");
    let wrong_origin =
        || CheckpointError::Origin { found: text.origin().chars().take(120).collect(), expected: base.clone() };
    let epoch = text
        .origin()
        .strip_prefix(&base)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|epoch| epoch.parse().ok())
        .map(Epoch)
        .filter(|epoch| origin(federation, agency, *epoch) == text.origin())
        .ok_or_else(wrong_origin)?;
    if text.size() > limits::LEDGER_LEAVES {
        return Err(CheckpointError::Size(text.size()));
    }
    Ok((text, epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test vector: a tree of 8 leaves, signed by an independent implementation.
    const VECTOR: &str = "dinas-a.sinergi.example/log\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n\u{2014} dinas-a.sinergi.example/log 9IxoVB0s337Q33zft8Mu9DogbO4NXS4sQ3p7MHxVYb7CjnqAeN6GjfO9/d+HVqI2GuAx6c6n/tpmXOo6m12gta0dGA0=\n";

    fn seed(first: u8) -> SigningKey {
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = first + u8::try_from(index).expect("32 fits");
        }
        SigningKey::from(bytes)
    }

    #[test]
    fn our_statement_line_equals_the_published_vector() {
        let text = VECTOR.split("\n\n").next().expect("a text").to_owned() + "\n";
        let name = "dinas-a.sinergi.example/log";
        let line = note::sign_statement(name, &seed(0), text.as_bytes()).expect("a key name");
        let note = Note::new(text.as_bytes(), &[line]).expect("a note").to_bytes();
        assert_eq!(String::from_utf8(note).expect("utf-8"), VECTOR);
    }

    #[test]
    fn a_time_counts_up_to_ten_minutes_ahead_of_the_reader() {
        let at = |seconds| Checkpoint { epoch: Epoch(1), size: 8, root: [9; 32], seconds };
        let now = 1_764_000_000;
        for (seconds, is_ahead) in [(None, false), (Some(0), false), (Some(now + 600), false), (Some(now + 601), true)]
        {
            assert_eq!(at(seconds).is_ahead_of(Some(now * 1000 + 999)), is_ahead, "{seconds:?}");
            assert!(!at(seconds).is_ahead_of(None), "{seconds:?}");
        }
    }

    fn signed() -> (Vec<u8>, CheckpointKeys, AgencyId) {
        let agency: AgencyId = "dinas-a".parse().expect("an id");
        let signer = CheckpointSigner::new("sinergi.example", &agency, Epoch(2), seed(0), seed(64));
        let keys =
            CheckpointKeys { statement: vec![seed(0).verification_key()], time: vec![seed(64).verification_key()] };
        (signer.sign(8, [9; 32], 1_764_000_000), keys, agency)
    }

    #[test]
    fn a_checkpoint_opens_under_the_agency_s_keys_with_its_time() {
        let (note, keys, agency) = signed();
        let opened = Checkpoint::open(&note, "sinergi.example", &agency, &keys).expect("it was just signed");
        assert_eq!(opened, Checkpoint { epoch: Epoch(2), size: 8, root: [9; 32], seconds: Some(1_764_000_000) });
    }

    #[test]
    fn a_checkpoint_of_another_agency_or_under_another_key_does_not_open() {
        let (note, keys, agency) = signed();
        let other: AgencyId = "dinas".parse().expect("an id");
        assert!(Checkpoint::open(&note, "sinergi.example", &other, &keys).is_err());
        let foreign = CheckpointKeys { statement: vec![seed(1).verification_key()], time: keys.time.clone() };
        assert!(Checkpoint::open(&note, "sinergi.example", &agency, &foreign).is_err());
        let changed = String::from_utf8(note).expect("utf-8").replacen("\n8\n", "\n9\n", 1);
        assert!(Checkpoint::open(changed.as_bytes(), "sinergi.example", &agency, &keys).is_err());
    }

    #[test]
    fn a_checkpoint_of_more_leaves_than_a_ledger_can_have_does_not_open() {
        let (_, keys, agency) = signed();
        let signer = CheckpointSigner::new("sinergi.example", &agency, Epoch(2), seed(0), seed(64));
        for (size, is_good) in [(limits::LEDGER_LEAVES, true), (limits::LEDGER_LEAVES + 1, false), (u64::MAX, false)] {
            let note = signer.sign(size, [9; 32], 1_764_000_000);
            assert_eq!(Checkpoint::open(&note, "sinergi.example", &agency, &keys).is_ok(), is_good, "{size}");
        }
    }

    #[test]
    fn a_checkpoint_needs_its_statement_and_not_its_time_line() {
        let (note, keys, agency) = signed();
        let note = String::from_utf8(note).expect("utf-8");
        let without_statement: String =
            note.split_inclusive('\n').filter(|line| !line.starts_with("\u{2014} sinergi.example/dinas-a/2")).collect();
        assert!(Checkpoint::open(without_statement.as_bytes(), "sinergi.example", &agency, &keys).is_err());
        let without_time: String = note
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("\u{2014} sinergi.example/dinas-a/time"))
            .collect();
        let opened = Checkpoint::open(without_time.as_bytes(), "sinergi.example", &agency, &keys);
        assert_eq!(opened.expect("the statement verifies").seconds, None);
    }

    #[test]
    fn a_checkpoint_is_shown_without_a_time_that_is_not_the_present() {
        let (note, keys, agency) = signed();
        for (now, seconds) in [
            (1_764_000_000, Some(1_764_000_000)),
            (1_764_000_300, Some(1_764_000_000)),
            (1_764_000_301, None),
            (1_763_999_699, None),
        ] {
            let shown = Checkpoint::without_old_time(&note, "sinergi.example", &agency, now * 1000);
            let opened = Checkpoint::open(&shown, "sinergi.example", &agency, &keys).expect("the statement is there");
            assert_eq!(opened, Checkpoint { epoch: Epoch(2), size: 8, root: [9; 32], seconds }, "{now}");
        }
        let without = Checkpoint::without_old_time(&note, "sinergi.example", &agency, 0);
        assert_eq!(Checkpoint::without_old_time(&without, "sinergi.example", &agency, 0), without);
    }

    #[test]
    fn an_epoch_is_written_in_one_way() {
        let (_, keys, agency) = signed();
        for origin in ["sinergi.example/dinas-a/02", "sinergi.example/dinas-a/+2", "sinergi.example/dinas-a/4294967296"]
        {
            let text = TlogCheckpoint::new(origin, 8, Hash([9; 32]), "").expect("an origin").to_bytes();
            let Ok(line) = note::sign_statement(origin, &seed(0), &text) else { continue };
            let note = Note::new(&text, &[line]).expect("a note").to_bytes();
            let result = Checkpoint::open(&note, "sinergi.example", &agency, &keys);
            assert!(matches!(result, Err(CheckpointError::Origin { .. })), "{origin}: {result:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_note_panics(
            changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6),
        ) {
            let (mut note, keys, agency) = signed();
            for (index, byte) in changes {
                let at = index.index(note.len());
                note[at] = byte;
            }
            let _ = Checkpoint::open(&note, "sinergi.example", &agency, &keys);
        }
    }
}
