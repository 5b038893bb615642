//! The invariants, as data. Each looks at one event in the light of everything before it.

use super::event::{Answer, Event};
use super::modbus::Ask;
use super::model::{Asked, Model, NEIGHBOUR};
use super::policies::{Plc, Who};

/// How long a request may go unanswered: the PLC's second, two seconds of a dial, and what a thread needs to turn round.
const DEADLINE: u64 = 3_600;
/// So long a request is pending, if the PLC does not answer.
const ANSWER_WITHIN: u64 = 1_000;

/// The one limit of the policies: so many at once, and one more in so many milliseconds.
const LIMIT_BURST: u64 = 2;
const LIMIT_EVERY: u64 = 30_000;

/// A record that nobody waits for is written after at most this time.
const WRITTEN_WITHIN: u64 = 50;

/// After this time the gateway has met a full disk: something is recorded all the time.
const KNOWN_FULL: u64 = 1_500;

/// A promise and its test.
pub(crate) struct Invariant {
    pub(crate) id: &'static str,
    pub(crate) says: &'static str,
    pub(crate) check: fn(&Model, u64, &Event) -> Option<String>,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) id: &'static str,
    pub(crate) says: &'static str,
    pub(crate) why: String,
    pub(crate) at: u64,
}

/// Every promise.
pub(crate) const INVARIANTS: &[Invariant] = &[
    Invariant { id: "I1", says: "no frame is forwarded that the world of that moment does not allow", check: allowed },
    Invariant {
        id: "I1b",
        says: "no frame reaches a PLC that was not asked for and forwarded by a permit",
        check: permitted,
    },
    Invariant { id: "I1c", says: "a write that is pending is never sent again", check: not_again },
    Invariant { id: "I2", says: "after revoke has answered, no frame of that subject is forwarded", check: revoked },
    Invariant { id: "I4", says: "a value declared safe always passes", check: safe_passes },
    Invariant { id: "I4b", says: "what every world of its time allows is not refused", check: allowed_passes },
    Invariant {
        id: "I4c",
        says: "a disk in trouble refuses nothing between control zones",
        check: disk_refuses_nothing,
    },
    Invariant {
        id: "I5",
        says: "people on site lose nothing by an outage: of disk, clock, another's device or a flood",
        check: served,
    },
    Invariant {
        id: "I6",
        says: "every forwarded write has its record on the disk, or is flagged late",
        check: recorded,
    },
    Invariant {
        id: "I6c",
        says: "a full disk refuses writes where the conduit says `on_stall = deny`",
        check: refused_unkept,
    },
    Invariant {
        id: "I6b",
        says: "every answered write is in the journal after a crash; the chain verifies",
        check: kept,
    },
    Invariant {
        id: "I7",
        says: "every request has an answer by its deadline, or its connection is closed",
        check: in_time,
    },
    Invariant { id: "I9", says: "with no order under way, memory and disk hold the same world", check: same },
    Invariant { id: "I10", says: "every reply belongs to its request", check: owner },
    Invariant { id: "I11", says: "a limit holds as long as the gateway lives, over policy swaps", check: within_limit },
    Invariant { id: "I12", says: "who has another hardware address than the policy says is nobody", check: own_mac },
    Invariant { id: "L1", says: "the gateway starts, and does not end by itself", check: lives },
];

/// The request that a forwarded frame belongs to, and the world it was forwarded in.
fn of(model: &Model, id: u16) -> Option<&Asked> {
    model.asked.get(&id)
}

fn allowed(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw, who, subject, id, unit, function, .. } = event else { return None };
    if *raw {
        let (_, world) = model.worlds.last()?;
        return (!Model::observed(world, Plc::Drive)).then(|| format!("bytes of {who:?} pass unjudged in enforce"));
    }
    let Some(asked) = of(model, *id) else { return Some(format!("nobody asked for {id}")) };
    if *who != Some(asked.who) || *unit != asked.frame.unit || *function != asked.frame.pdu[0] {
        return Some(format!("request {id} is {:?} of {:?}", asked.frame, asked.who));
    }
    let (_, world) = model.worlds.last()?;
    if Model::observed(world, asked.plc) {
        return None;
    }
    if subject.as_deref() != asked.who.subject(world.policy) {
        return Some(format!("forwarded for {subject:?}, it is {:?}", asked.who.subject(world.policy)));
    }
    if Model::is_revoked(world, asked.who) {
        return Some(format!("{:?} is revoked", asked.who));
    }
    let opinion = Model::thinks(world, asked);
    if !opinion.allowed {
        return Some(format!("policy {} does not allow {:?} {:?}", world.policy, asked.who, asked.ask));
    }
    (opinion.timed && !opinion.safe && !model.on_shift(at))
        .then(|| format!("{:?} is not on shift: it is {} by the wall", asked.who, model.wall(at)))
}

fn permitted(model: &Model, at: u64, event: &Event) -> Option<String> {
    match event {
        Event::PlcGot { plc, frame } => {
            let Some(asked) = of(model, frame.id) else { return Some(format!("nobody asked for {frame:?}")) };
            if asked.frame != *frame || asked.plc != *plc {
                return Some(format!("asked for as {:?} on {:?}", asked.frame, asked.plc));
            }
            let observed = model.between(asked.at, at).any(|world| Model::observed(world, *plc));
            let most = if observed { asked.times } else { asked.forwarded };
            (asked.got >= most).then(|| format!("it got {frame:?} {} times, forwarded {most} times", asked.got + 1))
        }
        Event::Forwarded { raw: false, id, .. } => {
            let asked = of(model, *id)?;
            (asked.forwarded >= asked.times).then(|| format!("asked for {} times, forwarded more often", asked.times))
        }
        _ => None,
    }
}

fn not_again(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, id, .. } = event else { return None };
    let asked = of(model, *id)?;
    let observed = model.worlds.last().is_some_and(|(_, world)| Model::observed(world, asked.plc));
    // Before this moment the gateway has not given it up, whenever the bytes arrived.
    let pending = asked.pending && at < asked.at + ANSWER_WITHIN;
    (pending && !observed && !asked.ask.values().is_empty()).then(|| format!("request {id} is pending"))
}

fn revoked(model: &Model, _: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, id, .. } = event else { return None };
    let asked = of(model, *id)?;
    let (_, world) = model.worlds.last()?;
    let name = asked.who.subject(world.policy)?;
    (!Model::observed(world, asked.plc) && model.revoked.contains(name))
        .then(|| format!("the revocation of {name} had been answered"))
}

fn refused(event: &Event, code: u8) -> Option<u16> {
    match event {
        Event::Answered { id, answer: Answer::Exception(exception), .. } if *exception == code => Some(*id),
        _ => None,
    }
}

fn safe_passes(model: &Model, at: u64, event: &Event) -> Option<String> {
    let id = refused(event, 1).or_else(|| refused(event, 6))?;
    let asked = of(model, id)?;
    let all = model
        .between(asked.at, at)
        .all(|world| Model::thinks(world, asked).safe && !Model::is_revoked(world, asked.who));
    (all && !model.mac_in_doubt(asked.who, asked.at, at))
        .then(|| format!("request {id} ({:?} {:?}) was refused", asked.who, asked.ask))
}

fn allowed_passes(model: &Model, at: u64, event: &Event) -> Option<String> {
    let id = refused(event, 1).or_else(|| refused(event, 3))?;
    let asked = of(model, id)?;
    let all = model.between(asked.at, at).all(|world| {
        let opinion = Model::thinks(world, asked);
        let fits = opinion.allowed && !opinion.timed && !opinion.limited || Model::observed(world, asked.plc);
        fits && !Model::is_revoked(world, asked.who)
    });
    // The drive itself refuses what has no layout.
    let by_device = asked.ask == Ask::Odd && asked.got > 0;
    (all && !by_device && !model.mac_in_doubt(asked.who, asked.at, at))
        .then(|| format!("request {id} ({:?} {:?}) was refused", asked.who, asked.ask))
}

fn disk_refuses_nothing(model: &Model, _: u64, event: &Event) -> Option<String> {
    let id = refused(event, 6)?;
    let asked = of(model, id)?;
    (asked.who != Who::Office).then(|| format!("request {id} ({:?} {:?}) got 06", asked.who, asked.ask))
}

fn served(model: &Model, at: u64, event: &Event) -> Option<String> {
    let (id, what) = match event {
        Event::Answered { id, answer: Answer::Exception(code @ (6 | 10 | 11)), .. } => (*id, format!("got {code:02x}")),
        Event::Closed { id, .. } if model.is_proven(*id) => (*id, "was closed".to_owned()),
        _ => return None,
    };
    let asked = of(model, id)?;
    let local = matches!(asked.who, Who::Scada | Who::Hmi | Who::Panel) && asked.plc == Plc::Filler;
    let excused = model.excused(asked.who, asked.plc, asked.at.saturating_sub(1_000), at)
        || model.device_in_doubt(asked.plc, asked.at, at)
        || model.mac_in_doubt(asked.who, asked.at, at);
    let revoked = model.between(asked.at, at).any(|world| Model::is_revoked(world, asked.who));
    (local && !excused && !revoked).then(|| format!("request {id} of {:?} ({:?}) {what}", asked.who, asked.ask))
}

fn recorded(model: &Model, _: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, id, seq, late: false, .. } = event else { return None };
    let asked = of(model, *id)?;
    let waits = asked.plc == Plc::Filler && asked.who != Who::Office && !asked.ask.values().is_empty();
    let on_disk = seq.is_some_and(|seq| seq <= model.durable);
    (waits && !on_disk).then(|| format!("record {seq:?} of request {id}, durable up to {}", model.durable))
}

fn refused_unkept(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, id, late: false, .. } = event else { return None };
    let asked = of(model, *id)?;
    let (_, world) = model.worlds.last()?;
    let writes = !asked.ask.values().is_empty() && !Model::thinks(world, asked).safe;
    let full = model.full_for(at);
    (asked.who == Who::Office && writes && full > KNOWN_FULL)
        .then(|| format!("request {id} goes on while the disk has been full for {full} ms"))
}

fn kept(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Reopened { wrong, writes, .. } = event else { return None };
    if let Some(wrong) = wrong.as_ref().filter(|_| !model.torn) {
        return Some(wrong.clone());
    }
    // `durable` survives everything; `written` the process, where the disk takes it, but for what its writer has in the hand.
    let down = model.downs.last().map_or(at, |(down, _)| *down);
    let must = |(asked, surely): &(u64, bool)| {
        *surely || !model.dark && !model.troubled(*asked, at) && asked + WRITTEN_WITHIN < down
    };
    let missing = model.written.iter().find(|(write, how)| must(how) && !writes.0.contains(write))?;
    Some(format!("write {:?} was answered and is not in the journal", missing.0))
}

fn in_time(model: &Model, at: u64, event: &Event) -> Option<String> {
    let (Event::Answered { who, id, .. } | Event::Closed { who, id } | Event::GaveUp { who, id }) = event else {
        return None;
    };
    let asked = of(model, *id)?;
    // A conduit that observes adds nothing, no deadline either.
    let observed = model.between(asked.at, at).any(|world| Model::observed(world, asked.plc));
    (at - asked.at > DEADLINE && !observed && !model.excused(*who, asked.plc, asked.at, at))
        .then(|| format!("request {id} waited {} ms", at - asked.at))
}

fn within_limit(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, id, .. } = event else { return None };
    let most = LIMIT_BURST + (at - model.up_since) / LIMIT_EVERY;
    (model.is_limited(*id) && model.drawn >= most).then(|| format!("write {} of {most} in this life", model.drawn + 1))
}

fn own_mac(model: &Model, at: u64, event: &Event) -> Option<String> {
    let Event::Forwarded { raw: false, who: Some(Who::Hmi), id, .. } = event else { return None };
    model.mac_was_wrong(at.saturating_sub(NEIGHBOUR), at).then(|| format!("request {id} comes from somebody else"))
}

fn same(_: &Model, _: u64, event: &Event) -> Option<String> {
    let Event::Compared { differs } = event else { return None };
    differs.clone()
}

fn owner(model: &Model, at: u64, event: &Event) -> Option<String> {
    match event {
        Event::Answered { id, answer: Answer::Foreign, .. } => Some(format!("request {id} got another's reply")),
        // What a device says passes a conduit that observes as it is.
        Event::Unasked { who, plc, frame } => {
            let observed = model.between(at.saturating_sub(DEADLINE), at).any(|world| Model::observed(world, *plc));
            (!observed).then(|| format!("{who:?} got {frame:?}, which nobody waits for"))
        }
        _ => None,
    }
}

fn lives(_: &Model, _: u64, event: &Event) -> Option<String> {
    let Event::Ended { why } = event else { return None };
    Some(why.clone())
}
