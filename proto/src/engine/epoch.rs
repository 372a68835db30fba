//! A new ledger takes over the entries of the old one.
//!
//! Invariant: an old entry takes the path of every other entry: it is authenticated, judged and routed again. Peers recognise duplicates.

use crate::admission::received::Received;

use super::view::View;
use super::write::Source;
use super::{Batch, Engine, OldEntry};

impl Engine {
    /// Takes over an entry of the old ledger.
    pub(super) fn take_over<V: View>(
        &mut self,
        old: OldEntry,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<(), V::Error> {
        let OldEntry { header, received } = old;
        let own = self.config.own.clone();
        let received = match received {
            Received::Authentic(authentic) if header.from.is_none() => {
                let facts = self.gather_item(&authentic, view)?;
                if self.is_admitted(&authentic.entry, &facts, now) {
                    // An own entry keeps its external record, and is sent to everybody who should have it.
                    let contents = self.check_contents(&own, &authentic.entry, authentic.item.content, now, batch);
                    let source = Source { delivered_by: None, external: header.external, declared: facts.declared };
                    self.append(authentic.entry, contents, source, now, batch);
                    return Ok(());
                }
                Received::Authentic(authentic)
            }
            received => received,
        };
        let peer = header.from.unwrap_or(own);
        self.fair_use.takes_over(true);
        let received = self.receive(&peer, received, now, view, batch);
        self.fair_use.takes_over(false);
        received.map(drop)
    }
}
