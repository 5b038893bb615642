//! Whether a shift and a conduit's hours can ever meet: minutes of one week, without dates and clock changes.

use crate::policy::model::{Condition, Hours, Policy, Shift};

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

/// Whether somebody can be at work within these hours; true where the plant declares no shifts.
pub(super) fn some_shift(policy: &Policy, hours: Hours) -> bool {
    policy.shifts.is_empty() || policy.shifts.values().any(|shift| meets(*shift, hours))
}

pub(super) fn can_meet(policy: &Policy, condition: &Condition, hours: Hours) -> bool {
    match condition {
        Condition::ShiftIs(name) => policy.shifts.get(name).is_none_or(|shift| meets(*shift, hours)),
        // `on shift` is judged once, for the conduit.
        Condition::OnShift
        | Condition::LineIs(_)
        | Condition::LocationIs(_)
        | Condition::SecondFactor
        | Condition::WorkOrderOpen
        | Condition::LoggedInWithin(_)
        | Condition::Assurance(_)
        | Condition::PlantModeIs(_) => true,
    }
}

fn meets(shift: Shift, hours: Hours) -> bool {
    let open: Vec<(u32, u32)> = spans(hours, 0).collect();
    spans(shift.hours, u32::from(shift.overlap)).any(|(start, length)| {
        open.iter().any(|(other, others)| {
            // On a circle two spans meet where one starts inside the other.
            (start + WEEK - other) % WEEK < *others || (other + WEEK - start) % WEEK < length
        })
    })
}

/// Start and length of each day's span, in minutes of the week.
fn spans(hours: Hours, overlap: u32) -> impl Iterator<Item = (u32, u32)> {
    let (start, end) = (u32::from(hours.start.0), u32::from(hours.end.0));
    let length = if end > start { end - start } else { end + DAY - start };
    (0..7_u8).filter(move |day| hours.days.has(*day)).map(move |day| (u32::from(day) * DAY + start, length + overlap))
}
