//! The seven agencies of the demo.

use std::path::Path;

use sinergi_proto::base::ids::AgencyId;

use super::federation::{Agency, Builder, Federation};
use super::scenario::{KEMENDAGRI, KEMENPANRB, KOMINFO, KOTA_BANDUNG, KSP, OMBUDSMAN, PROV_JABAR};
use crate::commands::init::Kind;
use crate::failure::Failure;

/// The name of the federation, in a domain that is reserved for examples (RFC 2606).
const FEDERATION: &str = "demo.sinergi.example";

/// Id, name, kind and supervisor. The first five manage the charter. Of two agencies the later one dials.
const AGENCIES: [(&str, &str, Kind, Option<&str>); 7] = [
    (KEMENPANRB, "Kementerian PANRB", Kind::Ministry, None),
    (KEMENDAGRI, "Kementerian Dalam Negeri", Kind::Ministry, None),
    (KSP, "Kantor Staf Presiden", Kind::Institution, None),
    (OMBUDSMAN, "Ombudsman Republik Indonesia", Kind::Institution, None),
    (KOMINFO, "Kementerian Komunikasi dan Informatika", Kind::Ministry, None),
    (PROV_JABAR, "Provinsi Jawa Barat", Kind::Province, Some(KEMENDAGRI)),
    (KOTA_BANDUNG, "Kota Bandung", Kind::City, Some(PROV_JABAR)),
];

/// The number of agencies.
pub const SEVEN: usize = AGENCIES.len();

/// Creates the federation in a folder. This program runs its nodes.
///
/// # Errors
/// The folder has a federation already, or a file cannot be written.
pub fn seven(folder: &Path) -> Result<Federation, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::failed("cannot find out the path of this program, which starts the nodes").because(error)
    })?;
    let id = |text: &str| text.parse::<AgencyId>().expect("the demo's agencies have ids");
    let mut builder = Builder::new(folder, FEDERATION.parse().expect("a name of a federation"), &program);
    for (agency, name, kind, parent) in AGENCIES {
        let mut made = Agency::new(id(agency), kind).named(name);
        if let Some(parent) = parent {
            made = made.under(id(parent));
        }
        if matches!(agency, KSP | OMBUDSMAN) {
            made = made.oversight();
        }
        if agency == KOTA_BANDUNG {
            made = made.dials_only();
        }
        builder = builder.agency(made);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charter_of_the_seven_is_signed_by_three_of_five() {
        let folder = tempfile::tempdir().expect("a folder");
        let federation = seven(folder.path()).expect("made");
        assert_eq!((federation.nodes().len(), federation.links().len()), (7, 21));
        let paper = crate::charter::Paper::read(federation.charter()).expect("a note");
        assert_eq!(paper.signers().expect("signed"), [KEMENPANRB, KEMENDAGRI, KSP]);
        let charter = paper.charter().expect("a charter");
        assert_eq!((charter.threshold, charter.managers.len()), (3, 5));
        assert!(charter.is_oversight(&OMBUDSMAN.parse().expect("an id")));
    }
}
