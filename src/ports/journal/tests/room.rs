//! Segments: they roll, the oldest ones go, and what stays verifies.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_journal_stays_within_its_room_and_verifies_from_its_trimmed_start() {
    let platter = Platter::new();
    let small = Settings { max: 512 << 10, ..settings() };
    let (journal, _tasks) = life(&platter, small.clone()).await;
    for number in 0..2000 {
        put(&journal, &format!("{number} {}", "x".repeat(500))).await.unwrap();
        let bytes: u64 = platter.segments().values().map(|bytes| bytes.len() as u64).sum();
        assert!(bytes <= small.max, "{bytes}");
        assert_eq!(journal.state().bytes, bytes);
    }
    let report = checked(&platter, None);
    assert!(report.first > Seq(1000), "{report:?}");
    assert_eq!(report.last.seq, journal.state().durable);
    assert_eq!(report.segments, journal.state().segments);
    // Sealed segments hold lines and nothing else.
    let segments = platter.segments();
    for (number, bytes) in segments.iter().rev().skip(1) {
        assert_eq!(bytes.last(), Some(&b'\n'), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_life_trims_on() {
    let platter = Platter::new();
    let small = Settings { max: 256 << 10, ..settings() };
    for life_number in 0..20 {
        let (journal, tasks) = life(&platter, small.clone()).await;
        for _ in 0..100 {
            put(&journal, &format!("{life_number} {}", "x".repeat(500))).await.unwrap();
        }
        if life_number % 2 == 0 {
            journal.close(Duration::from_secs(1)).await.unwrap();
        }
        tasks.abort_all();
        tokio::task::yield_now().await;
        let report = checked(&platter, None);
        assert!(report.first.0 + 500 > report.last.seq.0, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_trimmed_record_and_the_removal_leaves_a_sound_journal() {
    let platter = Platter::new();
    let small = Settings { max: 192 << 10, ..settings() };
    let (journal, tasks) = life(&platter, small.clone()).await;
    for _ in 0..700 {
        put(&journal, &"x".repeat(500)).await.unwrap();
    }
    tasks.abort_all();
    tokio::task::yield_now().await;
    // Each removal undone, as if the power had gone just before it.
    let mut files = BTreeMap::new();
    let mut removals = 0;
    let log = std::mem::take(&mut platter.inner().log);
    for effect in log {
        if let disk::Effect::Remove(_) = effect {
            removals += 1;
            let before = Platter::of(files.clone());
            checked(&before, None);
            let (journal, tasks) = life(&before, small.clone()).await;
            put(&journal, "on").await.unwrap();
            checked(&before, None);
            tasks.abort_all();
        }
        disk::apply(&mut files, &effect);
    }
    assert!(removals > 3, "{removals}");
}
