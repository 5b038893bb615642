//! How many handshakes are under way at one listener.
//!
//! * One source may have [`PER_SOURCE`]: its next one is refused.
//! * All together may be [`PER_LISTENER`]: then the oldest of the source that has most of them gives way, so that whoever comes
//!   gets in, however many addresses a flood has. An honest handshake is over in milliseconds.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Handshakes of one source (of one /64 of IPv6) under way at one listener.
const PER_SOURCE: usize = 16;
/// Handshakes under way at one listener.
const PER_LISTENER: usize = 256;

/// The handshakes under way at one listener.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    places: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
    sources: BTreeMap<IpAddr, usize>,
}

/// One handshake's place. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    number: u64,
    lost: Arc<Notify>,
}

impl Room {
    /// A place for a peer; none when its source has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let source = group(source);
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.sources.get(&source).is_some_and(|count| *count >= PER_SOURCE) {
            return None;
        }
        if inside.places.len() >= PER_LISTENER {
            inside.make_way();
        }
        let (number, lost) = (inside.next, Arc::new(Notify::new()));
        inside.next += 1;
        inside.places.insert(number, (source, Arc::clone(&lost)));
        *inside.sources.entry(source).or_default() += 1;
        drop(inside);
        Some(Place { room: Arc::clone(self), number, lost })
    }
}

impl Inside {
    /// Ends the oldest handshake of the source that has most.
    fn make_way(&mut self) {
        let Some(most) = self.sources.values().copied().max() else { return };
        let greedy = |source: &IpAddr| self.sources.get(source) == Some(&most);
        let Some(number) = self.places.iter().find(|(_, (source, _))| greedy(source)).map(|(number, _)| *number) else {
            return;
        };
        if let Some(lost) = self.leave(number) {
            lost.notify_one();
        }
    }

    fn leave(&mut self, number: u64) -> Option<Arc<Notify>> {
        let (source, lost) = self.places.remove(&number)?;
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        Some(lost)
    }
}

impl Place {
    /// Resolves when the place was given to somebody else.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.0.lock().unwrap_or_else(PoisonError::into_inner).leave(self.number);
    }
}

/// Whoever has one address of a /64 has all of them.
fn group(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    fn ip(number: usize) -> IpAddr {
        IpAddr::from(u32::try_from(number + 0x0A00_0001).unwrap().to_be_bytes())
    }

    fn is_lost(place: &Place) -> bool {
        std::pin::pin!(place.lost()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn one_source_has_sixteen_and_gets_them_back() {
        let room = Arc::new(Room::default());
        let mut places: Vec<_> = (0..PER_SOURCE).map(|_| room.enter(ip(1)).unwrap()).collect();
        assert!(room.enter(ip(1)).is_none());
        assert!(room.enter(ip(2)).is_some());
        places.pop();
        places.push(room.enter(ip(1)).unwrap());
        assert!(!places.iter().any(is_lost));
        drop(places);
        let inside = room.0.lock().unwrap();
        assert!(inside.places.is_empty() && inside.sources.is_empty());
    }

    #[test]
    fn in_a_full_room_the_oldest_of_the_greediest_gives_way() {
        let room = Arc::new(Room::default());
        let honest = room.enter(ip(0)).unwrap();
        let flood: Vec<_> = (1..PER_LISTENER).map(|n| room.enter(ip(1 + n % 20)).unwrap()).collect();
        let next = room.enter(ip(99)).unwrap();
        let lost: Vec<_> = flood.iter().enumerate().filter(|(_, place)| is_lost(place)).map(|(n, _)| n).collect();
        assert_eq!(lost, [0], "the oldest of the source with most");
        assert!(!is_lost(&honest) && !is_lost(&next));
        assert_eq!(room.0.lock().unwrap().places.len(), PER_LISTENER);
    }

    #[test]
    fn a_flood_from_as_many_addresses_as_there_are_places_keeps_nobody_out() {
        let room = Arc::new(Room::default());
        let flood: Vec<_> = (0..PER_LISTENER).map(|n| room.enter(ip(n)).unwrap()).collect();
        let honest = room.enter(ip(9_999)).unwrap();
        let more: Vec<_> = (0..PER_LISTENER - 1).map(|n| room.enter(ip(1_000 + n)).unwrap()).collect();
        assert!(flood.iter().all(is_lost) && !is_lost(&honest));
        let _newest = room.enter(ip(20_000)).unwrap();
        assert!(is_lost(&honest), "only after as many others as there are places");
        drop(more);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_source() {
        let room = Arc::new(Room::default());
        let at = |n: usize| format!("2001:db8:0:7::{n:x}").parse::<IpAddr>().unwrap();
        let _places: Vec<_> = (0..PER_SOURCE).map(|n| room.enter(at(n)).unwrap()).collect();
        assert!(room.enter(at(0xFFFF)).is_none());
        assert!(room.enter("2001:db8:0:8::1".parse().unwrap()).is_some());
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(group(mapped), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
