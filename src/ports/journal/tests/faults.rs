//! A disk in trouble: every caller hears it at once, the chain has no gap, what is lost is recorded.

use tokio::time::Instant;

use super::*;

#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
fn instant() -> Instant {
    Instant::now()
}

fn word(state: &str, lost: u64) -> (String, u64) {
    (state.to_owned(), lost)
}

/// In trouble of this kind from the second record on; then well again.
async fn through(fault: Fault, trouble: Trouble) -> (Platter, Journal) {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    put(&journal, "before").await.unwrap();
    platter.fail(fault);
    assert_eq!(put(&journal, "first").await, Err(trouble));
    assert_eq!(journal.trouble(), Some(trouble));
    let state = journal.state();
    assert_eq!((state.trouble, state.durable, state.since), (Some(trouble), Seq(1), Some(Moment::default())));
    // Known trouble is told at once, without waiting for the disk.
    let before = instant();
    assert_eq!(put(&journal, "second").await, Err(trouble));
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(journal.trouble(), Some(trouble));
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((journal.trouble(), journal.state().since), (None, None));
    put(&journal, "after").await.unwrap();
    platter.power_cut();
    assert_eq!(texts(&platter), ["before", "first", "second", "after"]);
    checked(&platter, None);
    (platter, journal)
}

#[tokio::test(start_paused = true)]
async fn a_read_only_disk_is_told_and_recorded() {
    let (platter, _journal) = through(Fault::ReadOnly, Trouble::ReadOnly).await;
    assert_eq!(disk_words(&platter), [word("read-only", 0), word("ok", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_sector_is_told_and_recorded() {
    let (platter, _journal) = through(Fault::Write, Trouble::Failed).await;
    assert_eq!(disk_words(&platter), [word("failed", 0), word("ok", 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_sync_threw_away_is_written_again() {
    let (platter, _journal) = through(Fault::Sync, Trouble::Failed).await;
    assert_eq!(disk_words(&platter), [word("failed", 0), word("ok", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_met_when_a_segment_is_made_and_never_within_one() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    put(&journal, "before").await.unwrap();
    platter.fail(Fault::Full);
    let text = "x".repeat(500);
    let mut kept = 0_u64;
    while put(&journal, &text).await.is_ok() {
        kept += 1;
    }
    assert_eq!(journal.trouble(), Some(Trouble::Full));
    // The room of the first segment was there before the disk was full.
    assert!((kept * 700..kept * 900).contains(&(60 << 10)), "{kept}");
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    put(&journal, "after").await.unwrap();
    platter.power_cut();
    assert_eq!(disk_words(&platter), [word("full", 0), word("ok", 0)]);
    assert_eq!((platter.segments().len(), checked(&platter, None).segments), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_at_the_first_record_is_trouble_and_no_end() {
    let platter = Platter::new();
    platter.fail(Fault::Full);
    let (journal, _tasks) = life(&platter, settings()).await;
    assert_eq!(put(&journal, "one").await, Err(Trouble::Full));
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(texts(&platter), ["one"]);
    checked(&platter, None);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_disk_is_told_after_the_deadline_and_the_record_is_kept_when_it_moves() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    put(&journal, "before").await.unwrap();
    platter.fail(Fault::Stall);
    let before = instant();
    assert_eq!(put(&journal, "first").await, Err(Trouble::Stalled));
    assert_eq!(before.elapsed(), Duration::from_millis(50));
    assert_eq!(put(&journal, "second").await, Err(Trouble::Stalled));
    assert_eq!(before.elapsed(), Duration::from_millis(50), "the second does not wait for what is known");
    assert_eq!(journal.state().trouble, Some(Trouble::Stalled));
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(journal.trouble(), None);
    put(&journal, "after").await.unwrap();
    platter.power_cut();
    assert_eq!(texts(&platter), ["before", "first", "second", "after"]);
    assert_eq!(disk_words(&platter), [word("stalled", 0), word("ok", 0)]);
    checked(&platter, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_disk_in_trouble_cannot_hold_is_counted_and_the_chain_has_no_gap() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, Settings { backlog: 8 << 10, ..settings() }).await;
    put(&journal, "before").await.unwrap();
    platter.fail(Fault::Write);
    for _ in 0..100 {
        put(&journal, &"x".repeat(200)).await.unwrap_err();
        // Nobody waits for it: the writer takes it out of the queue a little later.
        tokio::time::sleep(settings().linger).await;
    }
    let lost = journal.state().lost;
    assert!((70..90).contains(&lost), "{lost}");
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    put(&journal, "after").await.unwrap();
    assert_eq!(texts(&platter).len() as u64, 102 - lost);
    assert_eq!(disk_words(&platter), [word("failed", 0), word("ok", lost)]);
    checked(&platter, None);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_of_a_lost_decision_is_lost_with_it() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, Settings { backlog: 1 << 10, ..settings() }).await;
    platter.fail(Fault::Write);
    put(&journal, &"x".repeat(2000)).await.unwrap_err();
    let (slot, ticket) = (journal.reserve().unwrap(), journal.ticket());
    assert!(journal.record(ticket, Moment::default(), note("lost"), Keep::Before));
    slot.outcome(ticket, Moment::default(), Outcome::Applied, true);
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(journal.state().lost, 2);
    assert!(records(&platter).iter().all(|record| !matches!(record.event, Event::Outcome { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_kept_or_told_that_it_is_not() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    let keep = async |text: &str| journal.keep(Moment::default(), note(text), Duration::from_secs(5)).await;
    assert_eq!(keep("one").await, Ok(Seq(1)));
    platter.fail(Fault::ReadOnly);
    assert_eq!(keep("two").await, Err(Trouble::ReadOnly));
    platter.fail(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(keep("three").await, Ok(Seq(5)), "3 and 4 tell the trouble");
    journal.close(Duration::from_secs(1)).await.unwrap();
    assert_eq!(keep("four").await, Err(Trouble::Closed));
    assert!(!journal.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_flapping_disk_does_not_fill_the_journal() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    for round in 0..600 {
        // A stall of 60 ms each 100 ms for a minute.
        platter.fail(Fault::Stall);
        let _stalled = put(&journal, &round.to_string()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        platter.fail(Fault::None);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(texts(&platter).len(), 600);
    let said = disk_words(&platter).len();
    assert!((2..=14).contains(&said), "{said}");
}
