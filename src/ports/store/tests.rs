use std::io;

use bulkhead_core::identity::{Credential, Edit};
use bulkhead_core::journal::record::GatewayRecord;
use rusqlite::Connection;

use super::*;
use crate::net::Later;
use crate::ports::disk::{FileMedium, Restored};
use crate::ports::journal::Order;
use crate::tasks::Writers;

/// A database in memory that fails on order.
struct Memory {
    db: Connection,
    refuse: bool,
}

impl Memory {
    fn new() -> Self {
        Self { db: Connection::open_in_memory().unwrap(), refuse: false }
    }
}

impl Medium for Memory {
    fn connection(&mut self) -> &mut Connection {
        &mut self.db
    }

    fn settle(&mut self) -> Later<'_, io::Result<()>> {
        let settled = if self.refuse { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) };
        Box::pin(std::future::ready(settled))
    }

    fn copy(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn revoke(subject: &str, seq: u64) -> Change {
    let at = Moment { wall: UnixMs(5), ran: RanMs(6), ..Moment::default() };
    Change::Life { subject: SubjectId::from(subject), life: Life::Revoked, seq: Seq(seq), at }
}

fn activate(text: &str, seq: u64, ended: &[&str]) -> Change {
    let hash = Sha256::of(text.as_bytes());
    let ended = ended.iter().map(|name| ConduitId::from(*name)).collect();
    Change::Policy { text: text.to_owned(), hash, seq: Seq(seq), at: Moment::default(), ended }
}

fn set_mode(conduit: &str, mode: Option<Mode>, seq: u64) -> Change {
    Change::Mode { conduit: ConduitId::from(conduit), mode, watch: None, seq: Seq(seq) }
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("bulkhead-store-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn start(path: &std::path::Path) -> (Store, Found, Tasks) {
    let tasks = Tasks::new(Writers::Inline);
    let opened = open(Box::new(FileMedium::open(path).unwrap().0)).await.unwrap();
    let found = opened.found().clone();
    (opened.start(&tasks).unwrap(), found, tasks)
}

#[tokio::test]
async fn what_was_answered_is_found_by_the_next_life() {
    let path = folder("answered").join("state.db");
    let (store, found, tasks) = start(&path).await;
    assert_eq!(found, Found::default());
    store.commit(revoke("scada", 3)).await.unwrap();
    store.commit(set_mode("a", Some(Mode::Observe), 4)).await.unwrap();
    store.commit(set_mode("b", Some(Mode::Observe), 5)).await.unwrap();
    store.commit(activate("one", 6, &["a"])).await.unwrap();
    store.commit(Change::Ran { ran: RanMs(1000), floor: UnixMs(77) }).await.unwrap();
    store.commit(Change::Ran { ran: RanMs(900), floor: UnixMs(70) }).await.unwrap();
    store.commit(Change::Settled(Seq(2))).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert_eq!((found.ran, found.floor, found.settled), (RanMs(1000), UnixMs(77), Seq(2)), "none of them goes back");
    assert_eq!(found.lives[&SubjectId::from("scada")], Row { value: Life::Revoked, seq: Seq(3) });
    assert_eq!(found.modes[&ConduitId::from("a")], Row { value: None, seq: Seq(6) });
    assert_eq!(found.modes[&ConduitId::from("b")], Row { value: Some(Mode::Observe), seq: Seq(5) });
    let policy = StoredPolicy { text: "one".to_owned(), hash: Sha256::of(b"one") };
    assert_eq!(found.policy, Some(Row { value: policy, seq: Seq(6) }));
}

#[tokio::test]
async fn a_watch_is_kept_with_the_mode_and_ends_with_it() {
    let path = folder("watch").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let watch = |conduit: &str, seq| Change::Mode {
        conduit: ConduitId::from(conduit),
        mode: Some(Mode::Enforce),
        watch: Some(RanMs(70_000)),
        seq: Seq(seq),
    };
    for (conduit, seq) in [("a", 1), ("b", 2), ("c", 3)] {
        store.commit(watch(conduit, seq)).await.unwrap();
    }
    store.commit(set_mode("a", Some(Mode::Observe), 4)).await.unwrap();
    store.commit(activate("one", 5, &["b"])).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert_eq!(found.watches, BTreeMap::from([(ConduitId::from("c"), RanMs(70_000))]));
}

#[tokio::test]
async fn a_candidate_is_kept_until_it_ends_or_comes_in_force() {
    let path = folder("candidate").join("state.db");
    let (store, found, tasks) = start(&path).await;
    assert_eq!(found.shadow, None);
    let text = "candidate".to_owned();
    let hash = Sha256::of(text.as_bytes());
    let shadow = StoredShadow { name: "new.toml".to_owned(), text: text.clone(), hash, until: RanMs(90_000) };
    let begin = Change::Shadow { shadow: shadow.clone(), seq: Seq(3), ran: RanMs(50_000) };
    store.commit(begin.clone()).await.unwrap();
    store.commit(activate("another", 4, &[])).await.unwrap();
    tasks.abort_all();
    let (store, found, tasks) = start(&path).await;
    assert_eq!(found.shadow, Some(Row { value: Some(shadow), seq: Seq(3) }));
    assert_eq!(found.ran, RanMs(50_000), "a row with a deadline brings the time run along");
    store.commit(activate(&text, 5, &[])).await.unwrap();
    tasks.abort_all();
    let (store, found, tasks) = start(&path).await;
    assert_eq!(found.shadow, Some(Row { value: None, seq: Seq(3) }), "it is in force now");
    store.commit(begin).await.unwrap();
    store.commit(Change::ShadowEnded).await.unwrap();
    tasks.abort_all();
    assert_eq!(start(&path).await.1.shadow, Some(Row { value: None, seq: Seq(3) }));
}

#[tokio::test]
async fn the_first_schema_is_brought_up_to_date_with_its_rows() {
    let path = folder("first-schema").join("state.db");
    let mut medium = FileMedium::open(&path).unwrap().0;
    schema::migrate(&mut medium, &schema::STEPS[..1]).await.unwrap();
    let row = "INSERT INTO lives VALUES ('scada', 1, 'revoked', 7, 0, 0)";
    medium.connection().execute_batch(row).unwrap();
    drop(medium);
    let (_, found, _) = start(&path).await;
    assert_eq!(found.lives[&SubjectId::from("scada")], Row { value: Life::Revoked, seq: Seq(7) });
}

#[tokio::test]
async fn the_last_ten_policies_are_kept() {
    let path = folder("policies").join("state.db");
    let (store, _, _tasks) = start(&path).await;
    for seq in 1..=30 {
        store.commit(activate(&format!("policy {seq}"), seq, &[])).await.unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let kept: (i64, i64) =
        db.query_row("SELECT count(*), min(seq) FROM policies", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(kept, (10, 21));
}

#[tokio::test]
async fn a_change_that_is_not_durable_is_told_so() {
    let tasks = Tasks::new(Writers::Inline);
    let mut opened = open(Box::new(Memory::new())).await.unwrap();
    opened.medium = Box::new(Memory { refuse: true, ..ready_memory().await });
    let store = opened.start(&tasks).unwrap();
    assert_eq!(store.commit(revoke("scada", 1)).await, Err(StoreError::Full));
    tasks.abort_all();
    tokio::task::yield_now().await;
    assert_eq!(store.commit(revoke("scada", 1)).await, Err(StoreError::Closed));
}

/// The newest schema's number.
fn newest() -> u32 {
    u32::try_from(schema::STEPS.len()).unwrap()
}

/// The steps so far and one more.
fn steps_and(more: &str) -> Vec<&str> {
    schema::STEPS.iter().copied().chain([more]).collect()
}

async fn ready_memory() -> Memory {
    let mut memory = Memory::new();
    schema::migrate(&mut memory, schema::STEPS).await.unwrap();
    memory
}

#[tokio::test]
async fn a_full_database_refuses_the_whole_group_and_goes_on_when_there_is_room() {
    let tasks = Tasks::new(Writers::Inline);
    let memory = ready_memory().await;
    let pages: i64 = memory.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    memory.db.pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(())).unwrap();
    let opened = open(Box::new(memory)).await.unwrap();
    let store = opened.start(&tasks).unwrap();
    let big = "x".repeat(100_000);
    let (small, full, after) = tokio::join!(
        store.commit(revoke("first", 1)),
        store.commit(activate(&big, 2, &[])),
        store.commit(revoke("last", 3))
    );
    assert_eq!((small, full, after), (Err(StoreError::Full), Err(StoreError::Full), Err(StoreError::Full)));
    assert_eq!(store.commit(revoke("later", 4)).await, Ok(()));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_nothing_is_touched() {
    let path = folder("newer").join("state.db");
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("scada", 1)).await.unwrap();
    tasks.abort_all();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newest() + 1).unwrap();
    let medium = FileMedium::open(&path).unwrap().0;
    let refused = open(Box::new(medium)).await.unwrap_err();
    assert_eq!(refused, StoreError::Newer { found: newest() + 1, known: newest() });
    assert!(refused.to_string().contains(&format!("schema {}", newest() + 1)), "{refused}");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newest()).unwrap();
    assert_eq!(start(&path).await.1.lives.len(), 1);
}

#[tokio::test]
async fn a_migration_keeps_the_rows_and_a_copy_of_the_old_version() {
    let folder = folder("migration");
    let path = folder.join("state.db");
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("scada", 1)).await.unwrap();
    tasks.abort_all();
    let steps = steps_and("ALTER TABLE lives ADD COLUMN reason TEXT NOT NULL DEFAULT 'none';");
    let mut medium = FileMedium::open(&path).unwrap().0;
    schema::migrate(&mut medium, &steps).await.unwrap();
    let reason = "SELECT reason FROM lives WHERE subject = 'scada'";
    assert_eq!(medium.connection().query_row(reason, [], |row| row.get::<_, String>(0)).unwrap(), "none");
    let old = Connection::open(folder.join(format!("state.v{}.db", newest()))).unwrap();
    assert_eq!(old.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap(), newest());
    assert_eq!(old.query_row("SELECT count(*) FROM lives", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn a_step_that_fails_changes_nothing_and_a_changed_one_is_refused() {
    let mut memory = ready_memory().await;
    let steps = steps_and("CREATE TABLE more(a INTEGER) STRICT; CREATE TABLE lives(b INTEGER) STRICT;");
    assert!(schema::migrate(&mut memory, &steps).await.is_err());
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'more'";
    assert_eq!(memory.db.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    assert_eq!(memory.db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap(), newest());
    let changed = format!("{} ", schema::STEPS[0]);
    let mut steps = schema::STEPS.to_vec();
    steps[0] = &changed;
    let refused = schema::migrate(&mut memory, &steps).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Failed(text) if text.contains("step 1")), "{refused}");
}

#[tokio::test]
async fn a_database_of_the_first_version_keeps_its_lives_when_it_learns_to_keep_credentials() {
    let mut memory = Memory::new();
    schema::migrate(&mut memory, &schema::STEPS[..1]).await.unwrap();
    memory.db.execute_batch("INSERT INTO lives VALUES ('scada', 1, 'revoked', 4, 77, 88)").unwrap();
    let found = open(Box::new(memory)).await.unwrap().found().clone();
    assert_eq!(found.lives[&SubjectId::from("scada")], Row { value: Life::Revoked, seq: Seq(4) });
    assert_eq!(found.registry.revoked[&SubjectId::from("scada")], (UnixMs(77), RanMs(88)), "its hold began then");
}

fn rows(subject: &str, life: Life, keys: &[&str], addresses: &[&str], seq: u64) -> SubjectRows {
    SubjectRows {
        subject: SubjectId::from(subject),
        life,
        keys: keys.iter().map(|key| Sha256::of(key.as_bytes())).collect(),
        addresses: addresses.iter().map(|ip| (ip.parse().unwrap(), None)).collect(),
        seq: Seq(seq),
    }
}

#[tokio::test]
async fn the_registry_is_found_again_as_it_was_kept() {
    let path = folder("registry").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let at = Moment { wall: UnixMs(5), ran: RanMs(6), ..Moment::default() };
    let keep = |subjects, spent: &[&str]| Change::Registry {
        subjects,
        spent: spent.iter().map(|key| Sha256::of(key.as_bytes())).collect(),
        at,
    };
    let first = vec![
        rows("scada", Life::Active, &["a", "b"], &["10.0.0.1"], 1),
        rows("new", Life::Registered, &[], &["fd00::1"], 1),
    ];
    store.commit(keep(first, &[])).await.unwrap();
    // One key goes for good, one comes; the address goes on to another.
    let then =
        vec![rows("scada", Life::Suspended, &["b", "c"], &[], 2), rows("new", Life::Active, &[], &["10.0.0.1"], 2)];
    store.commit(keep(then, &["a"])).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    let mut wanted = Registry::default();
    wanted.lives.insert(SubjectId::from("scada"), Life::Suspended);
    wanted.lives.insert(SubjectId::from("new"), Life::Active);
    wanted.keys.extend(["b", "c"].map(|key| (Sha256::of(key.as_bytes()), SubjectId::from("scada"))));
    wanted.spent.insert(Sha256::of(b"a"));
    wanted.addresses.insert(("10.0.0.1".parse().unwrap(), None), SubjectId::from("new"));
    assert_eq!(found.registry, wanted);
    assert_eq!(found.lives[&SubjectId::from("new")].seq, Seq(2));
}

fn order(seq: u64, what: GatewayRecord) -> Order {
    Order { seq: Seq(seq), at: Moment::default(), what }
}

fn revoked(seq: u64, subject: &str) -> Order {
    order(seq, GatewayRecord::Revoked { subject: SubjectId::from(subject), by: "uid 0".to_owned(), cut: 0 })
}

fn mode_order(seq: u64, conduit: &str) -> Order {
    let conduit = ConduitId::from(conduit);
    order(seq, GatewayRecord::Mode { conduit, mode: Mode::Observe, by: "uid 0".to_owned() })
}

#[test]
fn a_revocation_without_its_row_is_applied_again_and_other_orders_are_abandoned() {
    let mut found = Found::default();
    found.lives.insert(SubjectId::from("panel"), Row { value: Life::Revoked, seq: Seq(2) });
    found.modes.insert(ConduitId::from("a"), Row { value: None, seq: Seq(9) });
    let policy = order(7, GatewayRecord::Policy { from: Sha256::default(), to: Sha256::default() });
    let orders = [
        revoked(2, "panel"),
        revoked(3, "scada"),
        mode_order(4, "a"),
        mode_order(5, "b"),
        mode_order(6, "c"),
        policy,
        order(8, GatewayRecord::Abandoned { of: Seq(6) }),
        mode_order(9, "a"),
    ];
    let done = reconcile(&found, &orders, Seq(12));
    let at = Moment::default();
    let again = Change::Life { subject: SubjectId::from("scada"), life: Life::Revoked, seq: Seq(3), at };
    assert_eq!(done.apply, [again]);
    assert_eq!(done.abandoned, [Seq(5), Seq(7)], "6 was abandoned by an earlier start");
    assert_eq!((done.alarms.len(), done.settled), (0, Seq(12)));
}

fn registry(seq: u64, edits: Vec<Edit>) -> Order {
    order(seq, GatewayRecord::Registry { edits, by: "uid 0".to_owned(), cut: 0 })
}

#[test]
fn of_the_registrys_orders_what_takes_rights_away_is_applied_again_and_the_rest_is_abandoned() {
    let life = |subject: &str, life| Edit::Life { subject: SubjectId::from(subject), life };
    let added = |subject: &str| Edit::Added {
        subject: SubjectId::from(subject),
        life: Life::Active,
        again: false,
        credentials: Vec::new(),
    };
    let mut found = Found::default();
    found.lives.insert(SubjectId::from("kept"), Row { value: Life::Active, seq: Seq(3) });
    found.lives.insert(SubjectId::from("back"), Row { value: Life::Active, seq: Seq(9) });
    let orders = [
        registry(3, vec![added("kept")]),
        registry(4, vec![life("away", Life::Suspended)]),
        registry(5, vec![life("away", Life::Active)]),
        registry(6, vec![added("new"), life("kept", Life::Revoked)]),
        registry(7, vec![life("back", Life::Suspended)]),
        registry(9, vec![life("back", Life::Active)]),
    ];
    let done = reconcile(&found, &orders, Seq(9));
    let again = |subject: &str, life, seq| Change::Life {
        subject: SubjectId::from(subject),
        life,
        seq: Seq(seq),
        at: Moment::default(),
    };
    assert_eq!(done.apply, [again("away", Life::Suspended, 4), again("kept", Life::Revoked, 6)]);
    assert_eq!(done.abandoned, [Seq(5), Seq(6)], "resuming and adding were never answered");
    assert!(done.alarms.is_empty(), "{:?}", done.alarms);
}

#[tokio::test]
async fn a_key_whose_removal_has_a_record_and_no_row_stays_away() {
    let spki = Sha256::of(b"a");
    let removed = Edit::Removed { subject: SubjectId::from("scada"), credential: Credential::Key(spki) };
    let path = folder("spent").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let subjects = vec![rows("scada", Life::Active, &["a"], &[], 1)];
    store.commit(Change::Registry { subjects, spent: Vec::new(), at: Moment::default() }).await.unwrap();
    tasks.abort_all();
    let (store, found, tasks) = start(&path).await;
    let done = reconcile(&found, &[registry(2, vec![removed.clone()])], Seq(2));
    assert!(done.abandoned.is_empty(), "it is in force, not undone: {done:?}");
    let [spent @ Change::Spent { .. }] = &done.apply[..] else { panic!("{done:?}") };
    store.commit(spent.clone()).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert!(found.registry.keys.is_empty() && found.registry.spent.contains(&spki));
    assert_eq!(found.registry.life(&"scada".into()), Life::Active);
    assert_eq!(reconcile(&found, &[registry(2, vec![removed])], Seq(2)).apply, [], "once is enough");
}

#[tokio::test]
async fn what_was_ordered_later_about_a_subject_hides_no_removal_and_no_revocation_whose_row_is_missing() {
    let (subject, spki) = (SubjectId::from("scada"), Sha256::of(b"a"));
    let removed = Edit::Removed { subject: subject.clone(), credential: Credential::Key(spki) };
    // The disk refused the rows of record 2, and took those of record 3.
    let mut found = Found::default();
    found.lives.insert(subject.clone(), Row { value: Life::Suspended, seq: Seq(3) });
    found.registry.keys.insert(spki, subject.clone());
    let suspended = registry(3, vec![Edit::Life { subject: subject.clone(), life: Life::Suspended }]);
    let done = reconcile(&found, &[registry(2, vec![removed.clone()]), suspended], Seq(3));
    assert!(matches!(&done.apply[..], [Change::Spent { .. }]), "{done:?}");

    // A removal that the disk took does not speak for a revocation that it refused.
    let path = folder("later").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let at = Moment::default();
    let first = vec![rows("scada", Life::Active, &["a"], &[], 1)];
    store.commit(Change::Registry { subjects: first, spent: Vec::new(), at }).await.unwrap();
    store.commit(Change::Spent { subject: subject.clone(), spki, seq: Seq(3), at }).await.unwrap();
    // Rows that waited bring no spent key back.
    let waited = vec![rows("scada", Life::Active, &["a"], &[], 1)];
    store.commit(Change::Registry { subjects: waited, spent: Vec::new(), at }).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert!(found.registry.spent.contains(&spki) && found.registry.keys.is_empty());
    let done = reconcile(&found, &[revoked(2, "scada"), registry(3, vec![removed])], Seq(3));
    assert!(matches!(&done.apply[..], [Change::Life { life: Life::Revoked, .. }]), "{done:?}");
}

#[tokio::test]
async fn a_hold_begins_with_the_revocation_and_not_anew_with_what_is_ordered_later() {
    let path = folder("hold").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let at = |wall| Moment { wall: UnixMs(wall), ran: RanMs(7), ..Moment::default() };
    let subject = SubjectId::from("scada");
    let revoke =
        |seq, wall| Change::Life { subject: subject.clone(), life: Life::Revoked, seq: Seq(seq), at: at(wall) };
    for (seq, wall) in [(1, 100), (2, 200)] {
        store.commit(revoke(seq, wall)).await.unwrap();
    }
    let later = vec![rows("scada", Life::Revoked, &[], &[], 3)];
    store.commit(Change::Registry { subjects: later, spent: Vec::new(), at: at(300) }).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert_eq!(found.registry.revoked[&subject], (UnixMs(100), RanMs(7)));
    assert_eq!(found.lives[&subject].seq, Seq(3));
}

#[test]
fn numbers_of_the_ca_are_used_up_by_a_crash_between_record_and_row() {
    let certificate = |seq: u64, serial: &str| {
        order(
            seq,
            GatewayRecord::Certificate {
                serial: serial.to_owned(),
                subject: Some(SubjectId::from("scada")),
                spki: Sha256::of(b"key"),
                role: None,
                not_before: UnixMs(1),
                not_after: UnixMs(2),
                by: "uid 0".to_owned(),
            },
        )
    };
    let list = |seq, number| {
        let revoked = vec!["0A".to_owned()];
        order(seq, GatewayRecord::List { number, count: 1, revoked, by: "gateway".to_owned() })
    };
    let done = reconcile(&Found { list: 3, ..Found::default() }, &[certificate(4, "0B"), list(5, 4)], Seq(5));
    assert_eq!(done.abandoned, [Seq(4), Seq(5)]);
    let [Change::Certificate { row, leaf: None }, Change::List { number: 4, pem: None, revoked, .. }] =
        done.apply.as_slice()
    else {
        panic!("{:?}", done.apply)
    };
    assert_eq!((row.serial.as_str(), row.issued, row.seq), ("0B", true, Seq(4)));
    assert_eq!(revoked[0].0, "0A", "what was taken back stays taken back");
    let mut found = Found::default();
    found.certificates.insert("0B".to_owned(), row.clone());
    assert!(reconcile(&found, &[certificate(4, "0B")], Seq(5)).abandoned.is_empty());
}

#[tokio::test]
async fn a_serial_number_that_is_there_already_keeps_its_certificate_in() {
    let path = folder("serial").join("state.db");
    let (store, _, tasks) = start(&path).await;
    let row = CertificateRow {
        serial: "0B".to_owned(),
        subject: None,
        spki: Sha256::of(b"key"),
        role: None,
        not_before: UnixMs(1),
        not_after: UnixMs(2),
        issued: true,
        revoked: None,
        seq: Seq(4),
    };
    let issue = |seq| {
        let row = CertificateRow { seq: Seq(seq), ..row.clone() };
        Change::Certificate { row, leaf: Some("leaf".to_owned()) }
    };
    store.commit(issue(4)).await.unwrap();
    assert!(store.commit(issue(6)).await.is_err(), "another certificate with this number does not leave");
    assert!(
        store.commit(issue(4)).await.is_ok(),
        "the same row again is no mistake: a start may not know that it stands"
    );
    let revoked = vec![("0B".to_owned(), UnixMs(7))];
    let list = |number, pem: &str, revoked| Change::List {
        number,
        pem: Some(pem.to_owned()),
        revoked,
        gone: Vec::new(),
        seq: Seq(5),
    };
    store.commit(list(2, "two", revoked.clone())).await.unwrap();
    store.commit(list(1, "one", vec![("0B".to_owned(), UnixMs(9))])).await.unwrap();
    tasks.abort_all();
    let (_, found, _) = start(&path).await;
    assert_eq!(found.certificates["0B"], CertificateRow { revoked: Some(UnixMs(7)), ..row }, "the first time counts");
    assert_eq!(found.list, 2, "numbers never go back");
    assert_eq!(found.authority[&AuthorityPart::Leaf].value, "leaf");
}

#[test]
fn a_row_without_its_record_is_an_alarm() {
    let mut found = Found { settled: Seq(10), ..Found::default() };
    found.lives.insert(SubjectId::from("old"), Row { value: Life::Revoked, seq: Seq(3) });
    found.lives.insert(SubjectId::from("scada"), Row { value: Life::Revoked, seq: Seq(14) });
    let done = reconcile(&found, &[revoked(12, "other")], Seq(12));
    assert_eq!(done.alarms.len(), 1);
    assert!(done.alarms[0].contains("`scada`") && done.alarms[0].contains("14"), "{:?}", done.alarms);
    assert_eq!(done.apply.len(), 1);
    let cut = reconcile(&Found { settled: Seq(10), ..Found::default() }, &[], Seq(9));
    assert_eq!((cut.alarms.len(), cut.settled), (1, Seq(10)));
    assert!(cut.alarms[0].contains("ends at record 9"), "{:?}", cut.alarms);
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_the_last_good_copy_goes_on() {
    let folder = folder("damaged");
    let path = folder.join("state.db");
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("first", 1)).await.unwrap();
    tasks.abort_all();
    tokio::task::yield_now().await;
    drop(store);
    // The next start makes a copy; the revocation after it is in the damaged file alone.
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("second", 2)).await.unwrap();
    tasks.abort_all();
    tokio::task::yield_now().await;
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(1024) {
        *byte = 0xa5;
    }
    std::fs::write(&path, &bytes).unwrap();
    let (medium, restored) = FileMedium::open(&path).unwrap();
    let Some(Restored::Copy { aside, .. }) = restored else { panic!("{restored:?}") };
    assert_eq!(std::fs::read(aside).unwrap(), bytes, "the damaged file is kept as it was");
    let opened = open(Box::new(medium)).await.unwrap();
    let found = opened.found();
    assert_eq!(found.lives.keys().map(ToString::to_string).collect::<Vec<_>>(), ["first"]);
    // The journal knows the revocation that the copy lacks.
    let done = reconcile(found, &[revoked(1, "first"), revoked(2, "second")], Seq(2));
    assert_eq!(
        done.apply,
        [Change::Life { subject: SubjectId::from("second"), life: Life::Revoked, seq: Seq(2), at: Moment::default() }]
    );
}

#[tokio::test]
async fn without_any_good_copy_the_store_starts_empty_and_says_so() {
    let path = folder("empty").join("state.db");
    std::fs::write(&path, b"this is no database, and long enough to be looked at ".repeat(100)).unwrap();
    std::fs::write(FileMedium::copy_path(&path), b"nor is this").unwrap();
    let (medium, restored) = FileMedium::open(&path).unwrap();
    assert!(matches!(restored, Some(Restored::Empty { .. })), "{restored:?}");
    assert_eq!(*open(Box::new(medium)).await.unwrap().found(), Found::default());
}

#[tokio::test]
async fn a_missing_database_beside_a_good_copy_is_no_new_gateway() {
    let path = folder("missing").join("state.db");
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("scada", 1)).await.unwrap();
    let (_, _, again) = start(&path).await;
    tokio::task::yield_now().await;
    tasks.abort_all();
    again.abort_all();
    tokio::task::yield_now().await;
    std::fs::remove_file(&path).unwrap();
    let (medium, restored) = FileMedium::open(&path).unwrap();
    assert!(matches!(restored, Some(Restored::Missing)), "{restored:?}");
    assert_eq!(open(Box::new(medium)).await.unwrap().found().lives.len(), 1);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_read_and_refuses_every_change() {
    let folder = folder("read-only");
    let path = folder.join("state.db");
    let (store, _, tasks) = start(&path).await;
    store.commit(revoke("scada", 1)).await.unwrap();
    // The last change is still in the write-ahead log, as after a crash.
    assert!(folder.join("state.db-wal").exists());
    let (copy, _) = FileMedium::open_copy(&path, "attempt to write a readonly database".to_owned()).unwrap();
    let tasks_of_copy = Tasks::new(Writers::Inline);
    let opened = open(Box::new(copy)).await.unwrap();
    assert_eq!(opened.found().lives.len(), 1);
    let refused = opened.start(&tasks_of_copy).unwrap().commit(revoke("other", 2)).await;
    assert_eq!(refused, Err(StoreError::ReadOnly));
    tasks.abort_all();
    tokio::task::yield_now().await;
    drop(store);
    assert_eq!(start(&path).await.1.lives.len(), 1);
}
