//! Watches the disk that holds the node's data, and warns the operator long before it is full.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::alarms::{AlarmKind, Alarms};
use crate::base::disk_space::SharedSpace;

const EVERY: Duration = Duration::from_secs(5);
/// The operator is warned while so many times the reserve is free.
const WARN_AT: u64 = 4;

/// Measures the disk of the folder `data` until `stop`.
pub(super) async fn watch(space: SharedSpace, data: PathBuf, alarms: Alarms, stop: CancellationToken) {
    let mut told = false;
    loop {
        match space.measure(&data) {
            Ok(free) => tell(free, space.reserve(), &data, &alarms),
            Err(error) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, "the free space of {} cannot be measured", data.display());
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn tell(free: u64, reserve: u64, data: &std::path::Path, alarms: &Alarms) {
    let (topic, mib) = (AlarmKind::Disk.word(), |bytes: u64| bytes >> 20);
    let place = data.display();
    if free < reserve {
        let text = format!(
            "the disk of {place} is nearly full: {} MiB are free, less than the reserve of {} MiB. Entries of peers are put off, and this node's own \
             work goes on until the disk is full: make room, or use a larger disk",
            mib(free),
            mib(reserve)
        );
        alarms.raise(topic, text);
    } else if free < reserve.saturating_mul(WARN_AT) {
        let text = format!(
            "the disk of {place} fills up: {} MiB are free. Below {} MiB entries of peers are put off: make room, or use a larger disk",
            mib(free),
            mib(reserve)
        );
        alarms.raise(topic, text);
    } else {
        alarms.settle(topic);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_operator_hears_of_a_disk_that_fills_up_before_it_is_nearly_full() {
        let alarms = Alarms::default();
        let says = |free: u64| {
            tell(free << 20, 512 << 20, Path::new("/data"), &alarms);
            alarms.all().first().map(|alarm| alarm.text.clone()).unwrap_or_default()
        };
        assert_eq!(says(2048), "");
        assert!(says(2047).contains("fills up: 2047 MiB are free. Below 512 MiB"));
        assert!(says(511).contains("nearly full: 511 MiB"));
        assert_eq!(says(4096), "");
    }
}
