//! The room for alarms, their order, and what outlives a restart.

use super::*;

const FORKED: &str = "audit kota-bandung forked";
const MOVED: &str = "moved kota-bandung";
const MARK: &str = "ledger-mark";

fn topics(alarms: &Alarms) -> Vec<String> {
    alarms.all().into_iter().map(|alarm| alarm.topic).collect()
}

/// Alarms that take all the room, about complaints with these numbers.
fn full(range: std::ops::Range<usize>) -> Alarms {
    let alarms = Alarms::default();
    range.for_each(|number| alarms.raise(AlarmKind::Custody.about(number), "changed"));
    alarms
}

#[test]
fn the_gravest_alarms_come_first_then_the_oldest_and_a_topic_has_one() {
    let alarms = Alarms::default();
    for topic in ["custody 1", MOVED, FORKED, "custody 2", "set-back mark", MOVED] {
        alarms.raise(topic, topic);
    }
    alarms.raise(FORKED, "again");
    assert_eq!(topics(&alarms), [FORKED, "set-back mark", MOVED, "custody 1", "custody 2"]);
    assert_eq!(alarms.all()[0].text, "again");
}

#[test]
fn a_graver_alarm_takes_the_place_of_the_oldest_of_the_least_severe() {
    // The gravest are older than all others, so their age alone would take them.
    let alarms = Alarms::default();
    let grave = [FORKED, "audit kota-bandung omitted", MOVED];
    grave.into_iter().for_each(|topic| alarms.raise(topic, "two ledgers"));
    (0..MOST - grave.len()).for_each(|number| alarms.raise(AlarmKind::Custody.about(number), "changed"));
    alarms.raise("set-back mark", "set back");
    alarms.raise("custody 100", "changed");
    let shown = topics(&alarms);
    assert_eq!((shown.len(), alarms.dropped()), (MOST, 2));
    assert_eq!(shown[..5], [FORKED, "audit kota-bandung omitted", "set-back mark", MOVED, "custody 2"]);
    assert_eq!(shown.last().map(String::as_str), Some("custody 100"));
}

#[test]
fn an_alarm_that_is_less_severe_than_all_others_is_not_taken_and_is_counted() {
    let alarms = Alarms::default();
    (0..MOST).for_each(|number| alarms.raise(AlarmKind::Audit.about(number), "forked"));
    let before = topics(&alarms);
    alarms.raise(MOVED, "set back");
    alarms.raise("custody 1", "changed");
    assert_eq!((topics(&alarms), alarms.dropped()), (before, 2));
    alarms.raise(AlarmKind::Audit.about("the last"), "forked");
    assert_eq!((topics(&alarms).last().map(String::as_str), alarms.dropped()), (Some("audit the last"), 3));
}

#[test]
fn the_number_of_dropped_alarms_is_shown_until_all_events_are_confirmed() {
    let alarms = full(0..MOST + 1);
    alarms.raise(MARK, "cannot write");
    for number in 2..MOST {
        alarms.confirm(&AlarmKind::Custody.about(number)).expect("an event");
        assert_eq!(alarms.dropped(), 2, "{number}");
    }
    assert_eq!(alarms.confirm(&AlarmKind::Custody.about(MOST)), Ok(1));
    assert_eq!((topics(&alarms), alarms.dropped()), (vec![MARK.to_owned()], 0));
}

#[test]
fn only_a_raised_alarm_about_an_event_can_be_confirmed() {
    let alarms = Alarms::default();
    alarms.raise(FORKED, "two ledgers");
    alarms.raise(MARK, "cannot write");
    assert_eq!(alarms.confirm("audit kota-bogor forked"), Err(NotConfirmed::Unknown("audit kota-bogor forked".into())));
    assert_eq!(alarms.confirm(MARK), Err(NotConfirmed::Lasts(MARK.into())));
    assert_eq!(alarms.confirm(FORKED), Ok(1));
    assert_eq!(topics(&alarms), [MARK]);
    alarms.settle(MARK);
    assert!(topics(&alarms).is_empty());
}

#[test]
fn an_event_outlives_a_restart_until_it_is_confirmed_and_a_state_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let restarted = || Alarms::load(folder.path());
    let before = restarted();
    before.raise(FORKED, "two ledgers");
    before.raise(MARK, "cannot write");
    before.store();
    let after = restarted();
    let mut expected = before.all();
    expected.retain(|alarm| alarm.topic == FORKED);
    assert_eq!(after.all(), expected);
    after.confirm(FORKED).expect("an event");
    after.store();
    assert!(topics(&restarted()).is_empty());
}

#[test]
fn the_first_time_of_an_alarm_stays_when_its_text_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let long_ago = r#"{"dropped":3,"alarms":[{"topic":"moved ksp","severity":"warning","since":1000,"text":"first"}]}"#;
    std::fs::write(folder.path().join("alarms.json"), long_ago).expect("written");
    let alarms = Alarms::load(folder.path());
    alarms.raise("moved ksp", "second");
    let [Alarm { since: 1000, text, .. }] = &alarms.all()[..] else { panic!("{:?}", alarms.all()) };
    assert_eq!((text.as_str(), alarms.dropped()), ("second", 3));
}

#[test]
fn a_damaged_file_is_moved_aside_and_the_next_alarms_are_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("alarms.json"), "{").expect("written");
    let alarms = Alarms::load(folder.path());
    assert!(topics(&alarms).is_empty() && folder.path().join("alarms.damaged").exists());
    alarms.raise(MOVED, "set back");
    alarms.store();
    assert_eq!(topics(&Alarms::load(folder.path())), [MOVED]);
}

#[tokio::test(start_paused = true)]
async fn alarms_are_stored_while_the_node_runs_and_a_failing_disk_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let alarms = Alarms::load(&data);
    alarms.raise(MOVED, "the folder is missing");
    alarms.store();
    assert_eq!(topics(&alarms), [MOVED], "it stays in memory");
    std::fs::create_dir(&data).expect("a folder");
    let stop = CancellationToken::new();
    let mut keeping = tokio::task::JoinSet::new();
    keeping.spawn(alarms.clone().keep_stored(stop.clone()));
    alarms.raise(FORKED, "two ledgers");
    let are_stored = async {
        let mut look = tokio::time::interval(PAUSE);
        while topics(&Alarms::load(&data)) != [FORKED, MOVED] {
            look.tick().await;
        }
    };
    tokio::time::timeout(PAUSE * 100, are_stored).await.expect("both are stored");
    stop.cancel();
    assert_eq!(keeping.join_all().await.len(), 1, "it ends");
}
