//! Random commands of operators on complaints that their node has, sensible or not. The node rejects commands that have no effect.

use rand::RngExt;
use rand::rngs::StdRng;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::complaint::{Command, CustodyState, NewOffer};
use sinergi_proto::entry::ContentClass;
use sinergi_proto::entry::content::{Content, reply_code_hash};
use sinergi_proto::wire::{self, ReplyWord};

use super::node::{Node, State};

/// The code on every citizen's receipt.
const REPLY_CODE: &str = "k7qm-2d9x-p4vt-0hsz";

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
    let body = wire::Lodged {
        kind: wire::ComplaintKind::Complaint.into(),
        category: "jalan".to_owned(),
        area: String::new(),
        class: class.to_wire().into(),
        reply_code_hash: reply_code_hash(REPLY_CODE).to_vec(),
    };
    node.lodge(body, contents, now);
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
        7 => reply(ReplyWord::Dissatisfied, rng),
        8 => reply(ReplyWord::Satisfied, rng),
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

fn reply(word: ReplyWord, rng: &mut StdRng) -> Command {
    let reply_code = if rng.random_bool(0.5) { REPLY_CODE.to_owned() } else { String::new() };
    Command::Reply { word, reply_code }
}
