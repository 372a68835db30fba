//! Every limit, in one place, with its name. Values are bytes unless the name says otherwise.
//!
//! The assertions at the end tie the limits together: if a change makes two of them contradict each other, it does not compile.

use std::time::Duration;

/// Longest serialised `Entry`.
pub const ENTRY_BYTES: usize = 16 * 1024;
/// Longest content.
pub const CONTENT_BYTES: usize = 256 * 1024;
/// Longest `Frame` of the sync stream.
pub const FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Most items of one `Deliver`.
pub const FRAME_ITEMS: usize = 256;
/// Longest `Deliver`, so that the frame around it stays under [`FRAME_BYTES`].
pub const DELIVER_BYTES: usize = FRAME_BYTES - 64 * 1024;
/// A sender fills a `Deliver` up to this size. It is small enough to cross a poor link (2 KiB/s) within [`IDLE_LINK`].
pub const DELIVER_TARGET_BYTES: usize = 128 * 1024;
/// The window of one link: most bytes that are sent and not acknowledged.
pub const LINK_WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes that are sent and not acknowledged on all links together. As much again may be received and not acknowledged. Beside that, each link
/// may have one received frame that waits for room.
pub const ALL_WINDOWS_BYTES: usize = 256 * 1024 * 1024;
/// Most `Deliver` frames that are sent and not acknowledged on one link.
pub const LINK_WINDOW_FRAMES: usize = 256;
/// A sender that passes over so many leaves, because none of them is for this link, tells the receiver its new cursor.
pub const SILENT_LEAVES: u64 = 4096;

/// Most entries of one complaint by one author.
pub const ENTRIES_PER_AUTHOR: usize = 10_000;
/// Most parents of an entry.
pub const PARENTS: usize = 32;
/// Most content commitments of an entry.
pub const COMMITMENTS: usize = 8;
/// Most agencies that pass an entry on, one after the other.
pub const RELAYS: u32 = 8;
/// Most deferred items that a node keeps from one peer. Nothing more is taken from that peer until some of them are settled.
pub const DEFERRED_PER_PEER: usize = 10_000;
/// Most deferred items of one author that came from one peer. More of them are refused.
pub const DEFERRED_PER_AUTHOR: usize = 1_000;
/// Most bytes of the deferred items of one peer.
pub const DEFERRED_BYTES_PER_PEER: usize = 64 * 1024 * 1024;

/// Most records of refused items of one peer that a node keeps a day. More items are refused and told on the receipt. They are counted and alarmed,
/// and not kept.
pub const REFUSED_PER_PEER_PER_DAY: usize = 10_000;
/// Most bytes of these records a day.
pub const REFUSED_BYTES_PER_PEER_PER_DAY: usize = 16 * 1024 * 1024;

/// Longest checkpoint, as a signed note: its own two signatures (less than 2 KiB), and room for signatures of some witnesses.
pub const CHECKPOINT_BYTES: usize = 4 * 1024;
/// Longest `Ack`: one result and one leaf hash for each item of the frame, and a checkpoint.
pub const RECEIPT_BYTES: usize = 100 * FRAME_ITEMS + CHECKPOINT_BYTES + 1024;
/// Most leaves of a ledger. No ledger will have so many, and all hashes of such a tree can still be numbered with 64 bits.
pub const LEDGER_LEAVES: u64 = 1 << 40;
/// Most checkpoints of one agency that are remembered until the agency has proved that they are of one ledger.
pub const CHECKPOINTS_WATCHED: usize = 16;
/// Most checkpoints of third parties in one frame.
pub const CHECKPOINTS_TOLD: usize = 16;
/// Most of these frames that may arrive at once, because some are held up on the way. Over time one is allowed each [`TELL_PAUSE`].
pub const CHECKPOINT_FRAMES_AHEAD: u64 = 8;
/// Pause between two frames of checkpoints on one link.
pub const TELL_PAUSE: Duration = Duration::from_secs(60);
/// Pause between two questions whether an agency's checkpoints are of one ledger.
pub const WATCH_PAUSE: Duration = Duration::from_secs(5);
/// Most items of one `Prove`: leaves, entries, sizes and whole leaves together.
pub const PROVE_ITEMS: usize = 1024;
/// Most `Prove` frames of one peer that are answered at a time. A link holds at most as many that are answered or wait.
pub const PROVES_WAITING: usize = 4;
/// Most bytes of whole leaves in one `Proof`, so that the frame around them stays under [`FRAME_BYTES`].
pub const PROVE_LEAF_BYTES: usize = 1024 * 1024;
/// How long an agency may take to answer a `Prove`.
pub const PROVE_WITHIN: Duration = Duration::from_secs(30);
/// Longest evidence file.
pub const EVIDENCE_BYTES: usize = 64 * 1024 * 1024;
/// Most accusations in one evidence file.
pub const ACCUSATIONS: usize = 10_000;
/// An entry that comes after a checkpoint in its author's ledger may be dated so far before the checkpoint's cosigned time.
pub const BACK_DATED_BY: Duration = Duration::from_secs(10 * 60);
/// The cosigned times of an honest ledger may go back so far. A power failure can lose the memory of the last time, and the clock may be wrong by up to
/// [`CLOCK_AHEAD`] in one direction before it and in the other direction after it.
pub const COSIGNED_BACK_BY: Duration = Duration::from_secs(10 * 60);
/// Most hashes of a proof that a leaf is in a tree: the height of the largest tree.
pub const TLOG_PROOF_HASHES: usize = 64;
/// Longest `tlog-proof` file with the leaf in it: a citizen's receipt.
pub const TLOG_PROOF_BYTES: usize = 32 * 1024;
/// Longest charter, its text with its signatures: the largest signed note that `signed_note` reads.
pub const CHARTER_BYTES: usize = 1_000_000;
/// Most bytes of charters that are passed on over one link. The next link goes on from there.
pub const CHARTERS_PASSED_ON_BYTES: usize = 8 * CHARTER_BYTES;
/// Most charters of one version that are kept beside the trusted one. More of them prove nothing new.
pub const RIVAL_CHARTERS: usize = 3;
/// Most members of a charter.
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

/// Most submissions that wait for the engine of a node.
pub const WRITER_QUEUE_SUBMISSIONS: usize = 4096;
/// Most bytes of these submissions.
pub const WRITER_QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of one batch that is made durable together.
pub const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Most submissions of one batch that is made durable together.
pub const GROUP_SUBMISSIONS: usize = 1024;

/// Most connections from peers, whether a session runs on them or not.
pub const INBOUND_CONNECTIONS: usize = 1024;
/// Most connections whose TLS handshake has not ended. When one more comes, the address that has most of them loses its oldest one.
pub const PENDING_HANDSHAKES: usize = 256;
/// Most connections of one peer: the one that works, and those that are about to replace it.
pub const CONNECTIONS_PER_PEER: usize = 4;
/// Time for a TLS handshake.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);
/// A link on which nothing is heard for so long ends, unless the node is configured otherwise.
pub const IDLE_LINK: Duration = Duration::from_secs(60);
/// A side that has nothing to say sends so many pings within the idle time.
pub const PINGS_WITHIN_IDLE: u32 = 3;

/// A node that has just started waits at most so long for its peers to show what they saw of its ledger. Until then it signs nothing.
pub const HEAR_PEERS: Duration = Duration::from_secs(10);
/// When one peer has answered, the node waits so long for the others.
pub const HEAR_OTHER_PEERS: Duration = Duration::from_secs(2);

/// An entry whose clock is further ahead of the receiver's is deferred.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Until `answer_by` only the addressee can act on an offer. The others can act so long after it.
pub const ANSWER_MARGIN: Duration = Duration::from_secs(10 * 60);
/// After so many offers of one complaint its holder and the holder's supervisor are alarmed, unless the charter says otherwise.
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
