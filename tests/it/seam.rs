//! The seam between doors and services, used as other doors will use it: a datagram door, a callback under somebody else's
//! lock, a batch, a proof that comes late, and a cut that races with sends.

mod house;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead::service::gate::{Hold, Request, Verdict};
use bulkhead::telemetry::Fault;
use bulkhead_core::decision::Class;
use bulkhead_core::journal::record::Outcome;
use house::{Ask, House, PANEL, STATION, grant, house};
use tokio::time::{sleep, timeout};

/// A batch of writes to nodes that somebody else owns: the request borrows what it will set.
struct Item<'a> {
    ask: Ask,
    node: &'a mut u32,
}

impl Request for Item<'_> {
    fn accesses(&self) -> bulkhead_core::access::Accesses<'_> {
        self.ask.accesses()
    }
    fn frame(&self) -> bulkhead_core::journal::record::FrameRecord {
        self.ask.frame()
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_presented_mid_session_widens_and_its_end_narrows() {
    let house = house(Duration::ZERO, Fault::None).await;
    let session = house.open(PANEL);
    assert!(matches!(house.gate().judge(&session, Ask::write(7, 5)), Verdict::Refuse(_)));
    house.sessions().present(&session, grant(house.wall() + 2_000)).unwrap();
    assert!(matches!(house.gate().judge(&session, Ask::write(7, 5)), Verdict::Hold(_)));
    house.clock.fetch_add(2_000, Ordering::Relaxed);
    let Verdict::Refuse(denial) = house.gate().judge(&session, Ask::write(7, 5)) else { panic!("the grant has ended") };
    assert_eq!((denial.class(), format!("{denial:?}")), (Class::Refused, "Denial(Refused)".to_owned()));
    assert!(!session.is_cut() && house.sessions().count() == 1, "the connection stays");
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_mixed_verdicts_keeps_order_and_costs_one_commit() {
    let house = house(Duration::from_millis(2), Fault::None).await;
    let session = house.open(STATION);
    let mut nodes = [(1_u16, 0_u32), (500, 0), (3, 0)];
    let (mut out, mut holds, mut at) = ([None; 3], Vec::new(), Vec::new());
    let syncs = house.syncs();
    for (index, (address, node)) in nodes.iter_mut().enumerate() {
        match house.gate().judge(&session, Item { ask: Ask::write(*address, 9), node }) {
            Verdict::Pass(_) => panic!("a write waits for its record"),
            Verdict::Hold(hold) => {
                holds.push(hold);
                at.push(index);
            }
            Verdict::Refuse(denial) => out[index] = Some(denial.class() == Class::Refused),
        }
    }
    for (index, permit) in at.into_iter().zip(house.gate().commit(holds).await) {
        let ((), item, receipt) = permit.unwrap().redeem(|_| ()).unwrap();
        *item.node = 7;
        receipt.settle(Outcome::Applied);
        out[index] = Some(false);
    }
    assert_eq!(out, [Some(false), Some(true), Some(false)]);
    assert_eq!(nodes.map(|(_, node)| node), [7, 0, 7]);
    assert!(house.syncs() - syncs <= 2, "{} syncs for one batch", house.syncs() - syncs);
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_judged_in_a_sync_callback_under_a_foreign_lock() {
    let house = house(Duration::ZERO, Fault::None).await;
    let session = house.open(STATION);
    let published = Mutex::new(Vec::new());
    let callback = |value: u16| {
        let mut published = published.lock().unwrap();
        if let Verdict::Pass(permit) = house.gate().judge(&session, Ask::read(3)) {
            let Ok((value, _, receipt)) = permit.redeem(|_| value) else { return };
            published.push(value);
            receipt.settle(Outcome::Applied);
        }
    };
    callback(1);
    assert_eq!(house.sessions().cut(&STATION.into()), 1);
    callback(2);
    assert_eq!(*published.lock().unwrap(), [1]);
}

async fn permit(house: &House, value: u16) -> bulkhead::service::gate::Permit<Ask> {
    let session = house.open(STATION);
    let Verdict::Hold(hold) = house.gate().judge(&session, Ask::write(7, value)) else { panic!("held") };
    house.gate().commit(vec![hold]).await.remove(0).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_drop_says_its_own_outcome() {
    let house = house(Duration::from_millis(30), Fault::None).await;
    let session = house.open(STATION);
    let hold = |value| match house.gate().judge(&session, Ask::write(7, value)) {
        Verdict::Hold(hold) => hold,
        other @ (Verdict::Pass(_) | Verdict::Refuse(_)) => panic!("{other:?}"),
    };
    drop(hold(1));
    drop(permit(&house, 2).await);
    drop(permit(&house, 3).await.redeem(|_| ()).unwrap());
    permit(&house, 4).await.redeem(|_| ()).unwrap().2.settle(Outcome::Refused(2));
    // The client goes away while the commit runs.
    let commit = house.gate().commit(vec![hold(5)]);
    assert!(timeout(Duration::from_millis(5), commit).await.is_err());
    sleep(Duration::from_millis(500)).await;
    assert_eq!(
        house.outcomes(),
        [
            (1, "not-sent abandoned".to_owned()),
            (2, "not-sent abandoned".to_owned()),
            (3, "unknown".to_owned()),
            (4, "refused 2".to_owned()),
            (5, "not-sent abandoned".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_disk_goes_on_or_refuses_as_the_conduit_says() {
    let house = house(Duration::ZERO, Fault::None).await;
    house.stall(true);
    for (subject, passes) in [(STATION, true), ("clerk", false)] {
        let session = house.open(subject);
        let Verdict::Hold(hold) = house.gate().judge(&session, Ask::write(7, 5)) else { panic!("held") };
        #[expect(clippy::disallowed_methods, reason = "the test keeps simulated time itself")]
        let before = tokio::time::Instant::now();
        let committed = house.gate().commit(vec![hold]).await.remove(0);
        assert!(before.elapsed() <= Duration::from_millis(60), "{:?}", before.elapsed());
        assert_eq!(committed.is_ok(), passes, "{subject}: {committed:?}");
    }
    // The way to safe passes either way.
    let session = house.open("clerk");
    let safe = match house.gate().judge(&session, Ask::write(7, 0)) {
        Verdict::Hold(hold) => house.gate().commit(vec![hold]).await.remove(0),
        Verdict::Pass(permit) => Ok(permit),
        Verdict::Refuse(denial) => Err(denial),
    };
    assert!(safe.is_ok());
    house.stall(false);
}

#[tokio::test(start_paused = true)]
async fn a_policy_swap_between_judge_and_wire_is_seen() {
    let house = house(Duration::ZERO, Fault::None).await;
    let session = house.open(STATION);
    let judged = |value| match house.gate().judge(&session, Ask::write(7, value)) {
        Verdict::Hold(hold) => hold,
        other @ (Verdict::Pass(_) | Verdict::Refuse(_)) => panic!("{other:?}"),
    };
    let (kept, refused) = (judged(90), judged(900));
    let mut committed = house.gate().commit(vec![judged(901)]).await;
    house.activate(100).await;
    let verdicts: Vec<bool> = house.gate().commit(vec![kept, refused]).await.iter().map(Result::is_ok).collect();
    assert_eq!(verdicts, [true, false], "before the commit was answered");
    assert!(committed.remove(0).unwrap().redeem(|_| ()).is_err(), "and between the permit and the wire");
}

/// Found by the simulated plant: no generation changes when a grant or a shift ends.
#[tokio::test(start_paused = true)]
async fn an_end_between_judge_and_wire_is_seen() {
    let house = house(Duration::ZERO, Fault::None).await;
    let session = house.open(PANEL);
    house.sessions().present(&session, grant(house.wall() + 2_000)).unwrap();
    let judged = |value| match house.gate().judge(&session, Ask::write(7, value)) {
        Verdict::Hold(hold) => hold,
        other @ (Verdict::Pass(_) | Verdict::Refuse(_)) => panic!("{other:?}"),
    };
    let permit = house.gate().commit(vec![judged(1)]).await.remove(0).unwrap();
    let (ended, safe) = (judged(2), judged(0));
    house.clock.fetch_add(2_000, Ordering::Relaxed);
    assert!(permit.redeem(|_| ()).is_err());
    let verdicts: Vec<bool> = house.gate().commit(vec![ended, safe]).await.iter().map(Result::is_ok).collect();
    assert_eq!(verdicts, [false, true], "the way to safe stays");
}

/// One thread judges and sends as fast as it can, another cuts; how many frames were sent after the cut had returned.
fn late_frames(house: &House, rounds: u32) -> u64 {
    let mut late = 0;
    for round in 0..rounds {
        let session = house.open(STATION);
        let (answered, sent, after) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // A few permits are always in the hand: what was judged before the cut is the danger.
                for _ in 0..20_000 {
                    let mut permits = Vec::new();
                    for _ in 0..4 {
                        if let Verdict::Pass(permit) = house.gate().judge(&session, Ask::read(3)) {
                            permits.push(permit);
                        }
                    }
                    if permits.is_empty() || answered.load(Ordering::SeqCst) && after.load(Ordering::Relaxed) > 0 {
                        return;
                    }
                    for permit in permits {
                        let send = |_: &Ask| {
                            for _ in 0..round % 300 {
                                std::hint::spin_loop();
                            }
                            sent.fetch_add(1, Ordering::Relaxed);
                            after.fetch_add(u64::from(answered.load(Ordering::SeqCst)), Ordering::Relaxed);
                        };
                        if let Ok(((), _, receipt)) = permit.redeem(send) {
                            receipt.settle(Outcome::Applied);
                        }
                    }
                }
            });
            while sent.load(Ordering::Relaxed) < 20 {
                std::hint::spin_loop();
            }
            assert_eq!(house.sessions().cut(&STATION.into()), 1);
            answered.store(true, Ordering::SeqCst);
        });
        house.sessions().close(&session, bulkhead_core::journal::record::SessionEvent::Closed);
        late += after.into_inner();
    }
    late
}

#[tokio::test]
async fn after_cut_has_returned_nothing_is_sent() {
    let house = house(Duration::ZERO, Fault::None).await;
    assert_eq!(late_frames(&house, 300), 0);
}

#[tokio::test]
async fn a_gate_that_does_not_look_again_sends_after_the_cut() {
    let house = house(Duration::ZERO, Fault::RevokeLeavesSessions).await;
    assert!(late_frames(&house, 20) > 0, "the race is not run: the test above proves nothing");
}

/// A datagram door: one socket, many peers, `[register]` reads and `[register, value]` writes; the answer is the datagram or `!`.
async fn datagram_door(socket: Arc<tokio::net::UdpSocket>, house: Arc<House>, device: Arc<Mutex<Vec<(u8, u8)>>>) {
    let mut buffer = [0; 16];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let datagram = buffer[..length].to_vec();
        let session = house.open_at(STATION, peer);
        let ask = match datagram[..] {
            [register] => Ask::read(u16::from(register)),
            [register, value] => Ask::write(u16::from(register), u16::from(value)),
            _ => continue,
        };
        let write = datagram.get(1).map(|value| (datagram[0], *value));
        let finish = {
            let (socket, device) = (Arc::clone(&socket), Arc::clone(&device));
            move |permit: bulkhead::service::gate::Permit<Ask>| {
                let Ok(((), _, receipt)) = permit.redeem(|_| device.lock().unwrap().extend(write)) else { return };
                receipt.settle(Outcome::Applied);
                socket.try_send_to(&datagram, peer).unwrap();
            }
        };
        match house.gate().judge(&session, ask) {
            Verdict::Pass(permit) => finish(permit),
            // Never awaited in the loop that receives.
            Verdict::Hold(hold) => {
                let gate = house.gate().clone();
                house.tasks().spawn(async move {
                    if let Ok(permit) = gate.commit(vec![hold]).await.remove(0) {
                        finish(permit);
                    }
                });
            }
            Verdict::Refuse(_) => drop(socket.try_send_to(b"!", peer)),
        }
    }
}

#[tokio::test]
async fn a_datagram_door_answers_reads_while_writes_wait_for_the_disk() {
    let house = Arc::new(house(Duration::from_millis(25), Fault::None).await);
    let device = Arc::new(Mutex::new(Vec::new()));
    let socket = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let to = socket.local_addr().unwrap();
    house.tasks().spawn(datagram_door(socket, Arc::clone(&house), Arc::clone(&device)));
    let mut clients = Vec::new();
    for _ in 0..50 {
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(to).await.unwrap();
        clients.push(client);
    }
    let syncs = house.syncs();
    for (value, client) in (1..).zip(&clients[1..]) {
        client.send(&[7, value]).await.unwrap();
    }
    clients[0].send(&[3]).await.unwrap();
    let mut buffer = [0; 16];
    let length = clients[0].recv(&mut buffer).await.unwrap();
    assert_eq!(buffer[..length], [3]);
    assert!(device.lock().unwrap().is_empty(), "the read waited behind the writes");
    for (value, client) in (1..).zip(&clients[1..]) {
        let length = timeout(Duration::from_secs(5), client.recv(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(buffer[..length], [7, value]);
    }
    assert_eq!(device.lock().unwrap().len(), 49);
    assert!(house.syncs() - syncs < 15, "{} syncs for 49 writes at once", house.syncs() - syncs);
    clients[0].send(&[200, 1]).await.unwrap();
    let length = clients[0].recv(&mut buffer).await.unwrap();
    assert_eq!(buffer[..length], *b"!");
}

#[test]
fn futures_are_send_with_borrowed_requests() {
    fn is_send<T: Send>(_: &T) {}
    fn check(house: &House, holds: Vec<Hold<Item<'_>>>) {
        is_send(&house.gate().commit(holds));
    }
    let _ = check;
}
