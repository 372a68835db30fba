//! Taking what peers deliver: duplicates, admission, refusal, deferral; and the append that own entries share.

use std::sync::Arc;

use prost::Message;
use sinergi_proto::admission::{Verdict, admit};
use sinergi_proto::content::Content;
use sinergi_proto::entry::{Body, Commitment, Entry};
use sinergi_proto::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::outbox::Recalled;
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::refusal::{Refusal, RefusalCode};
use sinergi_proto::route::{Origin, Route, Standpoint, routes_of_node_entry};
use sinergi_proto::waiting::item_key;
use sinergi_proto::wire;

use super::refusals;
use super::{Authentic, Received, Writer, WriterError};
use crate::case::CaseError;
use crate::headers::{self, ContentHeader, DeferredHeader, External, LeafHeader, RefusedHeader, RoutingHeader};
use crate::ledger::{Group, RecordKind};
use crate::time::now_millis;

/// A leaf that was appended.
pub(super) struct Appended {
    pub(super) index: LedgerIndex,
    pub(super) header: LeafHeader,
    /// No routing record lies between it and the leaf before it: the ledger alone knows those.
    pub(super) follows_directly: bool,
}

impl Writer {
    /// Takes one item; what became of it.
    pub(super) fn receive(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        item: Received,
    ) -> Result<ItemResult, WriterError> {
        match item {
            Received::Refused { entry, refusal, bytes } => self.refuse(group, peer, entry, &refusal, &bytes),
            Received::Deferred { entry, code, detail, item } => self.defer(group, peer, entry, (code, detail), &item),
            Received::Authentic(authentic) => self.receive_authentic(group, peer, *authentic),
        }
    }

    pub(super) fn receive_authentic(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        authentic: Authentic,
    ) -> Result<ItemResult, WriterError> {
        let Authentic { entry, item } = authentic;
        if let Some(leaf) = self.leaf_of(&entry)? {
            self.take_missing_contents(group, peer, leaf, &entry, item.content)?;
            self.react(group, &entry)?;
            return Ok(ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(leaf) });
        }
        match self.judge(&entry)? {
            Verdict::Refuse(refusal) => self.refuse(group, peer, entry.id, &refusal, &item.signed_entry),
            Verdict::Defer { code, detail } => self.defer(group, peer, entry.id, (code.number(), detail), &item),
            Verdict::Admit => {
                let contents = self.check_contents(group, peer, &entry, item.content)?;
                let origin = Origin { peer, relays: item.relays.saturating_add(1) };
                let leaf = self.append(group, &entry, &contents, Some(origin), None)?.index;
                self.tell_of_reset(&entry);
                self.react(group, &entry)?;
                Ok(ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(leaf) })
            }
        }
    }

    /// The duplicate check: by the full id.
    pub(super) fn leaf_of(&mut self, entry: &Entry) -> Result<Option<LedgerIndex>, WriterError> {
        let Some(complaint) = entry.complaint else {
            return match self.open.node_entries.get(&entry.id) {
                Some(leaf) => Ok(Some(*leaf)),
                None => Ok(self.store()?.node_entry(entry.clock, &entry.id)?),
            };
        };
        Ok(self.parts.applier.case(&complaint)?.and_then(|case| case.leaves.get(&entry.id).copied()))
    }

    /// Whether an authentic entry is new and taken as it is.
    pub(super) fn is_admitted(&mut self, entry: &Entry) -> Result<bool, WriterError> {
        Ok(self.leaf_of(entry)?.is_none() && self.judge(entry)? == Verdict::Admit)
    }

    pub(super) fn judge(&mut self, entry: &Entry) -> Result<Verdict, WriterError> {
        let charters = self.parts.directory.charters();
        let (version, index) = (entry.charter_version, LedgerIndex::default());
        let charter = charters.version(version).ok_or(CaseError::Charter { index, version })?;
        let case = match &entry.complaint {
            Some(complaint) => self.parts.applier.case(complaint)?,
            None => None,
        };
        Ok(admit(entry, case.map(|case| &case.complaint), charter, now_millis()))
    }

    /// Appends an admitted entry with its contents, routed to whoever should have it.
    pub(super) fn append(
        &mut self,
        group: &mut Group,
        entry: &Entry,
        contents: &[Content],
        origin: Option<Origin<'_>>,
        external: Option<External>,
    ) -> Result<Appended, WriterError> {
        let index = group.next_index();
        let folded = self.parts.applier.fold(entry, index)?;
        if folded.path_changed {
            self.alarm_path_change(entry)?;
        }
        self.alarm_back_and_forth(entry)?;
        let (routes, unreachable) = self.route(entry, origin)?;
        self.pass_on_to_raised(group, entry, origin)?;
        for agency in &unreachable {
            let text =
                format!("no link leads to {agency}, which should get entries: add a [[peer]] toward it and restart");
            self.parts.alarms.raise(format!("no-route {agency}"), text);
        }
        for content in contents {
            self.write_content(group, index, entry.id, content)?;
        }
        if entry.complaint.is_none() {
            self.open.node_entries.insert(entry.id, index);
        }
        let header = LeafHeader {
            at: now_millis(),
            from: origin.map(|origin| origin.peer.clone()),
            relays: origin.map_or(0, |origin| origin.relays),
            routes,
            unreachable,
            external,
        };
        group.leaf(&headers::encode(&header), &entry.signed)?;
        let follows_directly = std::mem::take(&mut self.owed) == 0;
        let goes_nowhere = header.routes.is_empty() && follows_directly;
        self.open.leaves.push(goes_nowhere.then_some(Recalled::GoesNowhere));
        self.parts.applier.place(entry, index, &header);
        self.waiting.arrived(&entry.id);
        Ok(Appended { index, header, follows_directly })
    }

    /// The links that an entry goes to. Its complaint's history goes before it where the link is new to it, or may see more now.
    fn route(&mut self, entry: &Entry, origin: Option<Origin<'_>>) -> Result<(Vec<Route>, Vec<AgencyId>), WriterError> {
        let charter = self.parts.directory.newest();
        let (own, adjacent) = (self.parts.own.clone(), Arc::clone(&self.parts.adjacent));
        if origin.is_some_and(|origin| origin.is_spent()) {
            tracing::warn!(entry = ?entry.id, relays = limits::RELAYS, "the relay limit is reached: passed on to adjacent readers only");
        }
        let Some(complaint) = &entry.complaint else {
            let known = self.store()?.reset_of(&entry.author)?.map(|known| known.epoch);
            return Ok((routes_of_node_entry(entry, origin, known, &adjacent), Vec::new()));
        };
        let Some(case) = self.parts.applier.case(complaint)? else { return Ok((Vec::new(), Vec::new())) };
        Ok(case.routes_of(entry, origin, Standpoint { own: &own, adjacent: &adjacent, charter: &charter }))
    }

    /// What this node does by itself when an entry is here, new or again.
    fn react(&mut self, group: &mut Group, entry: &Entry) -> Result<(), WriterError> {
        let Some(complaint) = &entry.complaint else { return Ok(()) };
        self.note_duties(complaint)?;
        if self.duties.remove(complaint) { self.do_duty(group, *complaint) } else { Ok(()) }
    }

    /// A complaint that goes back and forth is shown to the holder and to those who can end it.
    fn alarm_back_and_forth(&mut self, entry: &Entry) -> Result<(), WriterError> {
        let (Body::Custody { act, .. }, Some(complaint)) = (&entry.body, entry.complaint) else { return Ok(()) };
        let charter = self.parts.directory.newest();
        let own = self.parts.own.clone();
        let Some(case) = self.parts.applier.case(&complaint)? else { return Ok(()) };
        let (offers, holder) = (case.complaint.offers(), &case.complaint.custody().holder);
        let is_concerned = *holder == own || charter.supervises(&own, holder);
        if act.offers_to().is_none() || offers < charter.offers_before_alarm as usize || !is_concerned {
            return Ok(());
        }
        let supervisors: Vec<&str> = charter.supervisors(holder).map(AgencyId::as_str).collect();
        let (short, supervisors) = (complaint.short(), supervisors.join(", "));
        let text = format!(
            "complaint {short} was offered {offers} times and {holder} still holds it: its supervisor ({supervisors}) can end this with \
             `sinergi complaint reassign {short} --to AGENCY`"
        );
        self.parts.alarms.raise(format!("back-and-forth {short}"), text);
        Ok(())
    }

    fn alarm_path_change(&mut self, entry: &Entry) -> Result<(), WriterError> {
        let Some(complaint) = entry.complaint else { return Ok(()) };
        let Some(case) = self.parts.applier.case(&complaint)? else { return Ok(()) };
        let text = format!(
            "complaint {}: an entry of {} that came late changed custody; {} holds it now. Look at `sinergi complaint timeline {}`",
            complaint.short(),
            entry.author,
            case.complaint.custody().holder,
            complaint.short()
        );
        self.parts.alarms.raise(format!("custody {}", complaint.short()), text);
        Ok(())
    }

    fn refuse(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        entry: EntryId,
        refusal: &Refusal,
        bytes: &[u8],
    ) -> Result<ItemResult, WriterError> {
        let code = refusal.code.number();
        let result = ItemResult { entry, outcome: ItemOutcome::Refused(code) };
        let (at, shown) = (now_millis(), &bytes[..bytes.len().min(limits::ENTRY_BYTES + 128)]);
        if let Err(unkept) = self.refusals.count(peer, shown.len(), at) {
            // From then on as time passes, with the number that they have grown to.
            if unkept == 1 {
                self.tell_of_refusals();
            }
            return Ok(result);
        }
        tracing::warn!(%peer, ?entry, code, "refused an item: {refusal}");
        let header = RefusedHeader { at, peer: peer.clone(), entry, code, detail: refusal.detail.clone() };
        self.record(group, RecordKind::Refused, &headers::encode(&header), shown)?;
        Ok(result)
    }

    /// Tells the operator of peers of which more is refused than is kept.
    pub(super) fn tell_of_refusals(&self) {
        for (peer, unkept) in self.refusals.unkept(now_millis()) {
            let topic = format!("refused {peer}");
            if unkept > 0 {
                self.parts.alarms.raise(topic, refusals::alarm(peer, unkept));
            } else {
                self.parts.alarms.settle(&topic);
            }
        }
    }

    fn defer(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        entry: EntryId,
        waits_for: (u32, String),
        item: &wire::Item,
    ) -> Result<ItemResult, WriterError> {
        let (code, detail) = waits_for;
        let bytes = item.encode_to_vec();
        let key = item_key(peer, &bytes);
        let result = ItemResult { entry, outcome: ItemOutcome::Deferred(code) };
        if self.waiting.contains(&key) {
            return Ok(result);
        }
        if let Some(refusal) = self.waiting.refuses(peer, item, &self.parts.federation, &detail) {
            return self.refuse(group, peer, entry, &refusal, &item.signed_entry);
        }
        tracing::info!(%peer, ?entry, code, detail, "an item waits");
        let header = DeferredHeader { at: now_millis(), peer: peer.clone(), item: key, entry, code, detail };
        let encoded = headers::encode(&header);
        let position = group.record(RecordKind::Deferred, &encoded, &bytes)?;
        self.parts.applier.record(RecordKind::Deferred, position, &encoded)?;
        self.waiting.add(key, peer, code, (position, header), &bytes, &self.parts.federation);
        Ok(result)
    }

    /// The contents that are what the entry committed to. Others are refused alone: a relay that garbles a content cannot keep the entry
    /// away.
    pub(super) fn check_contents(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        entry: &Entry,
        contents: Vec<wire::Content>,
    ) -> Result<Vec<Content>, WriterError> {
        let mut good: Vec<Content> = Vec::new();
        let mut bad = None;
        for content in contents {
            match Content::parse(content, &entry.commitments) {
                Ok(content) if good.iter().any(|other| other.commitment == content.commitment) => {}
                Ok(content) => good.push(content),
                Err(detail) => bad = bad.or(Some(detail)),
            }
        }
        let erased = match &entry.complaint {
            Some(complaint) if !good.is_empty() => {
                self.parts.applier.case(complaint)?.is_some_and(|case| case.complaint.erases(entry))
            }
            _ => false,
        };
        if erased {
            let detail = "it was erased on two signatures and is not taken again";
            let refusal = Refusal::new(RefusalCode::ContentErased, detail);
            self.refuse(group, peer, entry.id, &refusal, &entry.signed)?;
            good.clear();
        }
        if let Some(detail) = bad {
            let refusal = Refusal::new(RefusalCode::ContentMismatch, detail);
            self.refuse(group, peer, entry.id, &refusal, &entry.signed)?;
        }
        Ok(good)
    }

    /// A duplicate may bring content that was withheld before, or that did not come along.
    fn take_missing_contents(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        leaf: LedgerIndex,
        entry: &Entry,
        contents: Vec<wire::Content>,
    ) -> Result<(), WriterError> {
        if contents.is_empty() {
            return Ok(());
        }
        let mut held = Vec::new();
        if leaf < group.first_index() {
            for record in self.reader()?.contents(leaf).map_err(CaseError::Ledger)? {
                let header: ContentHeader =
                    headers::decode(&record.header).map_err(|source| CaseError::Header { index: leaf, source })?;
                held.push(header.commitment);
            }
        }
        let mut late = Vec::new();
        for content in self.check_contents(group, peer, entry, contents)? {
            if !held.contains(&content.commitment) {
                self.write_content(group, leaf, entry.id, &content)?;
                late.extend(entry.commitments.get(content.commitment as usize));
                self.open.late_content = true;
            }
        }
        if late.is_empty() { Ok(()) } else { self.pass_on_late(group, peer, leaf, entry, &late) }
    }

    /// A content that came after its entry goes on to whom it would have gone with it.
    fn pass_on_late(
        &mut self,
        group: &mut Group,
        peer: &AgencyId,
        leaf: LedgerIndex,
        entry: &Entry,
        late: &[&Commitment],
    ) -> Result<(), WriterError> {
        let Some(complaint) = &entry.complaint else { return Ok(()) };
        let charter = self.parts.directory.newest();
        let (own, adjacent) = (self.parts.own.clone(), Arc::clone(&self.parts.adjacent));
        let Some(case) = self.parts.applier.case(complaint)? else { return Ok(()) };
        let node = Standpoint { own: &own, adjacent: &adjacent, charter: &charter };
        let routes = case.routes_of_late(entry, late, peer, node);
        if routes.is_empty() { Ok(()) } else { self.route_again(group, leaf, routes) }
    }

    /// What a link lacks goes over it when its reader takes part by an entry of its own, or by one that it passed on.
    fn pass_on_to_raised(
        &mut self,
        group: &mut Group,
        entry: &Entry,
        origin: Option<Origin<'_>>,
    ) -> Result<(), WriterError> {
        let (Some(origin), Some(complaint)) = (origin, &entry.complaint) else { return Ok(()) };
        let charter = self.parts.directory.newest();
        let (own, adjacent) = (self.parts.own.clone(), Arc::clone(&self.parts.adjacent));
        let Some(case) = self.parts.applier.case(complaint)? else { return Ok(()) };
        let node = Standpoint { own: &own, adjacent: &adjacent, charter: &charter };
        let (raised, leaves) = case.routes_of_raised(entry, origin, node);
        case.note_owed(&raised);
        for leaf in leaves {
            self.route_again(group, leaf, raised.clone())?;
        }
        Ok(())
    }

    /// Sends a leaf over these links, again or for the first time.
    pub(super) fn route_again(
        &mut self,
        group: &mut Group,
        leaf: LedgerIndex,
        routes: Vec<Route>,
    ) -> Result<(), WriterError> {
        let header = headers::encode(&RoutingHeader::Leaf { leaf, routes });
        self.record(group, RecordKind::Routing, &header, &[])?;
        self.owed += 1;
        Ok(())
    }

    /// Writes a content, once in a group.
    fn write_content(
        &mut self,
        group: &mut Group,
        leaf: LedgerIndex,
        entry: EntryId,
        content: &Content,
    ) -> Result<(), WriterError> {
        if !self.open.contents.insert((leaf, content.commitment)) {
            return Ok(());
        }
        let header = headers::encode(&ContentHeader { entry, commitment: content.commitment });
        let body = [&content.salt[..], &content.data].concat();
        group.content(leaf, &header, &body)?;
        Ok(())
    }
}
