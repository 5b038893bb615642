//! One credential is one subject, a revoked key never comes back, a name rests before it is used again.

use super::*;
use crate::moment::BootMs;

const HOLD: Duration = Duration::from_hours(24 * 365);
const DAY: i64 = 86_400_000;

fn day(day: i64) -> Moment {
    let ran = RanMs(u64::try_from(day * DAY).unwrap());
    Moment {
        wall: UnixMs(1_700_000_000_000 + day * DAY),
        boot: BootMs(0),
        ran,
        trust: ClockTrust::Proven,
        ..Moment::default()
    }
}

fn key(name: &str) -> Credential {
    Credential::Key(Sha256::of(name.as_bytes()))
}

fn place(ip: &str, mac: Option<&str>) -> Credential {
    Credential::Address { ip: ip.parse().unwrap(), mac: mac.map(|mac| mac.parse().unwrap()) }
}

fn added(subject: &str, credentials: &[Credential]) -> Edit {
    let credentials = credentials.to_vec();
    Edit::Added { subject: subject.into(), life: Life::Active, again: false, credentials }
}

fn again(subject: &str, credentials: &[Credential]) -> Edit {
    let credentials = credentials.to_vec();
    Edit::Added { subject: subject.into(), life: Life::Active, again: true, credentials }
}

fn life(subject: &str, life: Life) -> Edit {
    Edit::Life { subject: subject.into(), life }
}

impl Registry {
    /// Checks and makes an edit.
    fn edit(&mut self, edit: &Edit, now: Moment) -> Result<(), RegistryError> {
        self.check(edit, HOLD, now)?;
        self.apply(edit, now);
        Ok(())
    }
}

#[test]
fn a_credential_is_one_subject_and_a_second_owner_is_refused_without_naming_the_first() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[key("a"), place("10.0.0.1", None)]), day(0)).unwrap();
    for credential in [key("a"), place("10.0.0.1", None), place("10.0.0.1", Some("02:00:00:00:00:01"))] {
        let refused = registry.edit(&added("other", &[credential]), day(0)).unwrap_err();
        assert!(!refused.to_string().contains("scada"), "{refused}");
    }
    // Told apart by their hardware addresses two may share an address.
    registry.edit(&added("one", &[place("10.0.0.2", Some("02:00:00:00:00:01"))]), day(0)).unwrap();
    registry.edit(&added("two", &[place("10.0.0.2", Some("02:00:00:00:00:02"))]), day(0)).unwrap();
    assert!(registry.edit(&added("three", &[place("10.0.0.2", None)]), day(0)).is_err());
    let at = |mac: &str| registry.at("10.0.0.2".parse().unwrap(), mac.parse().ok()).next().unwrap().as_str().to_owned();
    assert_eq!((at("02:00:00:00:00:01").as_str(), at("02:00:00:00:00:02").as_str()), ("one", "two"));
    // The same again is no mistake.
    registry.edit(&added("scada", &[key("a")]), day(0)).unwrap();
    assert_eq!(registry.keys_of(&"scada".into()).count(), 1);
}

#[test]
fn a_revoked_name_rests_by_the_calendar_and_by_time_run_and_its_keys_never_come_back() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[key("a"), place("10.0.0.1", None)]), day(0)).unwrap();
    registry.edit(&life("scada", Life::Revoked), day(1)).unwrap();
    for other in [Life::Registered, Life::Active, Life::Suspended] {
        let refused = registry.check(&life("scada", other), HOLD, day(800));
        assert_eq!(refused, Err(RegistryError::Revoked("scada".into())));
    }
    let held = registry.edit(&again("scada", &[key("b")]), day(365)).unwrap_err();
    assert_eq!(
        held.to_string(),
        "`scada` was revoked, and its name is held for 1 more day(s) of running and of the calendar"
    );
    // A clock that was set ahead does not shorten it, nor does a doubtful one, nor does standing still.
    let jumped = Moment { ran: RanMs(0), ..day(900) };
    let doubtful = Moment { trust: ClockTrust::Doubtful, ..day(900) };
    let slow = Moment { wall: day(1).wall, ..day(900) };
    for moment in [jumped, doubtful, slow] {
        assert!(matches!(registry.check(&again("scada", &[]), HOLD, moment), Err(RegistryError::Held { .. })));
    }
    assert!(registry.check(&added("scada", &[]), HOLD, day(366)).is_err(), "not by the way");
    registry.edit(&added("new", &[place("10.0.0.1", None)]), day(2)).unwrap();
    registry.edit(&again("scada", &[key("b")]), day(366)).unwrap();
    assert_eq!(registry.life(&"scada".into()), Life::Active);
    assert_eq!(registry.addresses_of(&"scada".into()).count(), 0, "the address went on to the new device");
    for subject in ["scada", "another"] {
        assert_eq!(
            registry.check(&added(subject, &[key("a")]), HOLD, day(900)),
            Err(RegistryError::KeySpent(Sha256::of(b"a")))
        );
    }
}

#[test]
fn a_revoked_key_is_refused_under_every_name_while_its_name_is_held_too() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[key("a"), key("b")]), day(0)).unwrap();
    registry.edit(&Edit::Removed { subject: "scada".into(), credential: key("b") }, day(0)).unwrap();
    registry.edit(&life("scada", Life::Revoked), day(1)).unwrap();
    for name in ["a", "b"] {
        let refused = registry.check(&added("other", &[key(name)]), HOLD, day(1));
        assert_eq!(refused, Err(RegistryError::KeySpent(Sha256::of(name.as_bytes()))));
    }
    let gone = Edit::Removed { subject: "scada".into(), credential: key("b") };
    assert!(matches!(registry.check(&gone, HOLD, day(1)), Err(RegistryError::NotIts { .. })));
}

#[test]
fn what_was_queued_before_a_revocation_does_not_undo_it() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[]), day(0)).unwrap();
    let late = [life("scada", Life::Active), added("scada", &[key("late")])];
    assert!(late.iter().all(|edit| registry.check(edit, HOLD, day(0)).is_ok()));
    registry.edit(&life("scada", Life::Revoked), day(0)).unwrap();
    for edit in &late {
        registry.apply(edit, day(0));
        assert_eq!(registry.life(&"scada".into()), Life::Revoked, "{edit:?}");
    }
}

#[test]
fn everything_is_bounded_and_names_are_names() {
    let mut registry = Registry::default();
    let keys: Vec<_> = (0..=KEYS_EACH).map(|n| key(&n.to_string())).collect();
    assert!(matches!(
        registry.check(&added("a", &keys), HOLD, day(0)),
        Err(RegistryError::TooMany { what: "keys", .. })
    ));
    registry.edit(&added("a", &keys[1..]), day(0)).unwrap();
    assert!(registry.check(&added("a", &keys[..1]), HOLD, day(0)).is_err());
    let places: Vec<_> = (0..=ADDRESSES_EACH).map(|n| place(&format!("10.0.0.{}", n + 1), None)).collect();
    assert!(registry.check(&added("b", &places), HOLD, day(0)).is_err());
    for name in ["", "a b", "-a", "=1+1", "a,b", "a\"", "a\n", &"x".repeat(65)] {
        assert!(matches!(registry.check(&added(name, &[]), HOLD, day(0)), Err(RegistryError::Name(_))), "{name:?}");
    }
    for ip in ["0.0.0.0", "224.0.0.1", "::ffff:10.0.0.9"] {
        let refused = registry.check(&added("c", &[place(ip, None)]), HOLD, day(0));
        assert!(matches!(refused, Err(RegistryError::Address(_))), "{ip}");
    }
    registry.lives = (0..MAX_SUBJECTS).map(|n| (format!("n{n}").as_str().into(), Life::Active)).collect();
    assert!(matches!(
        registry.check(&added("more", &[]), HOLD, day(0)),
        Err(RegistryError::Full { what: "names", .. })
    ));
    registry.spent = (0..MAX_KEYS).map(|n| Sha256::of(&n.to_le_bytes())).collect();
    assert!(matches!(
        registry.check(&added("n1", &[key("x")]), HOLD, day(0)),
        Err(RegistryError::Full { what: "keys", .. })
    ));
}

#[test]
fn more_credentials_lift_no_suspension_that_came_while_they_waited() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[key("a")]), day(0)).unwrap();
    // Planned while the subject was active, made when it is suspended.
    let waiting = registry.registration("scada".into(), Life::Active, vec![key("b")]);
    registry.edit(&life("scada", Life::Suspended), day(0)).unwrap();
    registry.apply(&waiting, day(0));
    assert_eq!(registry.life(&"scada".into()), Life::Suspended);
    assert!(registry.has(&"scada".into(), &key("b")));
}

#[test]
fn a_hold_does_not_begin_anew_when_a_revocation_is_said_again() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[]), day(0)).unwrap();
    registry.edit(&life("scada", Life::Revoked), day(1)).unwrap();
    registry.edit(&life("scada", Life::Revoked), day(300)).unwrap();
    assert!(registry.is_free(&"scada".into(), HOLD, day(366)));
}

#[test]
fn a_registration_that_waited_brings_no_key_back_that_was_taken_away_meanwhile() {
    let mut registry = Registry::default();
    registry.edit(&added("scada", &[key("a")]), day(0)).unwrap();
    let waiting = registry.registration("scada".into(), Life::Active, vec![key("a"), key("b")]);
    registry.edit(&Edit::Removed { subject: "scada".into(), credential: key("a") }, day(0)).unwrap();
    registry.apply(&waiting, day(0));
    assert!(!registry.has(&"scada".into(), &key("a")) && registry.has(&"scada".into(), &key("b")));
}
