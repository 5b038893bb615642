use super::*;

/// Serves `turns` turns, one at a time; whoever is served wants one more at once. How often each seat was served.
fn serve(queue: &mut Turns<u8>, turns: usize) -> BTreeMap<u64, usize> {
    let mut served = BTreeMap::new();
    for _ in 0..turns {
        let seat = queue.next().unwrap();
        queue.used(seat, 1);
        queue.want(seat, 1, 1);
        *served.entry(seat).or_default() += 1;
    }
    served
}

fn five(priorities: [Priority; 5]) -> Turns<u8> {
    let mut queue = Turns::new();
    for (seat, priority) in (0..).zip(priorities) {
        queue.join(u64::from(seat), seat, priority);
        queue.want(u64::from(seat), 1, 1);
    }
    queue
}

#[test]
fn five_equal_masters_get_equal_turns() {
    let served = serve(&mut five([Priority::Normal; 5]), 1_003);
    assert!(served.values().all(|turns| (200..=201).contains(turns)), "{served:?}");
}

#[test]
fn a_high_flow_gets_two_turns_of_a_normal_and_four_of_a_low_one_and_nobody_waits_long() {
    let mut queue = five([Priority::High, Priority::Normal, Priority::Normal, Priority::Low, Priority::Low]);
    // 4 + 2 + 2 + 1 + 1 turns a round.
    let served = serve(&mut queue, 1_000);
    assert_eq!(served.into_values().collect::<Vec<_>>(), [400, 200, 200, 100, 100]);
    let (mut waits, mut longest) = (0, 0);
    for _ in 0..500 {
        let seat = queue.next().unwrap();
        waits = if seat == 4 { 0 } else { waits + 1 };
        longest = longest.max(waits);
        queue.used(seat, 1);
        queue.want(seat, 1, 1);
    }
    assert!(longest <= 12, "a low one waited for {longest} others");
}

#[test]
fn ten_connections_of_one_flow_get_what_one_gets() {
    let mut queue = Turns::new();
    for seat in 0..10 {
        queue.join(seat, 1, Priority::Normal);
        queue.want(seat, 16, 16);
    }
    queue.join(10, 2, Priority::Normal);
    queue.want(10, 1, 1);
    let served = serve(&mut queue, 1_000);
    assert_eq!(served[&10], 500);
    assert!((0..10).all(|seat| served[&seat] == 50), "{served:?}");
}

#[test]
fn who_wanted_nothing_for_long_has_saved_nothing_up() {
    let mut queue = Turns::new();
    queue.join(1, 1, Priority::Normal);
    queue.join(2, 2, Priority::Normal);
    queue.want(1, 1, 1);
    serve(&mut queue, 1_000);
    queue.want(2, 1, 1);
    assert_eq!(serve(&mut queue, 100)[&1], 50);
}

#[test]
fn a_turn_that_is_not_used_goes_on_and_costs_nothing() {
    let mut queue = Turns::new();
    queue.join(1, 1, Priority::Normal);
    queue.join(2, 2, Priority::Normal);
    queue.want(1, 1, 1);
    assert_eq!(queue.next(), Some(1));
    queue.want(2, 1, 1);
    queue.want(1, 0, 0);
    assert_eq!(queue.granted(), 0);
    assert_eq!(queue.next(), Some(2));
    queue.want(1, 1, 1);
    assert_eq!(queue.next(), Some(1));
    queue.leave(1);
    assert_eq!((queue.granted(), queue.next()), (1, None));
    assert_eq!(queue.holders().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_full_queue_admits_who_has_less_than_a_share_and_what_always_passes() {
    let mut queue = Turns::new();
    for (seat, flow) in [(0, 1), (1, 1), (2, 2)] {
        queue.join(seat, flow, Priority::Normal);
    }
    while queue.admit(0, false) {}
    assert_eq!(queue.waiting, WAITING);
    assert!(!queue.admit(1, false), "a second connection of the same flow changes nothing");
    for _ in 0..WAITING / 2 {
        assert!(queue.admit(2, false), "the other flow has its share");
    }
    assert!(!queue.admit(2, false));
    assert!(queue.admit(0, true), "the way to safe");
    queue.want(0, 0, 0);
    assert!(queue.admit(1, false));
    for seat in 0..3 {
        queue.leave(seat);
    }
    assert_eq!((queue.waiting, queue.granted, queue.flows.len(), queue.seats.len()), (0, 0, 0, 0));
}

#[test]
fn whatever_happens_the_counts_agree() {
    let mut state = 7_u64;
    let mut draw = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((state >> 33) % most).unwrap()
    };
    let mut queue = Turns::new();
    for _ in 0..20_000 {
        let seat = u64::from(draw(8));
        match draw(6) {
            0 if !queue.seats.contains_key(&seat) => queue.join(seat, draw(3), Priority::Low),
            1 if draw(20) == 0 => queue.leave(seat),
            2 => drop(queue.admit(seat, false)),
            3 => queue.used(seat, draw(3).into()),
            4 => drop(queue.next()),
            _ => {
                let wants = usize::from(draw(17));
                queue.want(seat, wants, wants + usize::from(draw(3)));
            }
        }
        assert_eq!(queue.granted, queue.seats.values().map(|one| one.granted).sum::<usize>());
        assert_eq!(queue.waiting, queue.seats.values().map(|one| one.waiting).sum::<usize>());
        assert_eq!(queue.seats.len(), queue.flows.values().map(|one| one.seats).sum::<usize>());
        assert!(queue.seats.values().all(|one| one.granted <= one.wants));
    }
}

#[test]
fn a_way_to_safe_goes_first_and_not_for_ever() {
    let mut queue = five([Priority::Normal; 5]);
    serve(&mut queue, 50);
    queue.want(4, 1, 1);
    queue.hurry(4, true);
    assert_eq!(queue.next(), Some(4));
    queue.used(4, 1);
    // It goes on and on: the others get one turn in five.
    let others = (0..100).filter(|_| {
        queue.want(4, 1, 1);
        let seat = queue.next().unwrap();
        queue.used(seat, 1);
        queue.want(seat, 1, 1);
        seat != 4
    });
    assert!((19..=21).contains(&others.count()));
}
