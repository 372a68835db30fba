//! The READMEs: runs every `sinergi` command in them as written.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use sinergi_cli::demo::wait;
use sinergi_tests::federation::PATIENCE;
use sinergi_tests::process_table::{nodes_in, send};
use sinergi_tests::program::{Said, folder, run_in, run_on, said, sinergi};
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
/// The pages with commands, each with its name. A reader can follow each page alone, except that some need the demo of the first page.
const PAGES: [(&str, &str); 7] = [
    ("README.md", README),
    (".github/CONTRIBUTING.md", include_str!("../../.github/CONTRIBUTING.md")),
    ("cli/README.md", include_str!("../../cli/README.md")),
    ("config/README.md", include_str!("../../config/README.md")),
    ("daemon/README.md", include_str!("../../daemon/README.md")),
    ("proto/README.md", include_str!("../../proto/README.md")),
    ("tests/README.md", include_str!("../README.md")),
];
/// The folder of the README's demo.
const DEMO_FOLDER: &str = "/tmp/federation";
/// The placeholder for the verifier key that `charter key` printed.
const VERIFIER_KEY: &str = "VERIFIER_KEY";

/// Commands that this test skips, because other tests or only a person can run them.
const NOT_RUN: [&str; 4] = [
    "cargo test --workspace",
    "cargo test -p sinergi-tests --release -- --ignored",
    "cargo bench -p sinergi-tests",
    "sudo tests/compare/postgresql.sh",
];

/// The command lines of a page's shell blocks, in order.
fn commands(page: &'static str) -> impl Iterator<Item = &'static str> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty())
}

/// The placeholder for a complaint that was lodged at kota-bandung.
const COMPLAINT: &str = "COMPLAINT";

/// A reader who follows a page, with a folder to work in and the output so far.
struct Reader {
    folder: TempDir,
    federation: PathBuf,
    verifier_keys: Vec<(String, String)>,
}

impl Reader {
    /// A reader at the top of a page, who knows the folder of the demo's nodes.
    fn of(federation: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, federation: federation.to_owned(), verifier_keys: Vec::new() }
    }

    /// The line as the reader types it.
    fn typed(&self, line: &str) -> String {
        let mut typed = line.replace(DEMO_FOLDER, self.federation.to_str().expect("a path"));
        for (manager, key) in &self.verifier_keys {
            typed = typed.replace(&format!("{manager}={VERIFIER_KEY}"), &format!("{manager}={key}"));
        }
        assert!(!typed.contains(VERIFIER_KEY), "no command before it shows the key: {line}");
        if typed.contains(COMPLAINT) {
            typed = typed.replace(COMPLAINT, &self.complaint());
        }
        typed
    }

    /// The id of a complaint that was lodged at kota-bandung, as its node lists it.
    fn complaint(&self) -> String {
        let said = run_on(&self.federation.join("kota-bandung"), &["complaint", "list", "--output", "json"]);
        let listed: Vec<serde_json::Value> = serde_json::from_str(&said.out).expect("a listing");
        let own = listed
            .iter()
            .find(|complaint| complaint["intake"] == "kota-bandung")
            .expect("complaints were lodged there");
        own["id"].as_str().expect("an id").to_owned()
    }

    /// A shell that finds this program as `sinergi`, in the reader's folder.
    fn shell(&self, line: &str) -> Command {
        let programs = sinergi().parent().expect("a folder");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.current_dir(self.folder.path()).env("PATH", path).args(["-c", &format!("exec {}", self.typed(line))]);
        command
    }

    /// Runs a line to its end.
    fn runs(&mut self, line: &str) -> Said {
        let said = said(&mut self.shell(line));
        assert_eq!(said.code, 0, "{line}: {said:?}");
        if let Some(name) = line.strip_prefix("sinergi charter key --name ").and_then(|rest| rest.split(' ').next()) {
            let key = said.out.lines().find_map(|shown| shown.strip_prefix("verifier key: "));
            let manager = name.rsplit('/').next().unwrap_or_default().to_owned();
            self.verifier_keys.push((manager, key.unwrap_or_else(|| panic!("{line}: {said:?}")).to_owned()));
        }
        said
    }

    /// Runs a node until it answers, and stops it.
    async fn runs_node(&self, line: &str) {
        let node = line.strip_suffix(" run").expect("a node to be run");
        let mut command = self.shell(line);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let answers = wait::until(PATIENCE, async || {
            let status = said(&mut self.shell(&format!("{node} status")));
            assert_eq!(child.try_wait().expect("a child"), None, "{line} ended by itself");
            Ok::<_, ()>((status.code == 0).then_some(()))
        });
        let answers = answers.await;
        send(child.id(), Signal::TERM);
        let ended = child.wait_with_output().expect("it ends");
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(answers == Ok(Some(())) && ended.status.success(), "{line}: {:?}: {log}", ended.status);
    }
}

/// The demo that the README leaves running in another terminal.
struct Demo {
    child: std::process::Child,
    output: PathBuf,
}

impl Demo {
    /// Starts the demo, and waits until it says that its nodes can be queried.
    async fn hold(folder: &Path, federation: &Path) -> Self {
        let output = folder.join("demo.txt");
        let file = || std::fs::File::options().create(true).append(true).open(&output).expect("a file");
        let mut command = Command::new(sinergi());
        command.args(["demo", "--complaints", "20", "--hold", "--dir"]).arg(federation);
        let child = command.stdin(Stdio::null()).stdout(file()).stderr(file()).spawn().expect("the program starts");
        let mut demo = Self { child, output };
        let holds = wait::until(PATIENCE * 3, async || {
            assert_eq!(demo.child.try_wait().expect("a child"), None, "the demo ended: {}", demo.said());
            Ok::<_, ()>(demo.said().contains("The federation runs until Ctrl-C").then_some(()))
        });
        assert_eq!(holds.await, Ok(Some(())), "{}", demo.said());
        demo
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Ends it as Ctrl-C would.
    fn end(mut self) {
        send(self.child.id(), Signal::TERM);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.said());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The demo runs here only if the test failed. Its nodes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn every_sinergi_command_of_every_page_succeeds_and_shows_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let federation = folder.path().join("federation");
    let demo = Demo::hold(folder.path(), &federation).await;
    let mut run = 0;
    for (page, text) in PAGES {
        let mut reader = Reader::of(&federation);
        for line in commands(text).filter(|line| line.starts_with("sinergi ")) {
            run += 1;
            if line.ends_with(" run") {
                reader.runs_node(line).await;
            } else {
                let said = reader.runs(line);
                assert!(!said.out.is_empty(), "{page}: {line} shows nothing: {said:?}");
            }
        }
        assert_eq!(nodes_in(reader.folder.path()), [0; 0], "{page}: no process is left");
    }
    assert!(run >= 25, "only {run} commands were found: are the pages written as before?");
    demo.end();
    assert_eq!(nodes_in(folder.path()), [0; 0], "no process is left");
}

/// The program of the workspace that a line runs or builds, and its arguments.
fn program_of(line: &str) -> Option<(&str, Vec<&str>)> {
    let rest = line.strip_prefix("cargo run ").or_else(|| line.strip_prefix("cargo build "))?;
    let (options, arguments) = rest.split_once(" -- ").unwrap_or((rest, ""));
    let program = options.split_once("--bin ")?.1;
    Some((program, arguments.split_whitespace().collect()))
}

#[test]
fn the_commands_that_build_and_run_name_existing_programs_and_options() {
    let (mut demos, mut built) = (0, 0);
    let all = PAGES.iter().flat_map(|(page, text)| commands(text).map(move |line| (page, line)));
    for (page, line) in all.filter(|(_, line)| !line.starts_with("sinergi ")) {
        let Some((program, arguments)) = program_of(line) else {
            assert!(NOT_RUN.contains(&line), "{page}: {line}: a command that no test runs");
            continue;
        };
        built += 1;
        assert!(folder().join(program).is_file(), "{page}: {line}: no program of that name is built");
        if program != "sinergi" {
            continue;
        }
        demos += 1;
        // `--help` lists the options of the command without running it.
        let (command, options) = arguments.split_first().expect("a command");
        let help = run_in(Path::new("."), &[command, "--help"]);
        assert_eq!(help.code, 0, "{page}: {line}: {help:?}");
        for option in options.iter().filter(|word| word.starts_with("--")) {
            assert!(help.out.contains(option), "{page}: {line}: {option} is not in {}", help.out);
        }
    }
    assert!(demos >= 2, "the README's first command is a demo");
    assert!(built >= 8, "only {built} programs were found: are the pages written as before?");
    let first = commands(README).take(3).collect::<Vec<_>>();
    assert_eq!(first[..2], ["cargo run --release --bin sinergi -- demo", "cargo test --workspace"]);
}

#[test]
fn every_command_of_the_table_has_a_help_page_with_its_options() {
    let rows = README.lines().skip_while(|line| *line != "| command | what it does |").skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|row| row.split(" | ").next().unwrap_or_default());
    let mut found = 0;
    for command in cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        let (words, options) = command.split_once(" [").unwrap_or((command, ""));
        let (group, last) = words.rsplit_once(' ').unwrap_or(("", words));
        for name in last.split("\\|") {
            let arguments: Vec<&str> = group.split_whitespace().chain([name, "--help"]).collect();
            let help = run_in(Path::new("."), &arguments);
            assert!(help.code == 0 && help.out.contains("Usage: sinergi"), "{command}: {help:?}");
            for option in options.split(['[', ']', ' ']).filter(|word| word.starts_with("--")) {
                assert!(help.out.contains(option), "{command}: {option} is not in {}", help.out);
            }
            found += 1;
        }
    }
    assert!(found >= 35, "only {found} commands were found: is the table written as before?");
}
