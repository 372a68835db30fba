//! The first charter of a node, which the node trusts by its pinned hash.
//!
//! Invariant: a pinned charter is version 1, belongs to the node's federation, and is signed by enough of its own managers.

use std::io::Read;
use std::path::Path;

use sinergi_config::{CharterPin, Config, Federation, defaults, pin_charter};
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charters;

use super::{make_folder, sync_folder, write};
use crate::commands::pki::replace;
use crate::failure::Failure;

/// Stores the first charter of a node that has none, and pins its hash in the configuration.
///
/// # Errors
/// The node has pinned a charter already, the note is not the federation's first charter, or a file cannot be written.
pub fn adopt_first_charter(folder: &Path, note: &[u8]) -> Result<CharterPin, Failure> {
    let file = folder.join(defaults::FILE);
    let unreadable = |error| Failure::failed("cannot read the node's configuration").because(error);
    let config = Config::load(&file).map_err(unreadable)?;
    if let Some(pin) = config.charter.pin {
        return Err(Failure::refused(format!("this node has pinned the charter {pin} already"))
            .help("newer versions follow it as successors, and the pin stays the same"));
    }
    let pin = check_first(note, &config.federation, "the charter")?;
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failure::failed(format!("cannot read {}", file.display())).because(error))?;
    let text = pin_charter(&text, &pin);
    if Config::parse(&text, &file).ok().and_then(|config| config.charter.pin) != Some(pin) {
        return Err(Failure::failed(format!("cannot set the pin in {}", file.display()))
            .help(format!("write pin = \"{pin}\" into its section [charter] by hand, then repeat the command")));
    }
    // The charter is written first, because a node whose pinned charter is missing does not start.
    write_first(&config, note)?;
    replace(&file, text.as_bytes())?;
    Ok(pin)
}

/// Reads and checks a charter file.
pub(super) fn read_first(file: &Path, federation: &Federation) -> Result<(Vec<u8>, CharterPin), Failure> {
    let mut note = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(limits::CHARTER_BYTES as u64 + 1).read_to_end(&mut note))
        .map_err(|error| Failure::failed(format!("cannot read the charter {}", file.display())).because(error))?;
    let pin = check_first(&note, federation, &file.display().to_string())?;
    Ok((note, pin))
}

fn check_first(note: &[u8], federation: &Federation, what: &str) -> Result<CharterPin, Failure> {
    let charters = Charters::self_signed(note)
        .map_err(|error| Failure::failed(format!("{what} is not a trusted charter")).because(error))?;
    let charter = charters.newest();
    if charter.federation != federation.as_str() {
        return Err(Failure::failed(format!(
            "{what} is of federation {}, this node is of {federation}",
            charter.federation
        )));
    }
    if charter.version != 1 {
        return Err(Failure::failed(format!("{what} is version {}: a node pins version 1", charter.version))
            .help("get version 1 from another agency; newer versions come over the links"));
    }
    Ok(CharterPin(charter.hash))
}

/// Stores the first charter.
pub(super) fn write_first(config: &Config, note: &[u8]) -> Result<(), Failure> {
    make_folder(&config.charter.directory)?;
    let file = config.charter.file(1);
    if std::fs::read(&file).is_ok_and(|stored| stored == note) {
        return Ok(());
    }
    write(&file, note)?;
    sync_folder(&config.charter.directory)
}
