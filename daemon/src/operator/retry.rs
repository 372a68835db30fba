//! Retries refused or deferred items when an operator asks for it, for example after a charter or a clock was corrected. Reads the items,
//! checks their signatures, and submits them to the writer.
//!
//! Must not judge items: the engine does.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::admission::VerifiedBatches;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::engine::{KeptAs, KeptItem, Retried};
use sinergi_proto::operator_api;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tonic::Status;

use super::intake::{Submissions, answer_of};
use super::names::optional_agency;
use super::{blocking, own, submit_status};
use crate::signature_checks::receive_items;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::ledger::{Position, Record};
use crate::storage::outbox::Outbox;
use crate::storage::record_codec::Header;
use crate::writer::{Submission, SubmitError};

/// The most refused items in one call. The newest ones are retried.
const REFUSED_MOST: usize = 1_000;

/// An item that was read from the ledger. Its signature is not checked again yet.
struct Found {
    position: Position,
    peer: AgencyId,
    entry: sinergi_proto::base::ids::EntryId,
    kept: KeptAs,
    item: wire::Item,
}

/// Retries stored items.
#[derive(Clone)]
pub(super) struct Retries {
    pub(super) outbox: Outbox,
    pub(super) charter_store: CharterStore,
    pub(super) submissions: Submissions,
}

impl Retries {
    /// Retries the selected items.
    pub(super) async fn retry_items(
        &self,
        request: operator_api::RetryRefusedRequest,
    ) -> Result<operator_api::RetryRefusedReply, Status> {
        let position = match request.number.as_str() {
            "" => None,
            number => Some(parse_number(number)?),
        };
        let peer = optional_agency("peer", &request.peer)?;
        let service = self.clone();
        // The lists are read once, because an item that is settled meanwhile leaves them.
        let positions = blocking(move || match position {
            Some(position) => Ok(vec![position]),
            None => service.kept_positions(),
        });
        let (mut left, mut items) = (VecDeque::from(positions.await?), Vec::new());
        while !left.is_empty() {
            let (service, peer, mut rest) = (self.clone(), peer.clone(), left);
            let (kept, rest) = blocking(move || Ok((service.next_kept(&mut rest, peer.as_ref())?, rest))).await?;
            left = rest;
            if kept.is_empty() {
                continue;
            }
            let (answer, retried) = oneshot::channel();
            self.submissions.submit(Submission::RetryItems(kept, answer)).await?;
            items.extend(answer_of(retried).await?.into_iter().map(shown));
        }
        match position {
            Some(position) if items.is_empty() => Err(submit_status(&SubmitError::NoItem(position))),
            _ => Ok(operator_api::RetryRefusedReply { items }),
        }
    }

    /// The next items of a selection, as many as fit into one submission.
    fn next_kept(&self, left: &mut VecDeque<Position>, peer: Option<&AgencyId>) -> Result<Vec<KeptItem>, Status> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        while found.len() < limits::FRAME_ITEMS
            && bytes < limits::FRAME_BYTES
            && let Some(position) = left.pop_front()
        {
            let item = self.kept_at(position)?.filter(|found| peer.is_none_or(|peer| *peer == found.peer));
            bytes += item.as_ref().map_or(0, |found| found.item.encoded_len());
            found.extend(item);
        }
        Ok(self.check_again(found))
    }

    /// The positions of all deferred items, and of the newest items that this node refused.
    fn kept_positions(&self) -> Result<Vec<Position>, Status> {
        let store = self.outbox.store();
        let mut positions = Vec::new();
        for item in store.deferred() {
            positions.push(own(item)?.1);
        }
        for item in store.refused().take(REFUSED_MOST) {
            let (_, position, row) = own(item)?;
            if row.by_us {
                positions.push(position);
            }
        }
        Ok(positions)
    }

    /// The item at a position, if this node refused it, or if it is still deferred.
    fn kept_at(&self, position: Position) -> Result<Option<Found>, Status> {
        // An operator may name any position.
        let Ok(record) = self.outbox.reader().record(position) else { return Ok(None) };
        let header = own(Header::of(&record).map_err(OwnDataError::from))?;
        let Record { body, .. } = record;
        Ok(match header {
            Header::Refused(header) => {
                let item = wire::Item { signed_entry: Bytes::from(body), ..Default::default() };
                let kept = KeptAs::Refused(header.detail);
                Some(Found { position, peer: header.peer, entry: header.entry, kept, item })
            }
            Header::Deferred(header) => {
                let waits = own(self.outbox.store().deferred_at(&header.item))? == Some(position);
                let item = wire::Item::decode(body.as_slice()).unwrap_or_default();
                let kept = KeptAs::Deferred(header.item, header.code, header.detail);
                waits.then_some(Found { position, peer: header.peer, entry: header.entry, kept, item })
            }
            _ => None,
        })
    }

    /// Checks the signatures again: an item may have been kept before its author's key was known.
    fn check_again(&self, found: Vec<Found>) -> Vec<KeptItem> {
        let (charters, federation) = (self.charter_store.charters(), self.outbox.federation());
        let known = VerifiedBatches::default();
        let check = |found: Found| {
            let Found { position, peer, entry, kept, item } = found;
            let received = receive_items(vec![item], federation, &charters, &known).pop()?;
            Some(KeptItem { number: position.to_bits(), peer, entry, kept, received })
        };
        found.into_iter().filter_map(check).collect()
    }
}

fn shown(item: Retried) -> operator_api::RetriedItem {
    let (outcome, code) = match item.outcome {
        ItemOutcome::Leaf(_) => ("taken", 0),
        ItemOutcome::Deferred(deferral) => ("waits", deferral.code),
        ItemOutcome::Refused(code) => ("refused", code),
    };
    let number = Position::from_bits(item.number).map(|position| format!("{}-{}-0", position.segment, position.offset));
    operator_api::RetriedItem {
        number: number.unwrap_or_default(),
        entry_id: item.entry.0.to_vec(),
        outcome: outcome.to_owned(),
        code,
        reason: item.reason,
    }
}

/// The number of an item in a listing: the position of its record.
fn parse_number(number: &str) -> Result<Position, Status> {
    let mut parts = number.split('-');
    let mut part = || parts.next().and_then(|part| part.parse::<u32>().ok());
    match (part(), part()) {
        (Some(segment), Some(offset)) => Ok(Position { segment, offset }),
        _ => Err(Status::invalid_argument(format!("number {number:?}: must be one that `sinergi refused list` shows"))),
    }
}
