//! `sinergi complaint disclose`: gives one content to one more agency, on the record. Only the intake agency can disclose the reporter's
//! identity, and only in this way the identity leaves that agency.

use clap::Args;
use sinergi_proto::base::ids::{AgencyId, ComplaintName};
use sinergi_proto::operator_api::Disclose;
use sinergi_proto::operator_api::act_request::Act;

use super::act::Deed;
use super::entry_name::{self, EntryName};
use super::show;
use crate::failure::Failure;
use crate::options::Context;
use crate::view::ComplaintDetail;

/// Options of `complaint disclose`.
#[derive(Args, Clone, Debug)]
pub struct DiscloseArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,

    /// The agency that gets the content
    #[arg(long, value_name = "AGENCY")]
    pub to: AgencyId,

    /// Disclose the reporter's identity, instead of the complaint's text
    #[arg(long, conflicts_with_all = ["entry", "content"])]
    pub reporter: bool,

    /// Disclose a text of this entry, instead of the complaint's text
    #[arg(long, value_name = "ENTRY")]
    pub entry: Option<EntryName>,

    /// The number of the text in the entry, counted from 0
    #[arg(long, value_name = "N", requires = "entry", default_value_t = 0)]
    pub content: u32,
}

/// Runs the command.
pub(super) async fn run(args: DiscloseArgs, context: &Context) -> Result<(), Failure> {
    let detail = show::fetch(&args.complaint, context).await?;
    let (entry, commitment, what) = chosen(&args, &detail)?;
    Deed {
        complaint: args.complaint,
        attempt: "disclose the content",
        done: format!("{what} goes to {}, over the direct link to it", args.to),
        text: None,
        class: None,
        act: Act::Disclose(Disclose { entry, commitment, to: args.to.into() }),
    }
    .carry_out(context)
    .await
}

/// The entry, the number of the content, and the content's name in words.
fn chosen(args: &DiscloseArgs, detail: &ComplaintDetail) -> Result<(Vec<u8>, u32, String), Failure> {
    if let Some(name) = &args.entry {
        let entry = entry_name::resolve(name, detail)?;
        return Ok((entry_name::bytes(&entry.entry_id)?, args.content, format!("a text of {}", entry.body)));
    }
    if !args.reporter {
        return Ok((Vec::new(), 0, "the complaint's text".to_owned()));
    }
    let lodged = detail.timeline.iter().find(|entry| entry.body == "Lodged");
    let contents = lodged.map(|entry| &entry.content[..]).unwrap_or_default();
    let reporter = (0..).zip(contents).find(|(_, content)| content.class == "identity");
    let (number, _) = reporter.ok_or_else(|| {
        Failure::refused("the complaint does not name its reporter").help("there is nothing to disclose")
    })?;
    Ok((Vec::new(), number, "the reporter's identity".to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::complaint::fixture::handed_over;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DiscloseArgs,
    }

    fn args(options: &str) -> DiscloseArgs {
        let line = format!("disclose 7h3k2m9x0q --to ombudsman {options}");
        Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}")).args
    }

    #[test]
    fn the_text_the_reporter_or_a_named_content_is_chosen() {
        let mut detail = handed_over();
        assert!(chosen(&args("--reporter"), &detail).is_err(), "no reporter is named");
        let mut reporter = detail.timeline[0].content[0].clone();
        reporter.class = "identity".to_owned();
        detail.timeline[0].content.push(reporter);
        assert_eq!(chosen(&args(""), &detail).expect("the text"), (vec![], 0, "the complaint's text".to_owned()));
        assert_eq!(chosen(&args("--reporter"), &detail).expect("there").1, 1);
        let name = detail.timeline[3].entry_id[..8].to_owned();
        let (entry, number, what) = chosen(&args(&format!("--entry {name} --content 2")), &detail).expect("named");
        assert_eq!((entry.len(), number, what.as_str()), (32, 2, "a text of Responded"));
    }

    #[test]
    fn reporter_and_entry_cannot_be_given_together() {
        for bad in ["--reporter --entry abcdef", "--content 1", "--reporter --content 1"] {
            let line = format!("disclose 7h3k2m9x0q --to ombudsman {bad}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{bad}");
        }
    }
}
