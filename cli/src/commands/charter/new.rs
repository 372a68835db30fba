//! `sinergi charter new`: drafts a first charter, or the successor of a signed one.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, value_parser};
use jiff::Timestamp;
use serde::Serialize;
use sinergi_config::Federation;
use sinergi_proto::charter::{CharterText, Charters, ManagerText, RulesText};
use sinergi_proto::tlog::note::NoteKey;

use super::files;
use crate::charter::{self, Paper};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::when::Moment;

/// The default validity of a charter in days.
const VALID_DAYS: i64 = 730;
const SECONDS_A_DAY: i64 = 86_400;
/// The default number of days of grace, in which nodes still work after the charter has ended.
const GRACE_DAYS: u32 = 30;

/// Options of `charter new`.
#[derive(Args, Clone, Debug)]
pub struct NewArgs {
    /// The federation, as in lapor.go.id
    #[arg(long, value_name = "NAME", required_unless_present = "successor_of", conflicts_with = "successor_of")]
    pub federation: Option<Federation>,
    /// A manager with the verifier key from `charter key`; repeat it for each manager and each further key
    #[arg(long = "manager", value_name = "NAME=KEY", required_unless_present = "successor_of")]
    pub managers: Vec<ManagerArg>,
    /// The number of managers that must sign
    #[arg(long, value_name = "N", required_unless_present = "successor_of", value_parser = value_parser!(u16).range(1..))]
    pub threshold: Option<u16>,
    /// The signed charter that this one follows; its members, managers and threshold are taken over unless given
    #[arg(long, value_name = "FILE")]
    pub successor_of: Option<PathBuf>,
    /// Start of the validity: RFC 3339, or a date [default: yesterday; today for a successor]
    #[arg(long, value_name = "TIME")]
    pub valid_from: Option<Moment>,
    /// End of the validity [default: 730 days later]
    #[arg(long, value_name = "TIME")]
    pub valid_until: Option<Moment>,
    /// Days of grace, in which nodes still work after the end and warn [default: 30, or as before]
    #[arg(long, value_name = "N")]
    pub grace_days: Option<u32>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `name=verifier key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerArg {
    name: String,
    key: String,
}

impl FromStr for ManagerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').ok_or("must be NAME=KEY, the key as `charter key` printed it")?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err("the manager's name is empty or holds control characters".to_owned());
        }
        NoteKey::parse(key).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), key: key.to_owned() })
    }
}

/// The new draft.
#[derive(Serialize)]
struct Draft {
    file: PathBuf,
    federation: String,
    version: u64,
    predecessor: Option<String>,
    members: usize,
    managers: usize,
    threshold: usize,
}

/// Runs the command.
pub(super) fn run(args: NewArgs, context: &Context) -> Result<(), Failure> {
    let text = text(&args, &context.output)?;
    let wrong = |error| Failure::usage("the charter would be invalid").because(error).help("nothing was written");
    let draft = charter::draft(&text).map_err(wrong)?;
    files::write_new(&args.out, draft.bytes())?;
    let made = Draft {
        file: args.out,
        federation: text.federation,
        version: text.version,
        predecessor: text.predecessor,
        members: text.member.len(),
        managers: text.manager.len(),
        threshold: text.threshold,
    };
    context.output.document(&made, |_, made| {
        let file = made.file.display();
        format!(
            "wrote {file}: charter version {} of {}, {} of {} managers must sign, {} members\n\
             Add agencies with `sinergi charter add {file} MEMBER.TOML…`, then have it signed: `sinergi charter sign {file} …`.",
            made.version, made.federation, made.threshold, made.managers, made.members
        )
    })
}

fn text(args: &NewArgs, output: &Output) -> Result<CharterText, Failure> {
    let base = match &args.successor_of {
        Some(file) => successor(file)?,
        None => CharterText {
            federation: args.federation.as_ref().map(ToString::to_string).unwrap_or_default(),
            version: 1,
            predecessor: None,
            valid_from: String::new(),
            valid_until: String::new(),
            grace_days: GRACE_DAYS,
            threshold: 0,
            mediator: None,
            rules: RulesText::default(),
            manager: Vec::new(),
            member: Vec::new(),
            revocation: Vec::new(),
        },
    };
    let start = |moment: &Moment| {
        moment.start(&output.zone).map(|start| start.timestamp()).map_err(|error| Failure::usage(error.to_string()))
    };
    let today = output.now.as_second() - output.now.as_second().rem_euclid(SECONDS_A_DAY);
    // A first charter is valid from yesterday on, like the keys of its members, so that it is valid for a node whose clock is behind.
    let begins = if args.successor_of.is_none() { today - SECONDS_A_DAY } else { today };
    let from = args.valid_from.as_ref().map(start).transpose()?.unwrap_or(at(begins));
    let later = at(from.as_second() + VALID_DAYS * SECONDS_A_DAY);
    let until = args.valid_until.as_ref().map(start).transpose()?.unwrap_or(later);
    let manager = if args.managers.is_empty() { base.manager } else { managers(&args.managers) };
    Ok(CharterText {
        valid_from: from.to_string(),
        valid_until: until.to_string(),
        grace_days: args.grace_days.unwrap_or(base.grace_days),
        threshold: args.threshold.map_or(base.threshold, usize::from),
        manager,
        ..base
    })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// Groups the keys by manager: a manager that is named twice has two keys.
fn managers(args: &[ManagerArg]) -> Vec<ManagerText> {
    let mut managers: Vec<ManagerText> = Vec::new();
    for arg in args {
        match managers.iter_mut().find(|manager| manager.name == arg.name) {
            Some(manager) => manager.keys.push(arg.key.clone()),
            None => managers.push(ManagerText { name: arg.name.clone(), keys: vec![arg.key.clone()] }),
        }
    }
    managers
}

fn successor(file: &std::path::Path) -> Result<CharterText, Failure> {
    let failed = || Failure::failed(format!("{} cannot be followed by a new version", file.display()));
    let paper = files::read(file)?;
    if let Paper::Note(note) = &paper {
        // A successor names the text of its predecessor. If too few managers ever sign that text, the successor is worthless.
        Charters::self_signed(note).map_err(|error| {
            failed().because(error).help("collect the missing signatures with `sinergi charter sign`")
        })?;
    }
    charter::successor(&paper)
        .map_err(|error| failed().because(error).help("give the signed charter; `sinergi charter verify` checks it"))
}
