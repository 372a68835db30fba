//! Random commands of operators on complaints that their node has, sensible or not. The node rejects commands that have no effect.

use std::sync::LazyLock;

use rand::RngExt;
use rand::rngs::StdRng;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::citizen::{Reply, ReplyCode, Word};
use sinergi_proto::complaint::{Command, Complaint, CustodyState, NewOffer};
use sinergi_proto::entry::content::Content;
use sinergi_proto::entry::{Body, CaseAct, ContentClass};
use sinergi_proto::wire::{self, ReplyWord};

use super::node::{Node, State};

/// The code on every citizen's receipt.
pub fn reply_code() -> ReplyCode {
    ReplyCode::from([7; 16])
}

/// The body that lodges a complaint of a citizen with [`reply_code`].
pub fn lodged(class: wire::ContentClass) -> wire::Lodged {
    // The curve arithmetic would cost more than the rest of a lodging.
    static PUBLIC: LazyLock<[u8; 32]> = LazyLock::new(|| reply_code().public());
    wire::Lodged {
        kind: wire::ComplaintKind::Complaint.into(),
        category: "jalan".to_owned(),
        area: String::new(),
        class: class.into(),
        citizen_key: PUBLIC.to_vec(),
        key_origin: wire::KeyOrigin::Drawn.into(),
    }
}

/// The operator of a node gives a random command.
pub fn operate(node: &mut Node, members: &[AgencyId], now: u64, rng: &mut StdRng) {
    if matches!(node.state, State::Down | State::SetBack) {
        return;
    }
    if node.ledger.cases.is_empty() || rng.random_ratio(1, 12) {
        return lodge(node, now, rng);
    }
    let urgent: Vec<ComplaintId> = node.ledger.cases.keys().filter(|id| is_urgent(node, id)).copied().collect();
    let all: Vec<ComplaintId> = node.ledger.cases.keys().copied().collect();
    let among = if urgent.is_empty() || rng.random_bool(0.3) { all } else { urgent };
    let complaint = among[rng.random_range(0..among.len())];
    // A node with a wrong clock would be accused for the date of the entry.
    if rng.random_ratio(1, 20) && !node.has_a_wrong_clock(now) {
        return forward_from_old_custody(node, complaint, members, now, rng);
    }
    let command = choose(node, &complaint, members, rng);
    let text = rng.random_bool(0.4).then(|| content(node, rng.random(), rng));
    let text = text.filter(|_| !matches!(command, Command::Disclose { .. }));
    node.act(complaint, command, text, now);
}

/// Whether there is an open offer that this agency can answer or withdraw.
fn is_urgent(node: &Node, complaint: &ComplaintId) -> bool {
    let custody = node.ledger.cases[complaint].complaint.custody();
    custody.offer.as_ref().is_some_and(|offer| offer.to == node.id || custody.holder == node.id)
}

/// A dishonest operator forwards the complaint from an earlier step at which the agency held it.
fn forward_from_old_custody(node: &mut Node, complaint: ComplaintId, members: &[AgencyId], now: u64, rng: &mut StdRng) {
    let path: Vec<_> =
        node.ledger.cases[&complaint].complaint.path().map(|(id, known)| (id, known.custody().cloned())).collect();
    let Some((_, before_tip)) = path.split_last() else { return };
    let held = |custody: &CustodyState| custody.holder == node.id && custody.offer.is_none();
    let places: Vec<EntryId> =
        before_tip.iter().filter(|(_, c)| c.as_ref().is_some_and(held)).map(|(id, _)| *id).collect();
    if places.is_empty() {
        return;
    }
    let basis = places[rng.random_range(0..places.len())];
    let to = members[rng.random_range(0..members.len())].clone();
    node.forward_from_old_custody(complaint, basis, &to, now);
}

fn lodge(node: &mut Node, now: u64, rng: &mut StdRng) {
    let (text, class) = content(node, rng.random(), rng);
    let mut contents = vec![(text, class)];
    if rng.random_bool(0.5) {
        let (reporter, _) = content(node, rng.random(), rng);
        contents.push((Content { commitment: 1, ..reporter }, ContentClass::Identity));
    }
    node.lodge(lodged(class.to_wire()), contents, now);
}

fn content(node: &mut Node, word: u32, rng: &mut StdRng) -> (Content, ContentClass) {
    let class = if rng.random_bool(0.3) { ContentClass::Confidential } else { ContentClass::Public };
    let data = format!("{} {word}", node.id).into_bytes().into();
    (Content { commitment: 0, salt: node.next_salt(), data }, class)
}

/// Draws a command. Mostly the holder forwards the complaint or works on it, and the addressee of an offer answers.
fn choose(node: &Node, complaint: &ComplaintId, members: &[AgencyId], rng: &mut StdRng) -> Command {
    let case = &node.ledger.cases[complaint].complaint;
    let custody = case.custody();
    let to = members[rng.random_range(0..members.len())].clone();
    if custody.offer.as_ref().is_some_and(|offer| offer.to == node.id) && rng.random_bool(0.8) {
        return match rng.random_range(0..3) {
            0 => Command::Return { reason: 1, suggestion: Some(to) },
            _ => Command::Accept,
        };
    }
    if custody.holder == node.id && rng.random_bool(0.5) {
        return match custody.offer {
            None => Command::Forward(NewOffer { to, reason: 1, answer_by: None }),
            // The node rejects it until the time to answer is over.
            Some(_) => Command::Withdraw,
        };
    }
    match rng.random_range(0..18) {
        0 => Command::Withdraw,
        1 => Command::Recall,
        2 => Command::Verify { category: "air".to_owned(), priority: 1, handling: 1 },
        3 => Command::Progress { state: 1 },
        4 => Command::Respond,
        5 | 6 => Command::Resolve { outcome: 1 },
        7 => reply(case, ReplyWord::Dissatisfied, rng),
        8 => reply(case, ReplyWord::Satisfied, rng),
        9 => Command::Close { cause: rng.random_range(1..=3) },
        10 => Command::Reassign(NewOffer { to, reason: 5, answer_by: None }),
        11 => Command::Archive { reason: 1 },
        12 => Command::Approve { proposal: None },
        13 => Command::RefuseArchive,
        14 => Command::Erase { ground: 1, entries: Vec::new() },
        15 => Command::Link { duplicate_of: ComplaintId([7; 32]) },
        16 => Command::Disclose { entry: None, commitment: rng.random_range(0..2), to },
        _ => Command::Remark,
    }
}

/// The citizen's next word, one that was carried before, or the agency's own note. The citizen goes to several agencies, so two different words may
/// have one number.
fn reply(case: &Complaint, says: ReplyWord, rng: &mut StdRng) -> Command {
    let word = next_word(case, says);
    Command::Reply(match rng.random_range(0..8) {
        0..=3 => Reply { word, signature: None },
        4 => carried_before(case, rng).unwrap_or(Reply { word, signature: None }),
        _ => signed(case, word),
    })
}

/// The citizen's next word on the newest answer.
pub fn next_word(case: &Complaint, says: ReplyWord) -> Word {
    let number = case.case().word_number.saturating_add(1);
    Word { says, answer: case.answer_to_reply(), score: 0, number }
}

/// A word with the citizen's signature.
pub fn signed(case: &Complaint, word: Word) -> Reply {
    let signed = word.sign(case.id(), &reply_code().key());
    Reply { word: signed.word, signature: Some(signed.signature) }
}

fn carried_before(case: &Complaint, rng: &mut StdRng) -> Option<Reply> {
    let replies = case.timeline().filter_map(|(_, known)| match &known.body {
        Body::Case { act: CaseAct::Replied(reply), .. } => Some(Reply::clone(reply)),
        _ => None,
    });
    let replies: Vec<Reply> = replies.collect();
    (!replies.is_empty()).then(|| replies[rng.random_range(0..replies.len())].clone())
}
