//! `sinergi complaint reply`: records the citizen's word. A word is signed here with the key of the citizen's reply code, or was signed elsewhere and
//! is only carried. Without a signature it is the agency's own note.
//!
//! Invariant: the node never gets the reply code.

use std::fs;
use std::path::Path;

use clap::Args;
use sinergi_proto::base::ids::{ComplaintId, EntryId};
use sinergi_proto::base::limits;
use sinergi_proto::citizen::{PublicKeyText, ReplyCode, SignedWord, Word};
use sinergi_proto::operator_api::Reply;
use sinergi_proto::operator_api::act_request::Act;

use super::act::OnComplaint;
use super::entry_name::{self, EntryName};
use super::show;
use crate::citizen;
use crate::failure::Failure;
use crate::options::Context;
use crate::view::ComplaintDetail;
use crate::words::{ReplyWord, typed};

/// Options of `complaint reply`.
#[derive(Args, Clone, Debug)]
pub struct ReplyArgs {
    /// The citizen's word. Without --code it is noted in the agency's own name and never counts as the citizen's; if a complaint was closed on the
    /// agency's own word, its supervisors and oversight agencies can note `dissatisfied`, which reopens it
    #[arg(long, value_enum, value_name = "WORD", required_unless_present = "signed")]
    pub word: Option<ReplyWord>,

    /// The citizen's reply code. This command signs the word with it, and the node never gets it. The intake agency, its supervisor and oversight
    /// agencies can carry a signed word
    #[arg(long, value_name = "CODE", requires = "word")]
    pub code: Option<ReplyCode>,

    /// Carry a word that the citizen signed with `sinergi citizen sign`: the word, or a file with it
    #[arg(long, value_name = "WORD", conflicts_with_all = ["word", "code", "answer", "score"])]
    pub signed: Option<String>,

    /// The answer that the word is about [default: the newest one]
    #[arg(long, value_name = "ENTRY", requires = "code")]
    pub answer: Option<EntryName>,

    /// The citizen's score for the answer, from 1 to 5
    #[arg(long, value_name = "N", requires = "code", value_parser = clap::value_parser!(u8).range(1..=i64::from(limits::SCORE)))]
    pub score: Option<u8>,

    /// The complaint.
    #[command(flatten)]
    pub on: OnComplaint,
}

/// Runs the command.
pub(super) async fn run(args: ReplyArgs, context: &Context) -> Result<(), Failure> {
    let (reply, done) = match (&args.signed, &args.code, args.word) {
        (Some(signed), _, _) => carry(signed, &show::fetch(&args.on.complaint, context).await?)?,
        (None, Some(code), Some(says)) => {
            sign(&args, code, says, &show::fetch(&args.on.complaint, context).await?, context)?
        }
        (None, _, Some(says)) => {
            let done = format!("the citizen's word is {}, noted in the agency's own name", typed(says));
            (Reply { word: says.into(), ..Default::default() }, done)
        }
        // The parser's rules allow no other combination.
        (None, _, None) => {
            return Err(Failure::usage("name the citizen's word with --word, or carry one with --signed"));
        }
    };
    args.on.deed("record the reply", done, Act::Reply(reply))?.carry_out(context).await
}

/// Signs a word with the key of the citizen's reply code.
fn sign(
    args: &ReplyArgs,
    code: &ReplyCode,
    says: ReplyWord,
    detail: &ComplaintDetail,
    context: &Context,
) -> Result<(Reply, String), Failure> {
    check_key(code, detail)?;
    let named = args.answer.as_ref().map(|name| entry_name::resolve(name, detail)).transpose()?;
    let answer = named.map(|entry| &entry.entry_id).or(detail.answer_to_reply.as_ref());
    let answer = answer.map(|id| entry_name::bytes(id)).transpose()?.and_then(|id| EntryId::from_slice(&id));
    let number = citizen::next_number(detail.word_number, context.output.now);
    let word = Word { says: says.into(), answer, score: args.score.unwrap_or_default(), number };
    let signed = word.sign(id_of(detail)?, &code.key());
    Ok((citizen::carried(&signed), format!("the citizen's signed word is {}", typed(says))))
}

/// Takes a word that was signed elsewhere. The node checks its signature.
fn carry(signed: &str, detail: &ComplaintDetail) -> Result<(Reply, String), Failure> {
    let path = Path::new(signed);
    let text = if path.is_file() {
        fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {signed}")).because(error))?
    } else {
        signed.to_owned()
    };
    let word: SignedWord = text.parse().map_err(|error| {
        Failure::usage("this is no signed word")
            .because(error)
            .help("give the text that `sinergi citizen sign` printed, or a file with it")
    })?;
    if word.complaint != id_of(detail)? {
        return Err(Failure::refused(format!("the word is for complaint {}, and not for this one", word.complaint)));
    }
    let says = word.word.says.as_str_name().trim_start_matches("REPLY_WORD_").to_lowercase();
    Ok((citizen::carried(&word), format!("the citizen's signed word is {says}")))
}

/// Checks that the reply code is the citizen's, before anything is sent.
fn check_key(code: &ReplyCode, detail: &ComplaintDetail) -> Result<(), Failure> {
    let public = PublicKeyText(code.public()).to_string();
    match &detail.citizen_key {
        Some(key) if *key == public => Ok(()),
        Some(_) => Err(Failure::refused("the reply code is not the one of this complaint's citizen")
            .help("compare it with the citizen's receipt; without --code the word is noted in the agency's own name")),
        None => {
            Err(Failure::refused("this complaint was lodged without a key of the citizen, so no word can be signed")
                .help("without --code the word is noted in the agency's own name"))
        }
    }
}

fn id_of(detail: &ComplaintDetail) -> Result<ComplaintId, Failure> {
    let id = &detail.complaint.id;
    id.parse().map_err(|error| Failure::failed(format!("the node gave an invalid complaint id: {id:?}")).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture::handed_over;
    use crate::failure::Exit;

    #[test]
    fn a_wrong_code_and_a_word_for_another_complaint_are_refused_before_anything_is_sent() {
        let code = ReplyCode::from([7; 16]);
        let mut detail = handed_over();
        detail.complaint.id = ComplaintId([1; 32]).to_string();
        detail.citizen_key = None;
        assert_eq!(check_key(&code, &detail).expect_err("no key").exit(), Exit::Refused);
        detail.citizen_key = Some(PublicKeyText(code.public()).to_string());
        check_key(&code, &detail).expect("the citizen's code");
        assert_eq!(check_key(&ReplyCode::from([8; 16]), &detail).expect_err("another code").exit(), Exit::Refused);

        let word = Word { says: ReplyWord::Satisfied.into(), answer: Some(EntryId([2; 32])), score: 3, number: 7 };
        let signed = |complaint| word.clone().sign(complaint, &code.key()).to_string();
        let (reply, done) = carry(&signed(ComplaintId([1; 32])), &detail).expect("a word");
        assert_eq!((reply.score, reply.number, reply.signature.len()), (3, 7, 64));
        assert!(done.ends_with("satisfied"), "{done}");
        let refused = carry(&signed(ComplaintId([9; 32])), &detail).expect_err("for another complaint");
        assert_eq!(refused.exit(), Exit::Refused);
        assert_eq!(carry("k7qm", &detail).expect_err("no word").exit(), Exit::Usage);
    }
}
