//! Installed programs sign and verify only with Ed25519.
//!
//! The simulator may use a `Scheme` of its own. Such code must name that trait, or call a function that takes a scheme.

use std::collections::BTreeSet;

use crate::sources::{Built, all_files, crate_at, library, product_roots};

/// The files of the protocol that pass a scheme on without implementing one.
const PASS_IT_ON: [&str; 3] = ["proto/src/base/key.rs", "proto/src/charter.rs", "proto/src/charter/chain.rs"];

/// Whether a text contains a word, with words separated as the compiler does.
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
    assert_eq!(named, BTreeSet::from(PASS_IT_ON.map(str::to_owned)));
    for source in library("proto").into_iter().filter(|source| PASS_IT_ON.contains(&source.path.as_str())) {
        assert!(!source.text.contains("Scheme for"), "{} implements one", source.path);
    }
}
