//! The judge: it passes an accusation to the rule of its finding.
//!
//! Must not know the rules: they are in the files `ledger`, `custody`, `offers` and `refusals`.

use super::parts::{Judge, NotProven, agency};
use super::{Statement, custody, ledger, offers, refusals};
use crate::wire::{self, accusation::Finding as Kind};

impl Judge<'_> {
    /// Judges an accusation that was made at `made_at`, in milliseconds since 1970.
    ///
    /// # Errors
    /// The reason why it does not hold.
    pub fn judge(&self, accusation: &wire::Accusation, made_at: u64) -> Result<Statement, NotProven> {
        let accused = agency("name of the accused", &accusation.accused)?;
        match accusation.finding.as_ref().ok_or(NotProven::UnknownFinding)? {
            Kind::ForkedEntries(forked) => ledger::two_entries(self, &accused, forked),
            Kind::ForkedTrees(forked) => ledger::two_trees(self, &accused, forked),
            Kind::ForkedLeaf(forked) => ledger::displaced(self, &accused, forked),
            Kind::RolledBack(back) => ledger::rolled_back(self, &accused, back),
            Kind::UndeclaredEpoch(begun) => ledger::undeclared(self, &accused, begun),
            Kind::Omitted(omitted) => ledger::omitted(self, &accused, omitted),
            Kind::BackDated(dated) => ledger::back_dated(self, &accused, dated),
            Kind::Concealed(concealed) => custody::concealed(self, &accused, concealed),
            Kind::Misreported(reported) => custody::misreported(self, &accused, reported),
            Kind::Withheld(withheld) => offers::withheld(self, &accused, withheld),
            Kind::Unsigned(unsigned) => offers::unsigned(self, &accused, unsigned),
            Kind::Undelivered(offer) => offers::undelivered(self, &accused, offer, made_at),
            Kind::Unanswered(offer) => offers::unanswered(self, &accused, offer, made_at),
            Kind::RefusedWrongly(refused) => refusals::refused_wrongly(self, &accused, refused),
            Kind::EndlessDeferral(deferred) => refusals::deferred(self, &accused, deferred),
            Kind::Unresponsive(silence) => offers::unresponsive(self, &accused, silence),
        }
    }
}
