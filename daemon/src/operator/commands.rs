//! Parses an operator's call into a command. Every field is checked here, once, so that the rest of the node sees only well-formed commands.
//!
//! Must not decide whether a command is allowed: [`sinergi_proto::complaint::decide`](fn@sinergi_proto::complaint::decide) does.

use data_encoding::HEXLOWER;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::base::limits;
use sinergi_proto::citizen::{Reply, SIGNATURE_BYTES, Word};
use sinergi_proto::complaint::{Command, NewOffer};
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::wire::ReplyWord;
use tonic::Status;

/// The most characters of a wrong value that an error message shows.
const SHOWN_CHARS: usize = 80;
/// The most bytes of a wrong id that an error message shows.
const SHOWN_BYTES: usize = 32;

/// A field of a call that is missing or malformed. Nothing was done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?}: {problem}")]
pub(super) struct Malformed {
    /// The name of the field.
    field: &'static str,
    /// The wrong value.
    value: String,
    /// The rule that the value breaks.
    problem: String,
}

impl From<Malformed> for Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

/// Parses an act. `complaint_named` finds a complaint by its id, or by a part of the id.
///
/// # Errors
/// A field is [`Malformed`], or `complaint_named` fails.
pub(super) fn parse<E: From<Malformed>>(
    act: Act,
    complaint_named: impl FnOnce(&str) -> Result<ComplaintId, E>,
) -> Result<Command, E> {
    Ok(match act {
        Act::Forward(forward) => Command::Forward(offer(forward)?),
        Act::Reassign(operator_api::Reassign { to, reason, answer_by }) => {
            Command::Reassign(offer(operator_api::Forward { to, reason, answer_by })?)
        }
        Act::Accept(_) => Command::Accept,
        Act::Return(give_back) => {
            let suggestion = Some(&give_back.suggestion).filter(|text| !text.is_empty());
            let suggestion = suggestion.map(|text| agency("suggestion", text)).transpose()?;
            Command::Return { reason: code("reason", give_back.reason)?, suggestion }
        }
        Act::Withdraw(_) => Command::Withdraw,
        Act::Recall(_) => Command::Recall,
        Act::Verify(verify) => Command::Verify {
            category: bounded("category", verify.category, limits::CATEGORY_BYTES)?,
            priority: code("priority", verify.priority)?,
            handling: code("handling", verify.handling)?,
        },
        Act::Progress(progress) => Command::Progress { state: code("state", progress.state)? },
        Act::Respond(_) => Command::Respond,
        Act::Resolve(resolve) => Command::Resolve { outcome: code("outcome", resolve.outcome)? },
        Act::Reply(reply) => Command::Reply(citizens_reply(&reply)?),
        Act::Close(close) => Command::Close { cause: code("cause", close.cause)? },
        Act::Archive(archive) => Command::Archive { reason: code("reason", archive.reason)? },
        Act::Approve(approve) => Command::Approve { proposal: optional_entry("proposal", &approve.proposal)? },
        Act::RefuseArchive(_) => Command::RefuseArchive,
        Act::Erase(erase) => {
            let entries = erase.entries.iter().map(|bytes| entry("entry", bytes)).collect::<Result<_, _>>()?;
            Command::Erase { ground: code("ground", erase.ground)?, entries }
        }
        Act::Link(link) => Command::Link { duplicate_of: complaint_named(&link.duplicate_of)? },
        Act::Disclose(disclose) => Command::Disclose {
            entry: optional_entry("entry", &disclose.entry)?,
            commitment: disclose.commitment,
            to: agency("to", &disclose.to)?,
        },
        Act::Remark(_) => Command::Remark,
    })
}

/// Parses an offer of custody.
pub(super) fn offer(forward: operator_api::Forward) -> Result<NewOffer, Malformed> {
    let answer_by = Some(forward.answer_by).filter(|millis| *millis != 0);
    Ok(NewOffer { to: agency("to", &forward.to)?, reason: code("reason", forward.reason)?, answer_by })
}

fn agency(field: &'static str, text: &str) -> Result<AgencyId, Malformed> {
    text.parse::<AgencyId>().map_err(|error| malformed(field, text, error.to_string()))
}

/// A code must be positive: 0 means that none was chosen. A code that this version does not know is passed on.
fn code(field: &'static str, number: i32) -> Result<i32, Malformed> {
    if number > 0 {
        return Ok(number);
    }
    Err(malformed(field, &number.to_string(), "a value must be chosen"))
}

fn citizens_reply(reply: &operator_api::Reply) -> Result<Reply, Malformed> {
    let score = u8::try_from(reply.score).ok().filter(|score| *score <= limits::SCORE);
    let at_most = || malformed("score", &reply.score.to_string(), format!("must be at most {}", limits::SCORE));
    let signature = match reply.signature.len() {
        0 => None,
        bytes => Some(reply.signature.as_slice().try_into().map_err(|_| {
            let rule = format!("has {bytes} bytes, a signature has {SIGNATURE_BYTES}");
            malformed("signature", &shown(&reply.signature), rule)
        })?),
    };
    let word = Word {
        says: word(reply.word)?,
        answer: optional_entry("answer", &reply.answer)?,
        score: score.ok_or_else(at_most)?,
        number: reply.number,
    };
    Ok(Reply { word, signature })
}

/// The citizen's word must be known, because it decides what happens to the complaint.
fn word(number: i32) -> Result<ReplyWord, Malformed> {
    let known = ReplyWord::try_from(code("word", number)?);
    known.map_err(|_| malformed("word", &number.to_string(), "is not a word that this version knows"))
}

fn optional_entry(field: &'static str, bytes: &[u8]) -> Result<Option<EntryId>, Malformed> {
    if bytes.is_empty() { Ok(None) } else { entry(field, bytes).map(Some) }
}

fn entry(field: &'static str, bytes: &[u8]) -> Result<EntryId, Malformed> {
    EntryId::from_slice(bytes)
        .ok_or_else(|| malformed(field, &shown(bytes), format!("has {} bytes, an id has 32", bytes.len())))
}

fn shown(bytes: &[u8]) -> String {
    HEXLOWER.encode(&bytes[..bytes.len().min(SHOWN_BYTES)])
}

/// A text that the rules of entries allow: bounded, without control characters.
fn bounded(field: &'static str, text: String, bytes: usize) -> Result<String, Malformed> {
    if text.len() <= bytes && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err(malformed(field, &text, format!("must be at most {bytes} bytes, without control characters")))
}

fn malformed(field: &'static str, value: &str, problem: impl Into<String>) -> Malformed {
    Malformed { field, value: value.chars().take(SHOWN_CHARS).collect(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLAINT: ComplaintId = ComplaintId([7; 32]);

    fn parsed(act: Act) -> Result<Command, Malformed> {
        parse(act, |_| Ok(COMPLAINT))
    }

    fn wrong_field(act: Act) -> &'static str {
        parsed(act).expect_err("malformed").field
    }

    fn forward(to: &str, reason: i32, answer_by: u64) -> operator_api::Forward {
        operator_api::Forward { to: to.to_owned(), reason, answer_by }
    }

    fn reassign(to: &str, reason: i32) -> Act {
        Act::Reassign(operator_api::Reassign { to: to.to_owned(), reason, answer_by: 0 })
    }

    fn give_back(reason: i32, suggestion: &str) -> Act {
        Act::Return(operator_api::Return { reason, suggestion: suggestion.to_owned() })
    }

    fn verify(category: &str, priority: i32, handling: i32) -> Act {
        Act::Verify(operator_api::Verify { category: category.to_owned(), priority, handling })
    }

    fn reply(word: i32) -> operator_api::Reply {
        operator_api::Reply { word, ..Default::default() }
    }

    fn disclose(entry: Vec<u8>, to: &str) -> Act {
        Act::Disclose(operator_api::Disclose { entry, commitment: 1, to: to.to_owned() })
    }

    fn erase(ground: i32, entries: Vec<Vec<u8>>) -> Act {
        Act::Erase(operator_api::Erase { ground, entries })
    }

    fn member(id: &str) -> AgencyId {
        id.parse().expect("an id")
    }

    #[test]
    fn an_offer_names_an_agency_and_a_reason() {
        for to in ["", "Kota Bandung", &"x".repeat(64)] {
            assert_eq!(wrong_field(Act::Forward(forward(to, 1, 0))), "to");
            assert_eq!(wrong_field(reassign(to, 1)), "to");
        }
        for reason in [0, -1] {
            assert_eq!(wrong_field(Act::Forward(forward("ksp", reason, 0))), "reason");
            assert_eq!(wrong_field(reassign("ksp", reason)), "reason");
        }
        let offer = |answer_by| NewOffer { to: member("ksp"), reason: 4711, answer_by };
        assert_eq!(parsed(Act::Forward(forward("ksp", 4711, 0))), Ok(Command::Forward(offer(None))));
        assert_eq!(parsed(Act::Forward(forward("ksp", 4711, 9))), Ok(Command::Forward(offer(Some(9)))));
        assert_eq!(parsed(reassign("ksp", 4711)), Ok(Command::Reassign(offer(None))));
    }

    #[test]
    fn a_return_names_a_reason_and_a_suggestion_that_is_an_agency_or_nothing() {
        assert_eq!(wrong_field(give_back(0, "ksp")), "reason");
        assert_eq!(wrong_field(give_back(1, "?")), "suggestion");
        assert_eq!(parsed(give_back(1, "")), Ok(Command::Return { reason: 1, suggestion: None }));
        assert_eq!(parsed(give_back(1, "ksp")), Ok(Command::Return { reason: 1, suggestion: Some(member("ksp")) }));
    }

    #[test]
    fn a_classification_has_a_category_that_fits_into_an_entry_and_codes() {
        assert_eq!(wrong_field(verify(&"x".repeat(limits::CATEGORY_BYTES + 1), 1, 1)), "category");
        assert_eq!(wrong_field(verify("a\u{1b}[2J", 1, 1)), "category");
        assert_eq!(wrong_field(verify("air", 0, 1)), "priority");
        assert_eq!(wrong_field(verify("air", 1, 0)), "handling");
        let category = "x".repeat(limits::CATEGORY_BYTES);
        assert_eq!(parsed(verify(&category, 1, 2)), Ok(Command::Verify { category, priority: 1, handling: 2 }));
    }

    #[test]
    fn a_code_must_be_chosen() {
        assert_eq!(wrong_field(Act::Progress(operator_api::Progress { state: 0 })), "state");
        assert_eq!(wrong_field(Act::Resolve(operator_api::Resolve { outcome: -1 })), "outcome");
        assert_eq!(wrong_field(Act::Close(operator_api::Close { cause: 0 })), "cause");
        assert_eq!(wrong_field(Act::Archive(operator_api::Archive { reason: 0 })), "reason");
        assert_eq!(wrong_field(erase(0, Vec::new())), "ground");
    }

    #[test]
    fn a_code_that_this_version_does_not_know_is_passed_on_unless_it_decides_something() {
        assert_eq!(
            parsed(Act::Resolve(operator_api::Resolve { outcome: 4711 })),
            Ok(Command::Resolve { outcome: 4711 })
        );
        assert_eq!(wrong_field(Act::Reply(reply(4711))), "word");
    }

    #[test]
    fn a_reply_has_a_word_and_fields_that_fit_into_an_entry() {
        let wrong = |reply: operator_api::Reply| wrong_field(Act::Reply(reply));
        assert_eq!(wrong(reply(0)), "word");
        assert_eq!(wrong(operator_api::Reply { score: 6, ..reply(1) }), "score");
        assert_eq!(wrong(operator_api::Reply { answer: vec![1; 31], ..reply(1) }), "answer");
        assert_eq!(wrong(operator_api::Reply { signature: vec![1; 63], ..reply(1) }), "signature");
        let (answer, signature) = (vec![2; 32], vec![3; 64]);
        let signed = operator_api::Reply { word: 1, answer, score: 5, number: 7, signature };
        let word = Word { says: ReplyWord::Satisfied, answer: Some(EntryId([2; 32])), score: 5, number: 7 };
        let expected = Command::Reply(Reply { word, signature: Some([3; 64]) });
        assert_eq!(parsed(Act::Reply(signed)), Ok(expected));
    }

    #[test]
    fn an_entry_is_named_by_its_whole_id() {
        let approve = |proposal| Act::Approve(operator_api::Approve { proposal });
        assert_eq!(wrong_field(approve(vec![1; 31])), "proposal");
        assert_eq!(wrong_field(erase(1, vec![vec![1; 32], Vec::new()])), "entry");
        assert_eq!(wrong_field(disclose(vec![1; 33], "ksp")), "entry");
        let id = EntryId([1; 32]);
        assert_eq!(parsed(approve(Vec::new())), Ok(Command::Approve { proposal: None }));
        assert_eq!(parsed(approve(vec![1; 32])), Ok(Command::Approve { proposal: Some(id) }));
        assert_eq!(parsed(erase(1, vec![vec![1; 32]])), Ok(Command::Erase { ground: 1, entries: vec![id] }));
        let disclosed = |entry| Command::Disclose { entry, commitment: 1, to: member("ksp") };
        assert_eq!(parsed(disclose(Vec::new(), "ksp")), Ok(disclosed(None)));
        assert_eq!(parsed(disclose(vec![1; 32], "ksp")), Ok(disclosed(Some(id))));
    }

    #[test]
    fn a_disclosure_names_an_agency() {
        assert_eq!(wrong_field(disclose(Vec::new(), "?")), "to");
    }

    #[test]
    fn a_link_names_a_complaint_that_is_here() {
        let link = || Act::Link(operator_api::Link { duplicate_of: "part of an id".to_owned() });
        assert_eq!(parsed(link()), Ok(Command::Link { duplicate_of: COMPLAINT }));
        let unknown = parse(link(), |name| Err(Status::not_found(name))).expect_err("no such complaint");
        assert_eq!(unknown.code(), tonic::Code::NotFound);
    }

    #[test]
    fn a_malformed_field_is_an_invalid_argument_and_repeats_only_the_beginning_of_its_value() {
        let malformed = parsed(reassign(&"x".repeat(5000), 1)).expect_err("too long");
        assert_eq!(malformed.value.len(), SHOWN_CHARS);
        assert_eq!(Status::from(malformed).code(), tonic::Code::InvalidArgument);
    }
}
