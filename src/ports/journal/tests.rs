use std::io;

use bulkhead_core::digest::Sha256;
use bulkhead_core::journal::chain::{Lines, parse};
use bulkhead_core::journal::record::{GatewayRecord, Record};
use bulkhead_core::journal::verify::{Head, PublicKey, Report, verify};
use bulkhead_core::names::SubjectId;

use super::*;
use crate::net::Later;
use crate::ports::disk::{Disk, Segment};
use crate::ports::keys::{KeyError, Keys, SoftwareKey};
use crate::tasks::{Tasks, Writers};

mod cuts;
mod disk;
mod faults;
mod room;

use disk::{Fault, Platter};

fn settings() -> Settings {
    Settings { segment: 64 << 10, spare: 4 << 10, max: 1 << 20, ..Settings::default() }
}

fn keys() -> Arc<dyn Keys> {
    Arc::new(SoftwareKey::from_seed(&[7; 32]).unwrap())
}

fn note(text: &str) -> Event {
    let what = "test".to_owned();
    Event::Gateway(GatewayRecord::Alarm { what, source: None, asset: None, text: text.to_owned() })
}

fn now() -> Now {
    Now(Arc::new(Moment::default))
}

/// A life of the gateway on this disk.
async fn life(platter: &Platter, settings: Settings) -> (Journal, Tasks) {
    let tasks = Tasks::new(Writers::Inline);
    let opened = open(platter.disk(), Seq(0)).await.unwrap();
    (opened.start(&tasks, keys(), now(), settings).unwrap(), tasks)
}

async fn commit(journal: &Journal) -> Result<Seq, Trouble> {
    journal.commit(Duration::from_millis(50)).await
}

async fn put(journal: &Journal, text: &str) -> Result<Seq, Trouble> {
    let ticket = journal.ticket();
    assert!(journal.record(ticket, Moment::default(), note(text), Keep::Before));
    commit(journal).await.map(|_| journal.seq_of(ticket).unwrap())
}

fn records(platter: &Platter) -> Vec<Record> {
    let mut found = Vec::new();
    for (_, bytes) in platter.segments() {
        found.extend(Lines::new(&bytes).map(|(_, line)| parse(line).unwrap().record));
    }
    found
}

fn gateway(platter: &Platter) -> impl Iterator<Item = GatewayRecord> {
    let what = |record: Record| if let Event::Gateway(what) = record.event { Some(what) } else { None };
    records(platter).into_iter().filter_map(what)
}

fn texts(platter: &Platter) -> Vec<String> {
    let text = |what| if let GatewayRecord::Alarm { text, .. } = what { Some(text) } else { None };
    gateway(platter).filter_map(text).collect()
}

fn disk_words(platter: &Platter) -> Vec<(String, u64)> {
    let word = |what| if let GatewayRecord::Disk { state, lost } = what { Some((state, lost)) } else { None };
    gateway(platter).filter_map(word).collect()
}

fn checked(platter: &Platter, head: Option<Head>) -> Report {
    let segments = platter.segments();
    let named: Vec<(String, Vec<u8>)> =
        segments.into_iter().map(|(number, bytes)| (format!("{number:04}.jsonl"), bytes)).collect();
    let pairs = named.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    verify(pairs, vec![keys().public()], head).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_committed_record_is_durable_and_has_its_number() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    assert_eq!(put(&journal, "one").await, Ok(Seq(1)));
    assert_eq!(put(&journal, "two").await, Ok(Seq(2)));
    platter.power_cut();
    assert_eq!(texts(&platter), ["one", "two"]);
    let state = journal.state();
    assert_eq!((state.last, state.durable, state.trouble, state.segments), (Seq(2), Seq(2), None, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_the_same_time_shares_one_sync() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    put(&journal, "first").await.unwrap();
    let before = platter.syncs();
    let mut tickets = Vec::new();
    for _ in 0..20 {
        let ticket = journal.ticket();
        assert!(journal.record(ticket, Moment::default(), note("x"), Keep::Before));
        tickets.push(ticket);
    }
    let (a, b, c) = tokio::join!(commit(&journal), commit(&journal), commit(&journal));
    assert_eq!((a, b), (b, c));
    assert_eq!(a, Ok(Seq(21)));
    assert_eq!(platter.syncs() - before, 1);
    assert_eq!(
        tickets.iter().map(|ticket| journal.seq_of(*ticket).unwrap().0).collect::<Vec<_>>(),
        (2..=21).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_written_at_once_and_synced_within_50_ms() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    put(&journal, "first").await.unwrap();
    let before = platter.syncs();
    for text in ["a", "b", "c"] {
        journal.note(Moment::default(), note(text));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(texts(&platter), ["first", "a", "b", "c"], "a killed process loses nothing");
    assert_eq!((platter.syncs(), journal.state().durable), (before, Seq(1)));
    tokio::time::sleep(Duration::from_millis(25)).await;
    assert_eq!((platter.syncs(), journal.state().durable), (before + 1, Seq(4)));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_names_its_decision_and_has_its_place_in_a_full_queue() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, Settings { queue: 4, ..settings() }).await;
    let slot = journal.reserve().unwrap();
    let ticket = journal.ticket();
    assert!(journal.record(ticket, Moment::default(), note("decision"), Keep::Before));
    let others: Vec<Slot> = std::iter::from_fn(|| journal.reserve()).collect();
    assert_eq!(others.len(), 2);
    assert!(!journal.record(journal.ticket(), Moment::default(), note("no room"), Keep::Before));
    assert_eq!(commit(&journal).await, Err(Trouble::Busy));
    slot.outcome(ticket, Moment::default(), Outcome::Applied, true);
    drop(others);
    commit(&journal).await.unwrap();
    let last = records(&platter).pop().unwrap();
    assert_eq!(last.event, Event::Outcome { of: Seq(1), outcome: Outcome::Applied, late: true });
    assert_eq!(journal.seq_of(ticket), Some(Seq(1)));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_recorded_as_lost_records() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, Settings { queue: 4, ..settings() }).await;
    for _ in 0..7 {
        journal.note(Moment::default(), note("x"));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((texts(&platter).len(), journal.state().lost), (4, 3));
    assert_eq!(disk_words(&platter), [("ok".to_owned(), 3)]);
}

#[tokio::test(start_paused = true)]
async fn the_next_life_goes_on_where_the_last_one_ended() {
    let platter = Platter::new();
    let (journal, tasks) = life(&platter, settings()).await;
    put(&journal, "one").await.unwrap();
    tasks.abort_all();
    let (journal, _tasks) = life(&platter, settings()).await;
    assert_eq!(put(&journal, "two").await, Ok(Seq(2)));
    journal.close(Duration::from_secs(1)).await.unwrap();
    assert_eq!(journal.trouble(), Some(Trouble::Closed));
    let (journal, _tasks) = life(&platter, settings()).await;
    assert_eq!(put(&journal, "three").await, Ok(Seq(4)), "record 3 is the checkpoint of the orderly end");
    assert_eq!(checked(&platter, None).signed_to, Some(Seq(2)));
}

#[tokio::test(start_paused = true)]
async fn checkpoints_come_by_time_by_number_and_by_order_but_not_in_a_row() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, Settings { checkpoint_records: 100, ..settings() }).await;
    put(&journal, "one").await.unwrap();
    tokio::time::sleep(Duration::from_mins(14)).await;
    assert_eq!(journal.state().checkpoint, Seq(0));
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!((journal.state().checkpoint, journal.state().last), (Seq(1), Seq(2)));
    tokio::time::sleep(Duration::from_hours(10)).await;
    assert_eq!(journal.state().last, Seq(2), "nothing new, nothing signed");
    for _ in 0..100 {
        put(&journal, "x").await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(journal.state().checkpoint, Seq(101));
    // Three revocations in a row are covered by one checkpoint ten seconds after the last.
    for _ in 0..3 {
        let revoked = GatewayRecord::Revoked { subject: SubjectId::from("scada"), by: "uid 0".to_owned(), cut: 1 };
        journal.note(Moment::default(), Event::Gateway(revoked));
        commit(&journal).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(journal.state().checkpoint, Seq(101));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((journal.state().checkpoint, journal.state().last), (Seq(106), Seq(107)));
    assert_eq!(checked(&platter, None).checkpoints, 3);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_waits_for_is_under_its_checkpoint() {
    let platter = Platter::new();
    let (journal, _tasks) = life(&platter, settings()).await;
    let policy = GatewayRecord::Policy { from: Sha256::default(), to: Sha256::default() };
    journal.note(Moment::default(), Event::Gateway(policy));
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(journal.state().checkpoint, Seq(1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_sign_is_told_and_stops_nothing() {
    let platter = Platter::new();
    let tasks = Tasks::new(Writers::Inline);
    let opened = open(platter.disk(), Seq(0)).await.unwrap();
    let journal = opened.start(&tasks, Arc::new(Broken), now(), settings()).unwrap();
    put(&journal, "one").await.unwrap();
    journal.checkpoint();
    tokio::time::sleep(Duration::from_millis(100)).await;
    put(&journal, "two").await.unwrap();
    assert_eq!(texts(&platter), ["one", "no checkpoint could be signed: the key could not be used", "two"]);
}

#[derive(Debug)]
struct Broken;

impl Keys for Broken {
    fn sign<'a>(&'a self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(std::future::ready(Err(KeyError::Device("used"))))
    }

    fn public(&self) -> PublicKey {
        PublicKey::ed25519(&[0; 32])
    }

    fn is_software(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_finds_the_orders_behind_a_record() {
    let platter = Platter::new();
    let (journal, tasks) = life(&platter, settings()).await;
    let revoke = |name: &str| {
        let revoked = GatewayRecord::Revoked { subject: SubjectId::from(name), by: "uid 0".to_owned(), cut: 0 };
        journal.note(Moment::default(), Event::Gateway(revoked));
    };
    revoke("first");
    // Far enough that several segments lie between the two.
    for _ in 0..400 {
        put(&journal, &"x".repeat(300)).await.unwrap();
    }
    revoke("second");
    commit(&journal).await.unwrap();
    assert!(platter.segments().len() > 3);
    tasks.abort_all();
    let orders = async |since| {
        let opened = open(platter.disk(), Seq(since)).await.unwrap();
        opened.orders().iter().map(|order| order.seq.0).collect::<Vec<_>>()
    };
    let second = journal.state().last.0;
    assert_eq!(orders(0).await, [1, second]);
    assert_eq!(orders(1).await, [second]);
    assert_eq!(orders(second).await, [0; 0]);
}
