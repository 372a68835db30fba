//! The READMEs: the files that they name exist, the first one is short, and a reader can follow the walk of one entry.

use std::collections::BTreeSet;

use crate::sources::workspace;

/// The pages, from the top of the workspace.
const PAGES: [&str; 8] = [
    "README.md",
    "proto/README.md",
    "daemon/README.md",
    "config/README.md",
    "cli/README.md",
    "tests/README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
];
/// The most lines of the first page.
const FIRST_PAGE_LINES: usize = 150;
/// The most files that a reader opens who follows one entry from lodging to view.
const WALK_FILES: usize = 25;
/// The most returns to a file that the reader has read before.
const WALK_RETURNS: usize = 2;

fn page(name: &str) -> String {
    std::fs::read_to_string(workspace().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The targets of a page's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The anchor of a heading, as forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(anchor)
        .collect()
}

/// Names in backquotes that look like a path of a source file or of a folder from the top of the workspace.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let crates = ["proto/", "daemon/", "config/", "cli/", "tests/src", "tests/shim", "tests/compare"];
    quoted
        .filter(move |name| crates.iter().any(|first| name.starts_with(first)) && !name.contains([' ', '*', '<', '\n']))
}

#[test]
fn every_link_of_a_page_leads_to_something_that_exists() {
    let mut broken = Vec::new();
    for name in PAGES {
        let (text, folder) = (page(name), workspace().join(name).parent().expect("a folder").to_owned());
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() { workspace().join(name) } else { folder.join(path) };
            let has_heading = || {
                heading.is_empty() || std::fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(heading))
            };
            if !file.exists() || !has_heading() {
                broken.push(format!("{name}: {link}"));
            }
        }
        let missing = paths(&text).filter(|path| !workspace().join(path).exists());
        broken.extend(missing.map(|path| format!("{name}: `{path}`")));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_first_page_is_short() {
    let lines = page("README.md").lines().count();
    assert!(lines <= FIRST_PAGE_LINES, "{lines} lines, at most {FIRST_PAGE_LINES}");
}

#[test]
fn the_walk_of_one_entry_names_few_existing_files_and_rarely_returns_to_one() {
    let text = page("daemon/README.md");
    let walk = text.split("\n## One entry, file by file\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let walk = walk.expect("daemon/README.md tells the walk");
    let steps: Vec<(&str, &str)> = walk.lines().filter_map(|line| line.split_once(". [")).collect();
    let numbers: Vec<String> = steps.iter().map(|(number, _)| (*number).to_owned()).collect();
    assert_eq!(
        numbers,
        (1..=steps.len()).map(|number| number.to_string()).collect::<Vec<_>>(),
        "one line for each file"
    );
    let files: Vec<&str> = steps.iter().filter_map(|(_, rest)| rest.split(']').next()).collect();
    let different: BTreeSet<&&str> = files.iter().collect();
    assert_eq!(different.len(), files.len(), "a file is listed twice: {files:#?}");
    assert!((15..=WALK_FILES).contains(&files.len()), "{} files", files.len());
    let missing: Vec<&&str> = files.iter().filter(|file| !workspace().join(file).is_file()).collect();
    assert!(missing.is_empty(), "no such file: {missing:?}");
    let returns = walk.matches("*Return ").count();
    assert!(returns <= WALK_RETURNS, "{returns} returns");
}
