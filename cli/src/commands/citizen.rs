//! `sinergi citizen …`: what citizens do on their own computer, without a node: draw a key, and sign words with it.

use std::str::FromStr;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER_PERMISSIVE;
use sinergi_proto::base::ids::{ComplaintId, EntryId};
use sinergi_proto::base::limits;
use sinergi_proto::citizen::{PublicKeyText, ReplyCode, Word};

use crate::citizen;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::view::{CitizenKey, CitizenWord};
use crate::words::ReplyWord;

/// The commands for citizens.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Draw a reply code and its key. Keep the code secret, and give the key to the agency with the complaint
    Key {
        /// Show the reply code as a QR code, too
        #[arg(long)]
        qr: bool,
    },
    /// Sign a word on an answer, to be carried with `sinergi complaint reply --signed`
    Sign(SignArgs),
}

/// Options of `citizen sign`.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// The complete id of the complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintId,

    /// The word
    #[arg(long, value_enum, value_name = "WORD")]
    pub word: ReplyWord,

    /// The reply code
    #[arg(long, value_name = "CODE")]
    pub code: ReplyCode,

    /// The complete id of the answer that the word is about
    #[arg(long, value_name = "ENTRY")]
    pub answer: Option<WholeEntry>,

    /// The score for the answer, from 1 to 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(limits::SCORE)))]
    pub score: Option<u8>,

    /// The number of the word; each must be above the last one [default: the time in seconds since 1970]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<u64>,

    /// Show the word as a QR code, too
    #[arg(long)]
    pub qr: bool,
}

/// The complete id of an entry.
#[derive(Clone, Copy, Debug)]
pub struct WholeEntry(EntryId);

impl FromStr for WholeEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
        let id = bytes.and_then(|bytes| EntryId::from_slice(&bytes));
        id.map(Self).ok_or_else(|| "is no complete entry id: 64 characters of 0-9 and a-f".to_owned())
    }
}

/// Runs the command.
pub(crate) fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Key { qr } => {
            let code = citizen::draw();
            let key =
                CitizenKey { reply_code: code.to_string(), citizen_key: PublicKeyText(code.public()).to_string() };
            context.output.document(&key, |output, key| key_page(output, key, qr))
        }
        Command::Sign(args) => sign(&args, context),
    }
}

fn sign(args: &SignArgs, context: &Context) -> Result<(), Failure> {
    if args.answer.is_none() && args.word != ReplyWord::Information {
        return Err(Failure::usage("a satisfied or dissatisfied word is about an answer: name it with --answer ENTRY")
            .help("the agency's answer names it; `sinergi complaint show ID` shows it at an agency"));
    }
    let word = Word {
        says: args.word.into(),
        answer: args.answer.map(|entry| entry.0),
        score: args.score.unwrap_or_default(),
        number: args.number.unwrap_or_else(|| citizen::next_number(0, context.output.now)),
    };
    let number = word.number;
    let signed = word.sign(args.complaint, &args.code.key());
    let document = CitizenWord { complaint: args.complaint.to_string(), number, word: signed.to_string() };
    context.output.document(&document, |_, document| match citizen::qr(&document.word).filter(|_| args.qr) {
        Some(picture) => format!("{}\n\n{picture}", document.word),
        None => document.word.clone(),
    })
}

fn key_page(output: &Output, key: &CitizenKey, qr: bool) -> String {
    let explanation = "Keep the reply code secret: it signs your words, and it is kept nowhere else. Give the citizen key to the agency when you \
                       lodge the complaint.";
    let mut page = format!(
        "reply code   {}\ncitizen key  {}\n{}",
        key.reply_code,
        key.citizen_key,
        output.wrapped(explanation, "")
    );
    if let Some(picture) = citizen::qr(&key.reply_code).filter(|_| qr) {
        page = format!("{page}\n\n{picture}");
    }
    page
}
