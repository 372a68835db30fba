//! Checks the signatures of deferred items again, when the engine may be able to take them. The checks run in the blocking pool, not on the
//! writer's threads.

use sinergi_proto::admission::VerifiedBatches;
use sinergi_proto::engine::Recheck;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Submission, WriterHandle};
use crate::signature_checks::receive_items;
use crate::storage::charters::CharterStore;

/// Batches of items that fit into the channel: as many as the items that the engine gives out at a time, so there is always room.
const WAITING: usize = 256;

/// The receiver of items to check; each message holds the items of one batch.
pub type Rechecks = mpsc::Receiver<Vec<Recheck>>;

pub(super) fn channel() -> (mpsc::Sender<Vec<Recheck>>, Rechecks) {
    mpsc::channel(WAITING)
}

/// Checks items and submits the results to the writer, until the node stops.
pub async fn recheck(
    mut items: Rechecks,
    writer: WriterHandle,
    federation: String,
    charter_store: CharterStore,
    stop: CancellationToken,
) {
    let known = VerifiedBatches::default();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = items.recv() => next,
        };
        let Some(items) = next else { return };
        let (federation, charter_store, known) = (federation.clone(), charter_store.clone(), known.clone());
        let check = move || {
            let (keys, items): (Vec<_>, Vec<_>) = items.into_iter().map(|Recheck { key, item }| (key, item)).unzip();
            let received = receive_items(items, &federation, &charter_store.charters(), &known);
            keys.into_iter().zip(received).collect()
        };
        let checked = tokio::task::spawn_blocking(check).await;
        if let Ok(checked) = checked
            && writer.submit(Submission::Rechecked(checked)).await.is_err()
        {
            return;
        }
    }
}
