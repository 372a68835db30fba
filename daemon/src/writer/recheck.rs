//! Items that wait and may be possible now: their signatures are checked again, away from the writer's threads.

use sinergi_proto::engine::Recheck;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Submission, WriterHandle};
use crate::authentication::receive_items;
use crate::directory::Directory;

/// Items that may wait here: more than the engine gives out at a time.
const WAITING: usize = 1024;

/// The items to be checked.
pub type Rechecks = mpsc::Receiver<Recheck>;

pub(super) fn channel() -> (mpsc::Sender<Recheck>, Rechecks) {
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
        let Some(Recheck { key, item }) = next else { return };
        let (federation, directory) = (federation.clone(), directory.clone());
        let check = move || receive_items(vec![item], &federation, &directory.charters()).pop();
        let checked = tokio::task::spawn_blocking(check).await;
        if let Ok(Some(received)) = checked
            && writer.submit(Submission::Rechecked(key, received)).await.is_err()
        {
            return;
        }
    }
}
