//! Items that wait and may be possible now: their signatures are checked again, away from the writer's threads.

use sinergi_proto::engine::Recheck;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Submission, WriterHandle};
use crate::signature_checks::receive_items;
use crate::storage::charters::Directory;

/// Batches of items that may wait here: as many as the engine gives out items at a time, so that there is always room.
const WAITING: usize = 256;

/// The items to be checked, those of a batch together.
pub type Rechecks = mpsc::Receiver<Vec<Recheck>>;

pub(super) fn channel() -> (mpsc::Sender<Vec<Recheck>>, Rechecks) {
    mpsc::channel(WAITING)
}

/// Checks the items and gives them back to the writer, until the node stops.
pub async fn recheck(
    mut items: Rechecks,
    writer: WriterHandle,
    federation: String,
    directory: Directory,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = items.recv() => next,
        };
        let Some(items) = next else { return };
        let (federation, directory) = (federation.clone(), directory.clone());
        let check = move || {
            let (keys, items): (Vec<_>, Vec<_>) = items.into_iter().map(|Recheck { key, item }| (key, item)).unzip();
            let received = receive_items(items, &federation, &directory.charters());
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
