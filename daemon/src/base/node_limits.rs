//! The limits of one node, each with its name. Values are bytes unless the name says otherwise. The limits of the federation are in
//! [`sinergi_proto::base::limits`].
//!
//! The assertions at the end tie the limits together: a change that makes two of them contradict each other does not compile.

use std::time::Duration;

use sinergi_proto::base::limits::{
    DELIVER_BYTES, ENTRY_BYTES, FRAME_BYTES, FRAME_ITEMS, LINK_WINDOW_BYTES, RECEIPT_BYTES, SHARE_BYTES_A_WEEK,
    TRUSTED_LIST_BYTES,
};
use sinergi_proto::engine::PeerQuotas;
use sinergi_proto::routing::outbox::FrameRoom;
use sinergi_proto::transparency::rollback_guard::HearingTime;

/// A sender fills a `Deliver` up to this size. A link of 2 KiB/s carries so much about within the idle time.
pub const DELIVER_TARGET_BYTES: usize = 128 * 1024;
/// The room in a `Deliver`.
pub const FRAME_ROOM: FrameRoom = FrameRoom { items: FRAME_ITEMS, target_bytes: DELIVER_TARGET_BYTES };
/// The window of all links together: most bytes that are sent and not yet acknowledged. The same number holds separately for bytes that
/// are received and not yet acknowledged. Each link may also hold one received frame that waits for room.
pub const ALL_WINDOWS_BYTES: usize = 256 * 1024 * 1024;
/// Memory for lists of trusted entries that are being fetched, over all links.
pub const ROOM_FOR_LISTS_BYTES: usize = 4 * TRUSTED_LIST_BYTES;

/// Most items that a node keeps from one peer beside entries.
pub const PEER_QUOTAS: PeerQuotas = PeerQuotas {
    deferred_items: 10_000,
    deferred_items_of_author: 1_000,
    deferred_bytes: 64 * 1024 * 1024,
    refused_records_a_day: 10_000,
    refused_bytes_a_day: 16 * 1024 * 1024,
    share_bytes_a_week: SHARE_BYTES_A_WEEK,
};

/// Most submissions that wait for a node's engine.
pub const WRITER_QUEUE_SUBMISSIONS: usize = 4096;
/// Most bytes of these submissions.
pub const WRITER_QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of one batch. One fdatasync makes a batch durable.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Most submissions in one batch.
pub const BATCH_SUBMISSIONS: usize = 1024;

/// Most connections from peers, with or without a session.
pub const INBOUND_CONNECTIONS: usize = 1024;
/// Most connections in the TLS handshake. When one more comes, the address with the most of them loses its oldest one.
pub const PENDING_HANDSHAKES: usize = 256;
/// Most connections of one peer: the working one, and those that are about to replace it.
pub const CONNECTIONS_PER_PEER: usize = 4;
/// Longest TLS handshake.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// Time that a starting node gives its peers to show what they saw of its ledger. Until then it signs nothing.
pub const HEARING_TIME: HearingTime = HearingTime { all: Duration::from_secs(10), others: Duration::from_secs(2) };
/// The most time that a peer may take to answer a ping. A peer that takes longer is not linked in any useful way.
pub const PING_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two questions to an agency about the checkpoints that were seen of it.
pub const WATCH_PAUSE: Duration = Duration::from_secs(5);
/// Most charters of one version that are kept beside the trusted one. Further ones prove nothing new.
pub const RIVAL_CHARTERS: usize = 3;

/// Longest source of an external reference.
pub const EXTERNAL_SOURCE_BYTES: usize = 64;
/// Longest id in an external reference.
pub const EXTERNAL_ID_BYTES: usize = 128;

const _: () = assert!(DELIVER_TARGET_BYTES < DELIVER_BYTES && LINK_WINDOW_BYTES < ALL_WINDOWS_BYTES);
const _: () = assert!(RECEIPT_BYTES < DELIVER_TARGET_BYTES);
const _: () = assert!(
    2 * LINK_WINDOW_BYTES + FRAME_BYTES <= ALL_WINDOWS_BYTES,
    "a link may fill its whole window and leaves as much to the other links"
);
const _: () = assert!(
    INBOUND_CONNECTIONS * 2 * DELIVER_TARGET_BYTES <= ALL_WINDOWS_BYTES,
    "every link can have one frame in flight, and as much stays free"
);
const _: () = assert!(FRAME_BYTES < BATCH_BYTES && BATCH_BYTES < WRITER_QUEUE_BYTES);
const _: () = assert!(
    FRAME_ITEMS * (ENTRY_BYTES + 128) <= PEER_QUOTAS.refused_bytes_a_day
        && FRAME_ITEMS <= PEER_QUOTAS.refused_records_a_day,
    "a whole refused frame can be kept"
);
