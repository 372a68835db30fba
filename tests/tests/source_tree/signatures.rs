//! Nothing that is installed signs or takes signatures otherwise than by Ed25519.
//!
//! A simulation may bring a `Scheme` of its own. Whoever does so must name that trait, or call what takes one.

use std::collections::BTreeSet;

use crate::sources::{Built, all_files, crate_at, library, product_roots};

/// The files of the protocol that hand a scheme on, and implement none.
const HAND_IT_ON: [&str; 3] = ["proto/src/base/key.rs", "proto/src/charter.rs", "proto/src/charter/chain.rs"];

/// Whether a text has a word, as the compiler separates them.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word)
}

#[test]
fn no_installed_program_has_a_signature_scheme_of_its_own() {
    let files = all_files();
    let installed = product_roots(&files).filter(|root| !root.starts_with("tests/"));
    let sources = installed.flat_map(|root| crate_at(root, Built::WithoutTests));
    let named: BTreeSet<String> =
        sources.filter(|source| has_word(&source.text, "Scheme")).map(|source| source.path).collect();
    assert_eq!(named, BTreeSet::from(HAND_IT_ON.map(str::to_owned)));
    for source in library("proto").into_iter().filter(|source| HAND_IT_ON.contains(&source.path.as_str())) {
        assert!(!source.text.contains("Scheme for"), "{} implements one", source.path);
    }
}
