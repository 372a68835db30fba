//! The disk: batches are decided, written, durable and applied, in this order and one behind the other, as in the daemon's pipeline.
//!
//! The engine decides the next batch while the disk works on the one before. What happens when is the world's choice.

use std::collections::BTreeSet;
use std::convert::Infallible;

use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::engine::commit::{DurableBatch, finish};
use sinergi_proto::engine::{Answer, Closed, DeliveryError, Destroy, Input, Recheck, Record};
use sinergi_proto::receipt::ItemResult;
use sinergi_proto::sync::{Done, End, Event, JobId};
use sinergi_proto::transparency::watch::VerifiedCheckpoint;

use super::{Effect, Node, State};

/// What the disk does next for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What the engine decided is handed over and written.
    Write,
    /// What was written is synced.
    Sync,
    /// What is durable is shown: checkpoint, store, links, destruction, answers.
    Apply,
}

/// Whom an answer is for.
pub(super) enum Waiter {
    /// Nobody.
    Nobody,
    /// An operator.
    Operator,
    /// The operator who let its node take this entry, which acts on custody as it was once.
    StaleAct(EntryId),
    /// The session with a peer over a connection, which waits for this job.
    Peer(AgencyId, u64, JobId),
    /// The watch: the own ledger commits to these checkpoints.
    Witness(Vec<(AgencyId, VerifiedCheckpoint)>),
}

/// A batch on its way.
pub(super) struct Flight {
    records: Vec<Record>,
    destroy: BTreeSet<Destroy>,
    answers: Vec<(Waiter, Answer)>,
    /// The time that the next checkpoint carries, in seconds since 1970.
    seconds: Option<u64>,
    /// Whether it has records.
    is_written: bool,
    is_durable: bool,
}

/// A batch that is durable, on its node.
struct DurableFlight<'a> {
    node: &'a mut Node,
    flight: Flight,
    /// Whether the node had signed a checkpoint before.
    was_signed: bool,
}

impl DurableBatch for DurableFlight<'_> {
    type Error = Infallible;

    fn sign_checkpoint(&mut self) {
        let is_first = self.node.signed.is_none() && self.node.state == State::Clear;
        if self.flight.is_written || is_first {
            self.node.sign_checkpoint(self.flight.seconds);
        }
    }

    /// Nothing is to be done: the ledger in memory derived its store when the records became durable.
    fn write_store(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    /// As in the daemon, records that are not for links wake none of them.
    fn show(&mut self) {
        let node = &mut *self.node;
        let head = std::mem::replace(&mut node.head, node.ledger.end());
        if head != node.head || self.was_signed != node.signed.is_some() {
            node.tell_all(&Event::Grown(node.head));
            if let Some(signed) = node.newest_signed() {
                node.tell_all(&Event::Signed(signed));
            }
        }
    }

    fn destroy(&mut self) -> Result<(), Infallible> {
        std::mem::take(&mut self.flight.destroy).into_iter().for_each(|what| self.node.ledger.destroy(what));
        Ok(())
    }

    fn answer(&mut self) {
        for (waiter, answer) in std::mem::take(&mut self.flight.answers) {
            self.node.answer(waiter, answer);
        }
    }
}

impl Node {
    /// Gives the engine an input, after what has changed around it; who waits is answered when the batch is applied.
    pub(super) fn decide(&mut self, input: Input, waiter: Waiter, now: u64) {
        let (clocks, around) = (self.clocks(now), self.around(now));
        let Some(engine) = &mut self.engine else { return };
        for news in self.engine_knows.news(around) {
            let Ok(answer): Result<_, Infallible> = engine.handle(news, clocks, &mut self.ledger, &mut self.batch);
            debug_assert!(matches!(answer.until_applied(), Answer::Nothing), "nobody asked");
        }
        let Ok(answer): Result<_, Infallible> = engine.handle(input, clocks, &mut self.ledger, &mut self.batch);
        if !matches!(waiter, Waiter::Nobody) {
            self.answers.push((waiter, answer.until_applied()));
        }
    }

    /// What the disk has to do next, if anything.
    pub fn next_step(&self) -> Option<Step> {
        match &self.flight {
            Some(flight) if flight.is_durable => Some(Step::Apply),
            Some(_) => Some(Step::Sync),
            None => {
                let has_backlog = self.engine.as_ref().is_some_and(|engine| engine.has_backlog());
                let awaits = self.engine.as_ref().is_some_and(|engine| engine.awaits_applied());
                let has_applied = awaits && self.handed_over.is_some();
                let has_work = has_backlog || has_applied || !self.batch.is_empty() || !self.answers.is_empty();
                (self.engine.is_some() && has_work).then_some(Step::Write)
            }
        }
    }

    /// Whether no batch is open or on its way.
    pub fn has_nothing_to_commit(&self) -> bool {
        self.flight.is_none() && self.batch.is_empty()
    }

    /// Takes that step.
    pub fn take_step(&mut self, now: u64) {
        match self.next_step() {
            Some(Step::Write) => self.write(now),
            Some(Step::Sync) => self.sync(),
            Some(Step::Apply) => self.apply(now),
            None => {}
        }
    }

    fn write(&mut self, now: u64) {
        self.decide(Input::Work, Waiter::Nobody, now);
        let Some(engine) = &mut self.engine else { return };
        let Closed { number: closed, seconds } = engine.close(&mut self.batch);
        let mut batch = std::mem::take(&mut self.batch);
        let is_written = !batch.records.is_empty();
        let recheck = std::mem::take(&mut batch.recheck);
        if !recheck.is_empty() {
            self.effects.push(Effect::Recheck(recheck));
        }
        let flight = Flight {
            records: std::mem::take(&mut batch.records),
            destroy: std::mem::take(&mut batch.destroy),
            answers: std::mem::take(&mut self.answers),
            seconds,
            is_written,
            is_durable: false,
        };
        batch.clear();
        self.batch = batch;
        if closed.is_some() || !flight.answers.is_empty() {
            self.flight = Some(flight);
        }
        // As in the daemon, the engine hears that a batch is applied when the next one is handed over.
        self.hear_of_applied(now);
        self.handed_over = closed;
    }

    /// Tells the engine that the batch before is applied.
    fn hear_of_applied(&mut self, now: u64) {
        if let Some(number) = self.handed_over.take() {
            self.decide(Input::Applied(number), Waiter::Nobody, now);
        }
    }

    /// Checks the signatures of deferred items again.
    pub fn recheck(&mut self, items: Vec<Recheck>, now: u64) {
        let (keys, items): (Vec<_>, Vec<_>) = items.into_iter().map(|Recheck { key, item }| (key, item)).unzip();
        let checked = keys.into_iter().zip(self.checks.items(items, &self.charters)).collect();
        self.decide(Input::Rechecked(checked), Waiter::Nobody, now);
    }

    /// Runs the disk until no batch is left and the engine has heard of all.
    pub(super) fn settle(&mut self, now: u64) {
        loop {
            while self.next_step().is_some() {
                self.take_step(now);
            }
            if self.handed_over.is_none() {
                return;
            }
            self.hear_of_applied(now);
        }
    }

    fn sync(&mut self) {
        let Some(flight) = &mut self.flight else { return };
        if !flight.records.is_empty() {
            // The head of the group records the newest checkpoint that was signed by then.
            self.ledger.recorded = self.unrecorded.take().or(self.ledger.recorded.take());
        }
        flight.records.drain(..).for_each(|record| self.ledger.apply(record));
        flight.is_durable = true;
    }

    fn apply(&mut self, now: u64) {
        let Some(flight) = self.flight.take() else { return };
        let Ok(()) = finish(&mut DurableFlight { was_signed: self.signed.is_some(), node: self, flight });
        self.keep_mark(now);
        self.drain(now);
    }

    fn answer(&mut self, waiter: Waiter, answer: Answer) {
        match (waiter, answer) {
            (Waiter::Operator, Answer::Acted(Ok(acted))) => self.effects.push(Effect::Acknowledged(acted.entry)),
            (Waiter::Operator, Answer::Lodged(Ok(lodged))) => {
                let lodged = self.ledger.cases[&lodged.complaint].complaint.lodged_entry();
                self.effects.push(Effect::Acknowledged(lodged));
            }
            (Waiter::StaleAct(entry), _) if self.ledger.leaf_of(&entry).is_some() => {
                self.effects.push(Effect::StaleAct(entry));
            }
            (Waiter::Peer(peer, connection, job), Answer::Delivered(delivered)) => {
                let done = match delivered {
                    Ok(results) => self.durable(results),
                    Err(DeliveryError::MayNotSign) => Done::Failed(End::Stopped),
                };
                self.committed(peer, connection, job, done);
            }
            (Waiter::Witness(newer), Answer::Witnessed(Ok(()))) => {
                newer.into_iter().for_each(|(agency, noted)| self.watch.witnessed(&agency, noted.checkpoint));
            }
            _ => {}
        }
    }

    /// What became of a frame that is durable, under the checkpoint that covers it.
    fn durable(&self, results: Vec<ItemResult>) -> Done {
        let checkpoint = self.signed.as_ref().map(|signed| signed.note.clone()).unwrap_or_default();
        Done::Committed { results, checkpoint }
    }

    /// The power fails. A batch that was written and not synced is there as a whole, or is cut off at the next start.
    pub(super) fn lose_what_is_not_durable(&mut self, survives: bool) {
        if survives {
            self.sync();
        }
        (self.flight, self.handed_over) = (None, None);
        self.batch.clear();
        self.answers.clear();
    }
}
