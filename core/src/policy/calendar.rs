//! Which shifts and hours are open now: worked out once for all sessions, and kept until one of them changes.

use std::collections::BTreeMap;

use super::Policy;
use super::time::Window;
use crate::moment::UnixMs;
use crate::names::{ConduitId, ShiftName};

/// However long the windows last: a calendar is made anew once a day, so that a closed window without a next start in sight
/// is looked at again.
const DAY_MS: i64 = 86_400_000;

/// The windows of a policy, as they are from `since` until `until`.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    since: UnixMs,
    until: UnixMs,
    shifts: BTreeMap<ShiftName, Window>,
    hours: BTreeMap<ConduitId, Window>,
}

impl Calendar {
    /// Works out every window of a policy.
    pub fn of(policy: &Policy, at: UnixMs) -> Self {
        let zone = &policy.plant.timezone;
        let shifts: BTreeMap<_, _> =
            policy.shifts.iter().map(|(name, shift)| (name.clone(), shift.window(zone, at))).collect();
        let open =
            |(id, conduit): (&ConduitId, &super::model::Conduit)| Some((id.clone(), conduit.hours?.window(zone, at)));
        let hours: BTreeMap<_, _> = policy.conduits.iter().filter_map(open).collect();
        let day = UnixMs(at.0.saturating_add(DAY_MS));
        let until = shifts.values().chain(hours.values()).filter_map(|window| window.changes()).fold(day, UnixMs::min);
        Self { since: at, until, shifts, hours }
    }

    /// True when every window is what it was.
    pub fn covers(&self, at: UnixMs) -> bool {
        self.since <= at && at < self.until
    }

    /// The window of a shift, if there is such a shift.
    pub fn shift(&self, name: &str) -> Option<Window> {
        self.shifts.get(name).copied()
    }

    /// The windows of all shifts.
    pub fn shifts(&self) -> impl Iterator<Item = Window> {
        self.shifts.values().copied()
    }

    /// The window of a conduit's hours; closed where it has none.
    pub fn hours(&self, conduit: &ConduitId) -> Window {
        self.hours.get(conduit).copied().unwrap_or(Window::Closed { next: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::riverside::{at, policy};

    #[test]
    fn a_calendar_holds_until_the_first_window_changes_and_not_before_it_was_made() {
        let policy = policy();
        let made = at("2026-03-10 10:00").wall;
        let calendar = Calendar::of(&policy, made);
        // The late shift starts at 14:00, while the early one still overlaps.
        let late = at("2026-03-10 14:00").wall;
        assert!(calendar.covers(made) && calendar.covers(UnixMs(late.0 - 1)));
        assert!(!calendar.covers(late) && !calendar.covers(UnixMs(made.0 - 1)));
        for (name, shift) in &policy.shifts {
            let then = shift.window(&policy.plant.timezone, UnixMs(late.0 - 1));
            assert_eq!(calendar.shift(name.as_str()), Some(then), "{name}");
        }
        assert!(calendar.hours(&"vendor-service".into()).is_open());
        assert!(!calendar.hours(&"scada-to-filling".into()).is_open(), "it has none");
    }
}
