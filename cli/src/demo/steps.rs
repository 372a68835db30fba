//! The parts of the demo: a progress bar for each on a terminal, and the time that each takes.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// A part of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Making keys, certificates, charter and folders.
    Making,
    /// Starting the processes.
    Starting,
    /// Linking the nodes.
    Linking,
    /// Lodging complaints.
    Importing,
    /// Playing the acts of the agencies.
    HandingOver,
    /// Waiting until all parties agree.
    Agreeing,
    /// Checking the ledgers.
    Verifying,
    /// Playing a cover-up, with the audits before and after it.
    Auditing,
}

impl Part {
    /// The name of the part, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Making => "making keys and charter",
            Self::Starting => "starting nodes",
            Self::Linking => "linking them",
            Self::Importing => "importing complaints",
            Self::HandingOver => "handing them over",
            Self::Agreeing => "waiting for agreement",
            Self::Verifying => "verifying ledgers",
            Self::Auditing => "auditing a cover-up",
        }
    }
}

/// The times of the parts so far.
#[derive(Debug, Default)]
pub struct Steps(Vec<(Part, Duration)>);

impl Steps {
    /// Runs one part. The bar counts `length` pieces, or bytes when ledgers are verified.
    pub async fn during<T>(&mut self, part: Part, length: usize, work: impl AsyncFnOnce(&ProgressBar) -> T) -> T {
        let template = match part {
            Part::Verifying => "{msg:<24} {bar:24} {binary_bytes:>10} of {binary_total_bytes:<10} {elapsed:>4}",
            _ => "{msg:<24} {bar:24} {human_pos:>10} of {human_len:<10} {elapsed:>4}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        // The bar goes to stderr, and is shown only if that is a terminal.
        let bar = ProgressBar::new(length as u64).with_style(style).with_message(part.label());
        let begun = Instant::now();
        bar.tick();
        let done = work(&bar).await;
        bar.abandon();
        self.0.push((part, begun.elapsed()));
        done
    }

    /// The time of each part.
    pub fn times(&self) -> impl Iterator<Item = (Part, Duration)> {
        self.0.iter().copied()
    }

    /// The total time.
    pub fn total(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }
}
