//! Condition words: whether one holds, whether doubt about the clock decided it, and how long the answer lasts.

use super::calendar::Calendar;
use super::model::{ApprovalTerms, Condition, Conduit, OnClockDoubt, Rule};
use super::time::Window;
use crate::identity::{Approval, Assurance, Attributes};
use crate::moment::{ClockTrust, Moment, UnixMs};
use crate::names::{ConduitId, Role};

/// The roles that a doubtful clock takes nothing from, where the plant has not signed otherwise (law 2).
const LOCAL: [&str; 3] = ["Operator", "Supervisor", "Controller"];

/// Whether a condition, or all of a rule's, hold. In the order of how near the rule came to allowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// Does not hold, or is not known.
    Fails,
    /// A time word that only the doubtful clock makes false.
    FailsByDoubt,
    /// Counts as true only because the clock is in doubt and the role is local.
    HoldsByDoubt,
    /// Holds.
    Holds,
}

impl Truth {
    /// True when the rule may allow.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Holds | Self::HoldsByDoubt)
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// Everything that a condition may look at.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Which shifts and hours are open.
    pub calendar: &'a Calendar,
    /// What the plant wants of a doubtful clock.
    pub on_clock_doubt: OnClockDoubt,
    /// What is known: the subject's own, then its claims, then the plant's facts.
    pub attributes: &'a Attributes,
    /// What the evidence is worth.
    pub assurance: Assurance,
    /// Site approvals at hand.
    pub approvals: &'a [Approval],
    /// Now.
    pub now: Moment,
}

impl Circumstances<'_> {
    /// All conditions of a rule, its conduit's hours and approval among them. `local`: see [`is_local`].
    pub fn rule(&self, id: &ConduitId, conduit: &Conduit, rule: &Rule, local: bool) -> Truth {
        let words = rule.when.iter().map(|word| self.word(word, local));
        words.chain([self.hours(id, conduit, local), self.approval(conduit)]).min().unwrap_or(Truth::Holds)
    }

    /// One condition word.
    pub fn word(&self, word: &Condition, local: bool) -> Truth {
        let known = self.attributes;
        match word {
            Condition::OnShift | Condition::ShiftIs(_) => match self.shifts(word) {
                None => Truth::Fails,
                Some(window) => self.clock(window.is_open(), local),
            },
            Condition::LoggedInWithin(minutes) => match known.logged_in {
                None => Truth::Fails,
                Some(at) => self.clock(at <= self.now.wall && self.now.wall <= after(at, *minutes), local),
            },
            Condition::LineIs(line) => Truth::of(known.line.as_ref() == Some(line)),
            Condition::LocationIs(location) => Truth::of(known.location.as_ref() == Some(location)),
            Condition::SecondFactor => Truth::of(known.second_factor == Some(true)),
            Condition::WorkOrderOpen => Truth::of(known.work_order == Some(true)),
            Condition::Assurance(wanted) => Truth::of(self.assurance.0 >= *wanted),
            Condition::PlantModeIs(mode) => Truth::of(known.plant_mode.as_ref() == Some(mode)),
        }
    }

    /// A conduit's hours: a time word of each of its rules.
    pub fn hours(&self, id: &ConduitId, conduit: &Conduit, local: bool) -> Truth {
        conduit.hours.map_or(Truth::Holds, |_| self.clock(self.calendar.hours(id).is_open(), local))
    }

    /// A conduit's approval on site. It is a lease like a grant: its end is excluded, and it is no time word.
    pub fn approval(&self, conduit: &Conduit) -> Truth {
        let Some(terms) = &conduit.approval else {
            return Truth::Holds;
        };
        Truth::of(self.approvals_by(terms).any(|(start, end)| start <= self.now.wall && self.now.wall < end))
    }

    /// The first moment at which something that `rule` answered may change.
    pub fn changes(&self, id: &ConduitId, conduit: &Conduit, rule: &Rule) -> Option<UnixMs> {
        let leases = conduit.approval.iter().flat_map(|terms| self.approvals_by(terms)).flat_map(|(a, b)| [a, b]);
        let words = rule.when.iter().filter_map(|word| self.word_changes(word));
        let hours = conduit.hours.and_then(|_| self.calendar.hours(id).changes());
        let believed = self.now.trust != ClockTrust::Doubtful;
        let timed = words.chain(hours).filter(|_| believed);
        timed.chain(leases).filter(|at| *at > self.now.wall).min()
    }

    fn word_changes(&self, word: &Condition) -> Option<UnixMs> {
        match word {
            Condition::OnShift | Condition::ShiftIs(_) => self.shifts(word)?.changes(),
            Condition::LoggedInWithin(minutes) => {
                let at = self.attributes.logged_in?;
                // Exactly N minutes is still within.
                Some(if at > self.now.wall { at } else { UnixMs(after(at, *minutes).0.saturating_add(1)) })
            }
            Condition::LineIs(_)
            | Condition::LocationIs(_)
            | Condition::SecondFactor
            | Condition::WorkOrderOpen
            | Condition::Assurance(_)
            | Condition::PlantModeIs(_) => None,
        }
    }

    /// The window of a shift word; `None` when its datum is missing or the carried shift is another one, which no clock
    /// can mend.
    fn shifts(&self, word: &Condition) -> Option<Window> {
        let carried = self.attributes.shift.as_deref();
        match word {
            Condition::ShiftIs(name) => {
                if carried.is_some_and(|carried| carried != name.as_str()) {
                    None
                } else {
                    self.calendar.shift(name.as_str())
                }
            }
            Condition::OnShift => match carried {
                Some(carried) => self.calendar.shift(carried),
                None => self.calendar.shifts().reduce(any),
            },
            Condition::LineIs(_)
            | Condition::LocationIs(_)
            | Condition::SecondFactor
            | Condition::WorkOrderOpen
            | Condition::LoggedInWithin(_)
            | Condition::Assurance(_)
            | Condition::PlantModeIs(_) => None,
        }
    }

    /// A time word that has its datum.
    fn clock(&self, holds: bool, local: bool) -> Truth {
        match (self.now.trust, self.on_clock_doubt) {
            (ClockTrust::Proven | ClockTrust::Floor, _) => Truth::of(holds),
            (ClockTrust::Doubtful, OnClockDoubt::AllowLocal) if local => Truth::HoldsByDoubt,
            (ClockTrust::Doubtful, OnClockDoubt::AllowLocal | OnClockDoubt::Refuse) => Truth::FailsByDoubt,
        }
    }

    fn approvals_by(&self, terms: &ApprovalTerms) -> impl Iterator<Item = (UnixMs, UnixMs)> {
        let minutes = u32::from(terms.minutes);
        let mine = self.approvals.iter().filter(|approval| approval.by == terms.by);
        mine.map(move |approval| (approval.at, after(approval.at, minutes)))
    }
}

/// True for the roles that work on site.
pub fn is_local(role: &Role) -> bool {
    LOCAL.contains(&role.as_str())
}

/// Either of two windows: open while one is, until the first of the open ones ends.
fn any(a: Window, b: Window) -> Window {
    match (a, b) {
        (Window::Open { until: a }, Window::Open { until: b }) => Window::Open { until: a.min(b) },
        (Window::Open { until }, Window::Closed { .. }) | (Window::Closed { .. }, Window::Open { until }) => {
            Window::Open { until }
        }
        (Window::Closed { next: a }, Window::Closed { next: b }) => {
            Window::Closed { next: a.into_iter().chain(b).min() }
        }
    }
}

fn after(at: UnixMs, minutes: u32) -> UnixMs {
    UnixMs(at.0.saturating_add(i64::from(minutes) * 60_000))
}
