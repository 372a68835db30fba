//! Writes `Witnessed` entries: they commit to the newest checkpoints of other agencies, so that an agency cannot rewrite its ledger unless all
//! agencies that witnessed it rewrite theirs.
//!
//! Must not know how a `Witnessed` entry is made: the engine does.

use std::time::Duration;

use sinergi_proto::base::limits;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::base::node_limits;
use crate::peers::watch::Watch;
use crate::writer::{Submission, WriterHandle};

/// Largest number of checkpoints that are stored with one `Witnessed`, so that they fit into a group of the ledger. The rest follows with the next.
const AT_ONCE: usize = 1024;
const _: () = assert!(AT_ONCE * limits::CHECKPOINT_BYTES <= node_limits::BATCH_BYTES / 2);

/// Writes a `Witnessed` at most once in `every`, if there are new checkpoints since the last one, until the node stops.
pub async fn keep_witnessing(watch: Watch, writer: WriterHandle, every: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let newer = watch.to_witness(AT_ONCE);
        if newer.is_empty() {
            continue;
        }
        let notes = newer.iter().map(|(agency, noted)| (agency.clone(), noted.note.clone())).collect();
        let (answer, witnessed) = oneshot::channel();
        if writer.submit(Submission::Witness(notes, answer)).await.is_err() {
            return;
        }
        match witnessed.await {
            Ok(Ok(())) => newer.into_iter().for_each(|(agency, noted)| watch.kept(&agency, noted.checkpoint)),
            Ok(Err(error)) => tracing::info!("what was seen of other ledgers is not committed to yet: {error}"),
            // The node stops.
            Err(_) => return,
        }
    }
}
