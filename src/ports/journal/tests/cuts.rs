//! Crashes: a journal cut at any byte, and a power cut at any effect by replay of what was written.

use bulkhead_core::journal::chain::Chain;

use super::disk::{Effect, apply};
use super::*;

const SECTOR: usize = 512;

/// A generator of its own: a failing replay must be the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A journal of two commits, the second of several records; the bytes of the segment and where the second one begins.
async fn two_groups() -> (Vec<u8>, usize, usize) {
    let platter = Platter::new();
    let (journal, tasks) = life(&platter, settings()).await;
    put(&journal, "first").await.unwrap();
    let begin = Lines::new(&platter.segments()[&1]).map(|(at, line)| at + line.len() + 1).last().unwrap();
    for text in ["a", "b"] {
        journal.note(Moment::default(), note(text));
    }
    put(&journal, "c").await.unwrap();
    tasks.abort_all();
    tokio::task::yield_now().await;
    let bytes = platter.segments()[&1].clone();
    let end = Lines::new(&bytes).map(|(at, line)| at + line.len() + 1).last().unwrap();
    (bytes, begin, end)
}

#[tokio::test(start_paused = true)]
async fn a_journal_torn_at_any_byte_of_the_last_group_goes_on_from_its_last_whole_record() {
    let (bytes, begin, end) = two_groups().await;
    for torn in begin..=end {
        for short in [false, true] {
            let mut left = bytes.clone();
            left[torn..].fill(0);
            if short {
                left.truncate(torn);
            }
            let whole = Lines::new(&left).count();
            let last = Lines::new(&left).last().map_or(0, |(at, line)| at + line.len() + 1);
            let platter = Platter::of([(1, left)].into());
            let opened = open(platter.disk(), Seq(0)).await.unwrap();
            let cut = opened.cut();
            let partly = u64::try_from(torn - last).unwrap();
            assert_eq!((opened.head().seq.0, cut.bytes), (whole as u64, partly), "{torn}");
            assert_eq!((cut.records, cut.damage), (0, false));
            let tasks = Tasks::new(Writers::Inline);
            let journal = opened.start(&tasks, keys(), now(), settings()).unwrap();
            assert_eq!(put(&journal, "on").await, Ok(Seq(whole as u64 + 1)), "{torn}");
            let report = checked(&platter, None);
            assert_eq!((report.records, report.unfinished), (whole as u64 + 1, None), "{torn}");
            assert_eq!(platter.inner().aside.contains_key(&1), partly > 0, "what is cut is kept aside");
            tasks.abort_all();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damage_under_a_checkpoint_is_never_cut() {
    let platter = Platter::new();
    let (journal, tasks) = life(&platter, settings()).await;
    for text in ["one", "two", "three"] {
        put(&journal, text).await.unwrap();
    }
    journal.close(Duration::from_secs(1)).await.unwrap();
    tasks.abort_all();
    let mut bytes = platter.segments()[&1].clone();
    let second = Lines::new(&bytes).nth(1).unwrap().0;
    bytes[second + 20] ^= 1;
    let damaged = Platter::of([(1, bytes.clone())].into());
    let opened = open(damaged.disk(), Seq(0)).await.unwrap();
    assert!(opened.cut().damage);
    assert_eq!((opened.cut().records, opened.head().seq), (2, Seq(1)));
    let tasks = Tasks::new(Writers::Inline);
    let journal = opened.start(&tasks, keys(), now(), settings()).unwrap();
    put(&journal, "on").await.unwrap();
    let segments = damaged.segments();
    assert_eq!(segments[&1], bytes, "not one byte of it is touched");
    assert_eq!(segments.len(), 2);
    let named = verify([("0001.jsonl", &segments[&1][..]), ("0002.jsonl", &segments[&2][..])], vec![], None);
    let broken = named.unwrap_err();
    assert_eq!((broken.seq, broken.offset, &*broken.segment), (Seq(2), second as u64, "0001.jsonl"));
}

/// What a life writes, and which records it was told are durable after how many effects.
struct Trace {
    effects: Vec<Effect>,
    promised: Vec<(usize, Seq)>,
}

async fn trace(fault: Fault) -> Trace {
    let platter = Platter::new();
    platter.fail(fault);
    let small = Settings { segment: 8 << 10, spare: 1 << 10, max: 40 << 10, checkpoint_records: 20, ..settings() };
    let (journal, tasks) = life(&platter, small).await;
    let mut promised = Vec::new();
    let mut dice = Dice(3);
    for number in 0..120_usize {
        for _ in 0..dice.roll(4) {
            journal.note(Moment::default(), note(&"n".repeat(usize::try_from(dice.roll(900)).unwrap())));
        }
        if dice.roll(3) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(80))).await;
        }
        let seq = put(&journal, &format!("{number}")).await.unwrap();
        promised.push((platter.inner().log.len(), seq));
    }
    tasks.abort_all();
    tokio::task::yield_now().await;
    let effects = std::mem::take(&mut platter.inner().log);
    Trace { effects, promised }
}

/// The files after a power cut: `effects` have happened; what no sync covers is there, old, zero or newlines, sector by sector.
fn replay(effects: &[Effect], dice: &mut Dice) -> BTreeMap<u64, Vec<u8>> {
    let (mut now, mut durable) = (BTreeMap::new(), BTreeMap::new());
    for effect in effects {
        apply(&mut now, effect);
        let (Effect::Create(number, _) | Effect::Sync(number) | Effect::Resize(number, _) | Effect::Remove(number)) =
            effect
        else {
            continue;
        };
        match now.get(number) {
            Some(bytes) => drop(durable.insert(*number, Vec::clone(bytes))),
            None => drop(durable.remove(number)),
        }
    }
    for (number, kept) in &mut durable {
        let written = &now[number];
        kept.resize(written.len().max(kept.len()), 0);
        for start in (0..written.len()).step_by(SECTOR) {
            let sector = start..(start + SECTOR).min(written.len());
            // Only what differs from the durable state was under way.
            let Some(first) = sector.clone().find(|at| kept[*at] != written[*at]) else { continue };
            match dice.roll(4) {
                0 => {}
                1 => kept[first..sector.end].fill(0),
                2 => kept[first..sector.end].fill(b'\n'),
                _ => kept[sector.clone()].copy_from_slice(&written[sector]),
            }
        }
    }
    durable
}

/// Replays power cuts after each effect; gives how many were made, and how many lost a promised record.
async fn losses(trace: &Trace, rounds: u64) -> (u32, u32) {
    let (mut cuts, mut lost) = (0, 0);
    for end in 0..=trace.effects.len() {
        for round in 0..rounds {
            let files = replay(&trace.effects[..end], &mut Dice(round * 1_000_003 + end as u64));
            let platter = Platter::of(files);
            let opened = open(platter.disk(), Seq(0)).await.unwrap();
            let Chain { seq: head, .. } = opened.head();
            let promised = trace.promised.iter().rfind(|(after, _)| *after <= end).map_or(Seq(0), |(_, seq)| *seq);
            cuts += 1;
            // A power cut is no damage: nothing that a checkpoint covers may be missing.
            lost += u32::from(promised > head || opened.cut().damage);
            if promised <= head && !opened.cut().damage {
                let tasks = Tasks::new(Writers::Inline);
                let journal = opened.start(&tasks, keys(), now(), settings()).unwrap();
                assert_eq!(put(&journal, "next life").await, Ok(Seq(head.0 + 1)));
                assert_eq!(checked(&platter, None).unfinished, None);
                tasks.abort_all();
                tokio::task::yield_now().await;
            }
        }
    }
    (cuts, lost)
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_effect_loses_no_promised_record() {
    let trace = trace(Fault::None).await;
    let (cuts, lost) = losses(&trace, 4).await;
    assert!(cuts >= 1000, "{cuts}");
    assert_eq!(lost, 0);
}

/// The control: if this passed with syncs that do nothing, the test above would prove nothing.
#[tokio::test(start_paused = true)]
async fn the_replay_reports_losses_when_the_sync_does_nothing() {
    let trace = trace(Fault::Lie).await;
    let (cuts, lost) = losses(&trace, 1).await;
    assert!(lost * 4 > cuts, "{lost} of {cuts}");
}
