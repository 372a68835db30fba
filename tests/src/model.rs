//! A bounded model of one hand-over. stateright checks every order in which a few entries can be written, lost, repeated, delivered and
//! deferred while the clocks pass an offer's `answer_by`.
//!
//! The product's own code decides which entries agencies may write, which entries nodes accept, and which effect they have
//! ([`sinergi_proto::admission`], [`sinergi_proto::complaint`]). The entries are real: signed and parsed. Only the time and the network are
//! modelled.
//!
//! | module | content |
//! |---|---|
//! | [`members`] | the agencies, with their keys, their charter and clocks that differ |
//! | [`time`] | the moments that matter to an offer |
//! | [`acts`] | the entries that an agency may write |
//! | [`book`] | every entry and view of the space, each once |
//! | [`judgement`] | the judgement of one view alone |
//! | [`network`] | a state: the nodes, and the messages between them |
//! | [`properties`] | properties that must hold in every state, and events that must occur in some |
//! | this file | the steps from state to state, and the bounds |

pub mod acts;
pub mod book;
pub mod judgement;
pub mod members;
pub mod network;
pub mod properties;
pub mod time;

use parking_lot::{Mutex, MutexGuard};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use acts::Act;
use book::{Book, EntryRef};
use members::{Agency, Members};
use network::{Message, State};

/// The bounds of the space.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The number of agencies: 3 for the city, its province and the ministry, 4 with the ombudsman.
    pub agencies: usize,
    /// The most entries, `Lodged` included. Answers to recalls, which nodes write automatically, may exceed it.
    pub entries: usize,
    /// The number of moments of [`time`].
    pub moments: usize,
    /// The most messages at a time that are lost and not sent again.
    pub lost: usize,
    /// The most messages at a time that will be delivered once more.
    pub repeated: usize,
    /// The most lies.
    pub lies: usize,
    /// Whether operators may try every act. If not, they try a selection (see `Act::of_operators`), and the complaint is offered to the ministry from
    /// the start.
    pub free: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time passes to the next moment.
    Wait,
    /// An operator acts.
    Write {
        /// The operator's agency.
        by: Agency,
        /// The act.
        act: Act,
        /// The entry.
        entry: EntryRef,
    },
    /// An agency acts on a custody entry that another act has replaced, and may hide that it knows the other act.
    Lie {
        /// The lying agency.
        by: Agency,
        /// The act.
        act: Act,
        /// The entry.
        entry: EntryRef,
    },
    /// A message is delivered.
    Deliver(Message),
    /// A message is delivered, and will be delivered once more.
    Repeat(Message),
    /// A message is lost.
    Lose(Message),
    /// All lost messages are sent again.
    Resend,
}

/// The model.
pub struct HandOver {
    /// Its bounds.
    pub bounds: Bounds,
    book: Mutex<Book>,
}

impl HandOver {
    /// The model within these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, book: Mutex::new(Book::new(Members::first(bounds.agencies), bounds.free)) }
    }

    /// The entries and views that the numbers in states refer to.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }
}

impl Model for HandOver {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut book = self.book();
        let mut state = State::new(self.bounds.agencies);
        let lodged = book.lodge(Agency::City, state.moment);
        state.write(&mut book, Agency::City, lodged);
        if !self.bounds.free {
            let (view, act) = (state.node(Agency::City).view.expect("it has lodged"), Act::Forward(Agency::Ministry));
            let written = book.writable(view, Agency::City, state.moment).iter();
            let (_, offer) = *written.clone().find(|(written, _)| *written == act).expect("the holder may forward");
            state.write(&mut book, Agency::City, offer);
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let (mut book, bounds) = (self.book(), self.bounds);
        if usize::from(state.moment) + 1 < bounds.moments {
            steps.push(Step::Wait);
        }
        if state.written < bounds.entries {
            for (by, view) in state.views(&book).collect::<Vec<_>>() {
                let written = book.writable(view, by, state.moment).iter();
                steps.extend(written.map(|&(act, entry)| Step::Write { by, act, entry }));
                if state.lies < bounds.lies {
                    let told = book.lying(view, by, state.moment).iter();
                    steps.extend(told.map(|&(act, entry)| Step::Lie { by, act, entry }));
                }
            }
        }
        if !state.lost.is_empty() {
            steps.push(Step::Resend);
        }
        for message in &state.network {
            steps.push(Step::Deliver(*message));
            if state.repeated.len() < bounds.repeated {
                steps.push(Step::Repeat(*message));
            }
            if state.lost.len() < bounds.lost {
                steps.push(Step::Lose(*message));
            }
        }
        for message in &state.repeated {
            steps.push(Step::Deliver(*message));
            steps.push(Step::Lose(*message));
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let (mut state, mut book) = (before.clone(), self.book());
        match step {
            Step::Wait => state.pass_time(&mut book),
            Step::Write { by, entry, .. } => state.write(&mut book, by, entry),
            Step::Lie { by, entry, .. } => {
                state.lies += 1;
                state.write(&mut book, by, entry);
            }
            Step::Deliver(message) => state.deliver(&mut book, message, false),
            Step::Repeat(message) => state.deliver(&mut book, message, true),
            Step::Lose(message) => state.lose(message),
            Step::Resend => state.resend(),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self.bounds)
    }
}

/// The result of a check of the whole space.
#[derive(Debug)]
pub struct Checked {
    /// The number of different states.
    pub states: usize,
    /// The largest number of steps that a state needs on its shortest way.
    pub depth: usize,
    /// The numbers of different entries and of different views.
    pub entries_and_views: (usize, usize),
    /// The properties that do not hold, each with the shortest way to such a state. If all hold, the events that never occurred.
    pub violated: Vec<String>,
}

/// Checks every state within the bounds. It ends early only if a property does not hold.
pub fn check(bounds: Bounds) -> Checked {
    let model = HandOver::new(bounds);
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (mut violated, mut unseen) = (Vec::new(), Vec::new());
    for Property { expectation, name, .. } in checker.model().properties() {
        match (expectation, checker.discovery(name)) {
            (Expectation::Sometimes, Some(_)) | (Expectation::Always | Expectation::Eventually, None) => {}
            (Expectation::Sometimes, None) => unseen.push(format!("never seen: {name}")),
            (_, Some(path)) => {
                let steps: Vec<String> = path.into_actions().iter().map(|step| format!("  {step:?}")).collect();
                violated.push(format!("does not hold: {name}, after\n{}", steps.join("\n")));
            }
        }
    }
    // If a property is violated, the checker has not looked at the rest of the space, so unseen events mean nothing.
    if violated.is_empty() {
        violated = unseen;
    }
    Checked {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        entries_and_views: checker.model().book().size(),
        violated,
    }
}
