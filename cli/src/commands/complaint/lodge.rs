//! `sinergi complaint lodge`: lodges a complaint of a citizen. If the citizen brings no key, this command draws a reply code, shows it once and
//! forgets it. The node gets the public key only.

use clap::Args;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::citizen::PublicKeyText;
use sinergi_proto::entry::content::TextRole;
use sinergi_proto::operator_api::{ExternalReference, Forward, LodgeRequest};
use sinergi_proto::wire::{ForwardReason, KeyOrigin, Text};
use tonic::{Code, Status};

use crate::citizen;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::text::{self, TextOptions};
use crate::view::{Lodged, short_id};
use crate::when::{self, Moment};
use crate::words::{ComplaintKind, ContentClass};
use sinergi_daemon::base::node_limits;

/// Options of `complaint lodge`.
#[derive(Args, Clone, Debug)]
pub struct LodgeArgs {
    /// The kind of complaint
    #[arg(long, value_enum, value_name = "KIND", default_value = "complaint")]
    pub kind: ComplaintKind,

    /// Category code
    #[arg(long, value_name = "CODE", value_parser = code::<{ limits::CATEGORY_BYTES }>)]
    pub category: String,

    /// Code of the area that the complaint is about
    #[arg(long, value_name = "CODE", value_parser = code::<{ limits::AREA_BYTES }>)]
    pub area: Option<String>,

    /// Class of the text: who may read it
    #[arg(long, value_enum, value_name = "CLASS", default_value = "public")]
    pub class: ContentClass,

    /// The title, one line
    #[arg(long, value_name = "TITLE")]
    pub title: String,

    /// The citizen's text.
    #[command(flatten)]
    pub text: TextOptions,

    /// The place of the incident
    #[arg(long, value_name = "PLACE")]
    pub location: Option<String>,

    /// The citizen's identity; leaves this agency only if it is disclosed on the record
    #[arg(long, value_name = "NAME")]
    pub reporter: Option<String>,

    /// Time of the incident or of the first receipt: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    pub occurred_at: Option<Moment>,

    /// The other system that the record comes from
    #[arg(long, value_name = "NAME", requires = "external_id", value_parser = code::<{ node_limits::EXTERNAL_SOURCE_BYTES }>)]
    pub source: Option<String>,

    /// The record's id in that system; each record is lodged once
    #[arg(long, value_name = "ID", requires = "source", value_parser = code::<{ node_limits::EXTERNAL_ID_BYTES }>)]
    pub external_id: Option<String>,

    /// Also offer the complaint to this agency, as a matter of its competence
    #[arg(long, value_name = "AGENCY")]
    pub forward_to: Option<AgencyId>,

    /// The citizen's own key, from `sinergi citizen key` [default: a reply code is drawn and shown once]
    #[arg(long, value_name = "KEY")]
    pub citizen_key: Option<PublicKeyText>,

    /// Show the reply code as a QR code, too
    #[arg(long, conflicts_with = "citizen_key")]
    pub qr: bool,
}

/// Runs the command.
pub(super) async fn run(args: LodgeArgs, context: &Context) -> Result<(), Failure> {
    let (own_key, qr) = (args.citizen_key, args.qr);
    let mut request = request(args, &context.output)?;
    let code = match own_key {
        Some(PublicKeyText(public)) => {
            (request.citizen_key, request.key_origin) = (public.to_vec(), KeyOrigin::Device.into());
            None
        }
        None => Some(citizen::draw()),
    };
    if let Some(code) = &code {
        citizen::commit(&mut request, code);
    }
    let mut node = context.connect().await?;
    let reply = match node.api.lodge(request).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => {
            if let Some(code) = code.filter(|_| may_be_lodged(&status)) {
                context.output.note(&format!("If the complaint was lodged after all, its reply code is {code}"));
            }
            return Err(Failure::from_status("lodge the complaint", &status));
        }
    };
    let lodged = Lodged::new(&reply, code.as_ref());
    let shown = context.output.document(&lodged, |output, lodged| receipt(output, lodged, qr));
    if shown.is_err() {
        // The reply code is shown only once, so it must not be lost with the output.
        context.output.note(&receipt(&context.output, &lodged, qr));
    }
    shown
}

/// Whether the call ended so that nobody knows whether the complaint was lodged.
fn may_be_lodged(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal
    )
}

fn request(args: LodgeArgs, output: &Output) -> Result<LodgeRequest, Failure> {
    let body = args.text.read()?.ok_or_else(text::missing)?;
    let occurred_at = match args.occurred_at {
        Some(moment) => {
            let time = moment.start(&output.zone).map_err(|error| Failure::usage(error.to_string()))?;
            when::rfc3339(&time)
        }
        None => String::new(),
    };
    let text = Text {
        title: args.title.trim().to_owned(),
        body,
        location: args.location.unwrap_or_default(),
        reporter: args.reporter.unwrap_or_default(),
        occurred_at,
    };
    Ok(LodgeRequest {
        kind: args.kind.into(),
        category: args.category,
        area: args.area.unwrap_or_default(),
        class: args.class.into(),
        text: Some(text::checked(text, TextRole::Complaint)?),
        external: args.source.zip(args.external_id).map(|(source, id)| ExternalReference { source, id }),
        forward: args.forward_to.map(|to| Forward {
            to: to.into(),
            reason: ForwardReason::Competence.into(),
            answer_by: 0,
        }),
        ..Default::default()
    })
}

fn receipt(output: &Output, lodged: &Lodged, qr: bool) -> String {
    let row = |label: &str, value: &str| format!("  {:<12}{value}", label);
    let ids = [row("id", &output.paint(Tone::Strong, short_id(&lodged.complaint))), row("whole id", &lodged.complaint)];
    let ids = ids.join("\n");
    if lodged.existed {
        return format!("Already there: the record was lodged before, nothing was added.\n{ids}");
    }
    let Some(code) = &lodged.reply_code else {
        return format!("Complaint lodged.\n{ids}\nThe citizen signs with the key that was given.");
    };
    let explanation = "The reply code is shown this once and kept nowhere. Give it to the citizen with the receipt: without it nobody can answer in \
                       the citizen's name.";
    let code_row = row("reply code", &output.paint(Tone::Strong, code));
    let mut parts = vec!["Complaint lodged.".to_owned(), ids, code_row, output.wrapped(explanation, "")];
    parts.extend(citizen::qr(code).filter(|_| qr));
    parts.join("\n")
}

/// Parses a code: one line of at most `LIMIT` bytes without control characters.
pub(super) fn code<const LIMIT: usize>(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.len() > LIMIT {
        return Err(format!("has {} bytes, at most {LIMIT}", text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(format!("holds the control character U+{:04X}", u32::from(c))),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::failure::Exit;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LodgeArgs,
    }

    fn lodge(more: &[&str]) -> Result<LodgeRequest, Exit> {
        let line = ["lodge", "--category", "road"].iter().chain(more);
        let args = Line::try_parse_from(line).map_err(|_| Exit::Usage)?.args;
        request(args, &Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"))).map_err(|failure| failure.exit())
    }

    #[test]
    fn what_was_typed_becomes_a_request() {
        let options = [
            "--title",
            "Hole",
            "--text",
            "Deep.",
            "--occurred-at",
            "2026-02-27",
            "--source",
            "nyc311",
            "--external-id",
            "7",
        ];
        let request = lodge(&options).expect("a request");
        let text = request.text.expect("a text");
        assert_eq!((text.title.as_str(), text.body.as_str()), ("Hole", "Deep."));
        assert_eq!(text.occurred_at, "2026-02-27T00:00:00+00:00");
        assert_eq!(request.external.map(|external| external.id), Some("7".to_owned()));
    }

    #[test]
    fn bad_input_is_wrong_usage_before_anything_is_sent() {
        let long = "x".repeat(limits::TITLE_BYTES + 1);
        for bad in [
            &["--title", "Hole"][..],
            &["--title", " ", "--text", "x"],
            &["--title", &long, "--text", "x"],
            &["--title", "Hole", "--text", " "],
            &["--title", "Ho\u{7}le", "--text", "x"],
            &["--title", "Hole", "--text", "x", "--occurred-at", "2026-02-30"],
            &["--title", "Hole", "--text", "x", "--source", "nyc311"],
            &["--title", "Hole", "--text", "x", "--area", ""],
        ] {
            assert_eq!(lodge(bad).err(), Some(Exit::Usage), "{bad:?}");
        }
    }

    #[test]
    fn the_receipt_shows_both_ids_and_the_code_once() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let id = "01k3".to_owned() + &"0".repeat(38) + "7h3k2m9x0q";
        let lodged =
            Lodged { complaint: id.clone(), existed: false, reply_code: Some("abcd-efgh-jkmn-pqrs".to_owned()) };
        let expected = format!(
            "Complaint lodged.\n  id          7h3k2m9x0q\n  whole id    {id}\n  reply code  abcd-efgh-jkmn-pqrs\n\
             The reply code is shown this once and kept nowhere. Give it to the citizen with\n\
             the receipt: without it nobody can answer in the citizen's name."
        );
        assert_eq!(receipt(&output, &lodged, false), expected);
        let scanned = receipt(&output, &lodged, true);
        assert!(scanned.starts_with(&expected) && scanned.lines().count() > 15, "{scanned}");
    }
}
