//! Every limit of the protocol, in one place. Bytes unless the name says otherwise.
//!
//! The assertions at the end tie them together: a change that makes two of them contradict each other does not compile.

use std::time::Duration;

/// A serialised `Entry`.
pub const ENTRY_BYTES: usize = 16 * 1024;
/// A content that is carried inline.
pub const CONTENT_BYTES: usize = 256 * 1024;
/// A `Frame` of the sync stream.
pub const FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Items of one `Deliver`.
pub const FRAME_ITEMS: usize = 256;
/// What a `Deliver` may carry, so that the frame around it stays under [`FRAME_BYTES`].
pub const DELIVER_BYTES: usize = FRAME_BYTES - 64 * 1024;
/// What a sender fills a `Deliver` up to: small enough that it crosses a poor link (2 KiB/s) within [`IDLE_LINK`].
pub const DELIVER_TARGET_BYTES: usize = 128 * 1024;
/// Sent and not acknowledged on one link.
pub const LINK_WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// Sent and not acknowledged on all links together; and as much again received and not acknowledged, beside one frame a link that waits
/// for room.
pub const ALL_WINDOWS_BYTES: usize = 256 * 1024 * 1024;
/// `Deliver` frames sent and not acknowledged on one link.
pub const LINK_WINDOW_FRAMES: usize = 256;
/// Leaves that a sender passes over silently before it tells the receiver its new cursor.
pub const SILENT_LEAVES: u64 = 4096;

/// Entries of one complaint by one author.
pub const ENTRIES_PER_AUTHOR: usize = 10_000;
/// Parents of an entry.
pub const PARENTS: usize = 32;
/// Content commitments of an entry.
pub const COMMITMENTS: usize = 8;
/// Agencies that may pass an entry on.
pub const RELAYS: u32 = 8;
/// Deferred items that a node keeps for one peer; a peer that delivers more is not read on until some have been settled.
pub const DEFERRED_PER_PEER: usize = 10_000;
/// Deferred items of one author that came from one peer; more of them are refused.
pub const DEFERRED_PER_AUTHOR: usize = 1_000;
/// What the deferred items of one peer may hold.
pub const DEFERRED_BYTES_PER_PEER: usize = 64 * 1024 * 1024;

/// Records of refused items of one peer that a node keeps a day. More are refused, told on the receipt, counted and alarmed, but not kept.
pub const REFUSED_PER_PEER_PER_DAY: usize = 10_000;
/// What these records may hold.
pub const REFUSED_BYTES_PER_PEER_PER_DAY: usize = 16 * 1024 * 1024;

/// A checkpoint as a signed note: its own two lines (less than 2 KiB), and room for those of some witnesses.
pub const CHECKPOINT_BYTES: usize = 4 * 1024;
/// An `Ack`: a result and a leaf hash an item of the frame, and a checkpoint.
pub const RECEIPT_BYTES: usize = 100 * FRAME_ITEMS + CHECKPOINT_BYTES + 1024;
/// Leaves of a ledger: more than any will have, and few enough to number all hashes of their tree.
pub const LEDGER_LEAVES: u64 = 1 << 40;
/// Checkpoints of one agency that are remembered until the agency has shown that they are of one ledger.
pub const CHECKPOINTS_WATCHED: usize = 16;
/// Checkpoints of third parties in one frame.
pub const CHECKPOINTS_TOLD: usize = 16;
/// Such frames that may come together: some are held up on the way. Over time it is one each [`TELL_PAUSE`].
pub const CHECKPOINT_FRAMES_AHEAD: u64 = 8;
/// Pause between two such frames on one link.
pub const TELL_PAUSE: Duration = Duration::from_secs(60);
/// Pause between two questions whether an agency's checkpoints are of one ledger.
pub const WATCH_PAUSE: Duration = Duration::from_secs(5);
/// What one `Prove` may ask for: leaves, entries, sizes and whole leaves together.
pub const PROVE_ITEMS: usize = 1024;
/// `Prove` frames of one peer that are being answered, and of one link that are or wait for it.
pub const PROVES_WAITING: usize = 4;
/// What the whole leaves of one `Proof` may hold, so that the frame around them stays under [`FRAME_BYTES`].
pub const PROVE_LEAF_BYTES: usize = 1024 * 1024;
/// How long an agency may take to answer a `Prove`.
pub const PROVE_WITHIN: Duration = Duration::from_secs(30);
/// An evidence file.
pub const EVIDENCE_BYTES: usize = 64 * 1024 * 1024;
/// Accusations of one evidence file.
pub const ACCUSATIONS: usize = 10_000;
/// How far an entry's clock may lie before a cosigned time behind which it lies in its author's ledger.
pub const BACK_DATED_BY: Duration = Duration::from_secs(10 * 60);
/// How far the cosigned times of an honest ledger may go back: a power loss takes the memory of the last one, and the clock is off by up to
/// [`CLOCK_AHEAD`] before it one way and after it the other.
pub const COSIGNED_BACK_BY: Duration = Duration::from_secs(10 * 60);
/// Hashes of a proof that a leaf is in a tree: as many as the tree of any ledger is high.
pub const TLOG_PROOF_HASHES: usize = 64;
/// A `tlog-proof` file with the leaf in it: a citizen's receipt.
pub const TLOG_PROOF_BYTES: usize = 32 * 1024;
/// A charter's text with its signatures: the largest signed note that `signed_note` reads.
pub const CHARTER_BYTES: usize = 1_000_000;
/// Charters that are passed on after a handshake, together; the next link goes on where it ended.
pub const CHARTERS_PASSED_ON_BYTES: usize = 8 * CHARTER_BYTES;
/// Charters of one version that are kept beside the trusted one: two prove as much as a hundred.
pub const RIVAL_CHARTERS: usize = 3;
/// Members of a charter.
pub const MEMBERS: usize = 10_000;

/// An agency id.
pub const AGENCY_ID_BYTES: usize = 63;
/// A federation name (SPIFFE trust domain).
pub const FEDERATION_BYTES: usize = 255;
/// A category code.
pub const CATEGORY_BYTES: usize = 128;
/// An area code.
pub const AREA_BYTES: usize = 64;
/// The title of a complaint.
pub const TITLE_BYTES: usize = 512;
/// Body of a text: what remains of [`CONTENT_BYTES`] beside title, place and names.
pub const BODY_BYTES: usize = 240 * 1024;
/// Location and reporter of a text, each.
pub const TEXT_FIELD_BYTES: usize = 2048;
/// A written RFC 3339 time.
pub const TIME_BYTES: usize = 64;
/// The source of an external reference.
pub const EXTERNAL_SOURCE_BYTES: usize = 64;
/// The id in an external reference.
pub const EXTERNAL_ID_BYTES: usize = 128;
/// A reply code as it is typed.
pub const REPLY_CODE_BYTES: usize = 64;
/// A citizen's reply code, in characters.
pub const REPLY_CODE_CHARS: usize = 16;

/// Submissions that wait for the writer.
pub const WRITER_QUEUE_SUBMISSIONS: usize = 4096;
/// What these submissions may hold.
pub const WRITER_QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// What one group commit may hold.
pub const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Submissions of one group commit.
pub const GROUP_SUBMISSIONS: usize = 1024;

/// Connections from peers, linked or not.
pub const INBOUND_CONNECTIONS: usize = 1024;
/// Connections whose handshake has not ended. When more come, the oldest of the source that has most of them ends.
pub const PENDING_HANDSHAKES: usize = 256;
/// Connections of one peer: the one that works, and those that take its place.
pub const CONNECTIONS_PER_PEER: usize = 4;
/// Time for a TLS handshake.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);
/// Silence after which a link is taken for dead, unless the node is configured otherwise.
pub const IDLE_LINK: Duration = Duration::from_secs(60);
/// A side that is silent says `Ping` so many times before it may be taken for dead.
pub const PINGS_WITHIN_IDLE: u32 = 3;

/// How long a node that has just started waits for its peers to say what they saw of its ledger, before it signs.
pub const HEAR_PEERS: Duration = Duration::from_secs(10);
/// How long it waits for the others when one peer has answered.
pub const HEAR_OTHER_PEERS: Duration = Duration::from_secs(2);

/// How far an entry's clock may be ahead of the receiver's before the entry is deferred.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(5 * 60);
/// How long after `answer_by` the others may act on an offer that only its addressee could answer until then.
pub const ANSWER_MARGIN: Duration = Duration::from_secs(10 * 60);
/// Offers of one complaint from which on the holder's supervisor is alarmed, unless the charter says otherwise.
pub const OFFERS_BEFORE_ALARM: u32 = 5;
/// Longest time from an offer to its `answer_by`.
pub const ANSWER_BY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const _: () = assert!(ENTRY_BYTES + CONTENT_BYTES * COMMITMENTS < DELIVER_BYTES, "an item fits into a frame");
const _: () = assert!(DELIVER_TARGET_BYTES < DELIVER_BYTES && DELIVER_BYTES < FRAME_BYTES);
const _: () = assert!(FRAME_BYTES < LINK_WINDOW_BYTES && LINK_WINDOW_BYTES < ALL_WINDOWS_BYTES);
const _: () = assert!(
    2 * LINK_WINDOW_BYTES + FRAME_BYTES <= ALL_WINDOWS_BYTES,
    "a link's whole window leaves as much to the others, which is its condition"
);
const _: () = assert!(
    INBOUND_CONNECTIONS * 2 * DELIVER_TARGET_BYTES <= ALL_WINDOWS_BYTES,
    "every link can have a frame on its way, and as much stays free"
);
const _: () = assert!(
    TITLE_BYTES + BODY_BYTES + 2 * TEXT_FIELD_BYTES + TIME_BYTES + 64 < CONTENT_BYTES,
    "a text fits into a content"
);
const _: () = assert!(PARENTS * 34 + COMMITMENTS * 48 + 1024 < ENTRY_BYTES, "the fixed parts of an entry fit into it");
const _: () = assert!(FRAME_BYTES < GROUP_BYTES && GROUP_BYTES < WRITER_QUEUE_BYTES);
const _: () = assert!(
    FRAME_ITEMS * (ENTRY_BYTES + 128) <= REFUSED_BYTES_PER_PEER_PER_DAY && FRAME_ITEMS <= REFUSED_PER_PEER_PER_DAY,
    "a whole frame that is refused is kept"
);
const _: () = assert!(
    3 * FEDERATION_BYTES + 3 * AGENCY_ID_BYTES + 1024 < CHECKPOINT_BYTES,
    "a checkpoint names its origin three times"
);
const _: () = assert!(
    (ENTRY_BYTES + 128).div_ceil(3) * 4 + TLOG_PROOF_HASHES * 45 + CHECKPOINT_BYTES + 128 < TLOG_PROOF_BYTES,
    "the receipt of the largest entry fits into a file, in base64"
);
const _: () = assert!(
    COSIGNED_BACK_BY.as_secs() >= 2 * CLOCK_AHEAD.as_secs() && BACK_DATED_BY.as_secs() >= 2 * CLOCK_AHEAD.as_secs(),
    "no clock that may sign makes an honest agency look dishonest"
);
const _: () = assert!(RECEIPT_BYTES < DELIVER_TARGET_BYTES);
const _: () = assert!(
    PROVE_ITEMS * 2 * 64 * 48 > FRAME_BYTES && PROVE_LEAF_BYTES + ENTRY_BYTES < FRAME_BYTES / 2,
    "an answer that has to leave room is cut by its size, not by the number of its items alone"
);
const _: () = assert!(ENTRY_BYTES + 128 < 65_536, "an entry fits into a tlog-tiles entry bundle");
