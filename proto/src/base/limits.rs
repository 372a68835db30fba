//! Every limit of the federation, in one place, with its name. A name that ends in `_BYTES` is a number of bytes.
//!
//! Must not know what the limits are for: it holds numbers only.
//!
//! Invariant: the limits fit together. The assertions at the end of the file say how. A change that breaks one does not compile.

use std::time::Duration;

/// Longest serialised `Entry`.
pub const ENTRY_BYTES: usize = 16 * 1024;
/// Longest content.
pub const CONTENT_BYTES: usize = 256 * 1024;
/// Longest `Frame` on a link.
pub const FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Most items of one `Deliver`.
pub const FRAME_ITEMS: usize = 256;
/// Longest `Deliver`. The rest of [`FRAME_BYTES`] is room for the frame around it.
pub const DELIVER_BYTES: usize = FRAME_BYTES - 64 * 1024;
/// The window of one link: most bytes that are sent and not yet acknowledged.
pub const LINK_WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// The window of one link in frames: most `Deliver` frames that are sent and not yet acknowledged.
pub const LINK_WINDOW_FRAMES: usize = 256;

/// Most entries of one complaint by one author.
pub const ENTRIES_PER_AUTHOR: usize = 10_000;
/// Most parents of an entry.
pub const PARENTS: usize = 32;
/// Most content commitments of an entry.
pub const COMMITMENTS: usize = 8;
/// Most entries that one signature of their author covers.
pub const SIGNED_BATCH: usize = 1024;
/// Longest serialised `SignedEntry`: an entry, a signature, an audit path of 10 hashes, and the fields around them.
pub const SIGNED_ENTRY_BYTES: usize = ENTRY_BYTES + 512;
/// Most agencies that pass an entry on, one after the other.
pub const RELAYS: u32 = 8;

/// Longest checkpoint, as a signed note. Its own two signatures take less than 2 KiB; the rest is room for witnesses' signatures.
pub const CHECKPOINT_BYTES: usize = 4 * 1024;
/// Longest receipt: one result for each item of the frame, and a checkpoint.
pub const RECEIPT_BYTES: usize = 100 * FRAME_ITEMS + CHECKPOINT_BYTES + 1024;
/// Most leaves of a ledger. 64-bit numbers are enough for all hashes of such a tree.
pub const LEDGER_LEAVES: u64 = 1 << 40;
/// Most checkpoints of third parties in one gossip frame.
pub const GOSSIP_CHECKPOINTS: usize = 16;
/// Most gossip frames that a peer may send in a burst. A burst happens when the network held up some of them. On average a peer may send
/// one in each [`GOSSIP_PAUSE`].
pub const GOSSIP_BURST_FRAMES: u64 = 8;
/// Pause between two gossip frames on one link.
pub const GOSSIP_PAUSE: Duration = Duration::from_secs(60);
/// A new epoch is at most so many after the last known one: epochs that were begun and lost again may be skipped, because they may have been seen.
/// A proof of a later one counts for nothing.
pub const EPOCHS_AHEAD: u32 = 8;
/// On a link that is up, each side shows a checkpoint of its own ledger at least this often. A node shows one after a quarter of this time. The rest is
/// for a slow link: a window of entries before it takes hours at a few kilobytes a second.
pub const CHECKPOINT_WITHIN: Duration = Duration::from_secs(4 * 60 * 60);
/// A node whose clock is confirmed signs a new checkpoint when the time of the newest one is so old. So the checkpoint that it shows when a link
/// comes up is fresh.
pub const CHECKPOINT_AGE: Duration = Duration::from_secs(2 * 60);
/// The operator is told of a peer that shows no time in its checkpoints for so long, and of a clock of this node that nobody confirms for so long.
pub const WITHOUT_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Most items of one `Prove`: leaves, entries and sizes together.
pub const PROVE_ITEMS: usize = 1024;
/// Most leaf hashes in one `Proof`.
pub const PROVE_HASHES: usize = 65_536;
/// Most open questions of one peer: `Prove` frames that are being answered or wait for it.
pub const PROVES_OPEN: usize = 4;
/// Most bytes of whole leaves in one `Proof`. The rest of [`FRAME_BYTES`] is room for the frame around them.
pub const PROVE_LEAF_BYTES: usize = 1024 * 1024;
/// Longest time in which an agency must answer a `Prove`.
pub const PROVE_WITHIN: Duration = Duration::from_secs(30);
/// Longest evidence file.
pub const EVIDENCE_BYTES: usize = 64 * 1024 * 1024;
/// Most accusations in one evidence file.
pub const ACCUSATIONS: usize = 10_000;
/// An entry after a cosigned size of its author's ledger may be dated so long before the cosigned time. An older date is back-dated.
pub const BACK_DATED_BY: Duration = Duration::from_secs(10 * 60);
/// The cosigned times of an honest ledger may go back by so much. After a crash a node knows only the ceiling of the times that it cosigned, and the clock
/// may be wrong by up to [`CLOCK_AHEAD`] in one direction before the crash, and in the other direction after it.
pub const COSIGNED_BACK_BY: Duration = Duration::from_secs(10 * 60);
/// Most hashes of a proof that a leaf is in a tree: the height of the largest tree.
pub const TLOG_PROOF_HASHES: usize = 64;
/// Longest `tlog-proof` file, with the leaf in it. A citizen's receipt is such a file.
pub const TLOG_PROOF_BYTES: usize = 32 * 1024;
/// Longest charter, text and signatures together. `signed_note` reads no larger note.
pub const CHARTER_BYTES: usize = 1_000_000;
/// Longest list of what stays trusted under revoked keys: about a million entries.
pub const TRUSTED_LIST_BYTES: usize = 64 * 1024 * 1024;
/// Longest part of such a list in one frame.
pub const TRUSTED_LIST_PART_BYTES: usize = 256 * 1024;
/// A part of such a list must come within this time.
pub const TRUSTED_LIST_PART_WITHIN: Duration = Duration::from_secs(5 * 60);
/// An entry that is dated so long after the start of a later charter needs its author's power under that charter as well.
pub const POWER_ENDS_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most members of a charter.
pub const MEMBERS: usize = 10_000;

/// An item that a peer refused or deferred is sent again after this pause at the earliest.
pub const SEND_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// An item that a peer refused or deferred is sent again after this pause at the latest.
pub const SEND_AGAIN_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// For so long after an agency put entries of a peer off, it accuses that peer of nothing that rests on what it lacks: the peer may have much to send again,
/// and may have been away.
pub const PUT_OFF_EXCUSED: Duration = Duration::from_secs(14 * 24 * 3600);
/// An agency that defers an entry for so long, for a reason that does not hold, does not respond.
pub const DEFERRED_TOO_LONG: Duration = Duration::from_secs(7 * 24 * 3600);

/// The least share of a node's disk that the entries of one author may take in a week: an import of 100,000 complaints, a backlog of a week and a busy
/// day fit into it.
pub const SHARE_BYTES_A_WEEK: u64 = 896 * 1024 * 1024;

/// Longest agency id.
pub const AGENCY_ID_BYTES: usize = 63;
/// Longest federation name (SPIFFE trust domain).
pub const FEDERATION_BYTES: usize = 255;
/// Longest category code.
pub const CATEGORY_BYTES: usize = 128;
/// Longest area code.
pub const AREA_BYTES: usize = 64;
/// Longest title of a complaint.
pub const TITLE_BYTES: usize = 512;
/// Longest body of a text. The rest of [`CONTENT_BYTES`] is room for the other fields.
pub const BODY_BYTES: usize = 240 * 1024;
/// Longest location of a text, and longest reporter.
pub const TEXT_FIELD_BYTES: usize = 2048;
/// Longest written time (RFC 3339).
pub const TIME_BYTES: usize = 64;
/// Highest score of the citizen's word.
pub const SCORE: u8 = 5;

/// An entry is deferred if its clock is further ahead of the receiver's clock than this.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(5 * 60);
/// The time of a peer's clock counts for so long after it was heard.
pub const CLOCK_HEARD_WITHIN: Duration = Duration::from_secs(10 * 60);
/// A confirmed clock stays confirmed while it moves by at most this against the clock of the machine that never jumps.
pub const CLOCK_STEP: Duration = Duration::from_secs(10);
/// A node that starts believes a clock that is so long after the newest time in its ledger, without asking anybody.
pub const LEDGER_SILENT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How far ahead of the clock a node records the latest time that it may cosign.
pub const CEILING_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Until `answer_by` only the addressee can act on an offer. All others can act from `answer_by` and this margin on.
pub const ANSWER_MARGIN: Duration = Duration::from_secs(10 * 60);
/// A receipt shows that its receiver witnessed an act if the cosigned time is so close to the act's clock.
pub const WITNESSED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// After so many offers of one complaint its holder and the holder's supervisor get an alarm, unless the charter says otherwise.
pub const OFFERS_BEFORE_MEDIATION: u32 = 3;
/// Longest time to answer an offer, in days, if the charter names none.
pub const ANSWER_BY_DAYS: u32 = 14;
/// Working days of the citizen's silence before a case may be closed, if the charter names no number.
pub const SILENCE_WORKING_DAYS: u32 = 10;
/// Longest time from an offer to its `answer_by`.
pub const ANSWER_BY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const _: () = assert!(ENTRY_BYTES + CONTENT_BYTES * COMMITMENTS < DELIVER_BYTES, "an item fits into a frame");
const _: () = assert!(DELIVER_BYTES < FRAME_BYTES && FRAME_BYTES < LINK_WINDOW_BYTES);
const _: () = assert!(
    TITLE_BYTES + BODY_BYTES + 2 * TEXT_FIELD_BYTES + TIME_BYTES + 64 < CONTENT_BYTES,
    "a text fits into a content"
);
const _: () = assert!(PARENTS * 34 + COMMITMENTS * 48 + 1024 < ENTRY_BYTES, "the fixed parts of an entry fit into it");
const _: () = assert!(
    3 * FEDERATION_BYTES + 3 * AGENCY_ID_BYTES + 1024 < CHECKPOINT_BYTES,
    "a checkpoint names its origin three times"
);
const _: () = assert!(
    (ENTRY_BYTES + 128).div_ceil(3) * 4 + TLOG_PROOF_HASHES * 45 + CHECKPOINT_BYTES + 128 < TLOG_PROOF_BYTES,
    "the receipt of the largest entry fits into a file, in base64"
);
const _: () = assert!(
    COSIGNED_BACK_BY.as_secs() >= CEILING_AHEAD.as_secs() + CLOCK_AHEAD.as_secs(),
    "after a restart, a clock within the bound of the one before is not behind the ceiling"
);
const _: () = assert!(
    COSIGNED_BACK_BY.as_secs() >= 2 * CLOCK_AHEAD.as_secs() && BACK_DATED_BY.as_secs() >= 2 * CLOCK_AHEAD.as_secs(),
    "a clock that is good enough to sign never makes an honest agency look dishonest"
);
const _: () = assert!(
    PROVE_ITEMS * 2 * 64 * 48 > FRAME_BYTES && PROVE_LEAF_BYTES + ENTRY_BYTES < FRAME_BYTES / 2,
    "the number of items alone does not bound a Proof, so its size is bounded too"
);
const _: () = assert!(ENTRY_BYTES + 128 < 65_536, "an entry fits into a tlog-tiles entry bundle");
