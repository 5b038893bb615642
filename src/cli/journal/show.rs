//! `journal show`: the records in words, filtered.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use bulkhead_core::decision::Effect;
use bulkhead_core::identity::Edit;
use bulkhead_core::journal::record::{DecisionRecord, Event, GatewayRecord, Record, Seq, SessionEvent};
use bulkhead_core::moment::UnixMs;
use bulkhead_core::names::{AssetId, SubjectId};
use jiff::tz::TimeZone;

use super::read::{self, Found};
use crate::cli::args::JournalShow;
use crate::cli::{Answer, Context, Exit, Failure, Out, files, when, words};

/// Records shown when nothing else bounds them.
const DEFAULT_LAST: usize = 50;
/// The most that `--last` keeps in memory at a time.
const MOST: usize = 100_000;
/// Before and after `--around`, in milliseconds.
const AROUND_MS: u64 = 600_000;
/// Records whose outcomes and repeats are followed; older ones are forgotten first.
const FOLLOWED: usize = 65_536;

/// Which records are wanted.
#[derive(Debug, Default)]
struct Filter {
    asset: Option<String>,
    point: Option<String>,
    subject: Option<String>,
    refused: bool,
    from: Option<u64>,
    to: Option<u64>,
    around: Option<UnixMs>,
    followed: BTreeSet<Seq>,
}

pub(crate) fn run(arguments: JournalShow, context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    let zone = files::zone(&settings);
    let around = match &arguments.around {
        Some(text) => Some(when::parse(text, when::now(), &zone).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no time"), "write 03:10, \"03:10 yesterday\" or 2026-11-24T03:10")
        })?),
        None => None,
    };
    let folder = files::journal_folder(arguments.folder, &settings)?;
    let (asset, point) = match arguments.point {
        Some(point) if point.contains('/') => (None, Some(point)),
        other => (other, None),
    };
    let (from, to) = (arguments.from, arguments.to);
    let bounded = from.is_some() || to.is_some() || around.is_some();
    let (subject, refused) = (arguments.subject, arguments.refused);
    let mut filter = Filter { asset, point, subject, refused, from, to, around, followed: BTreeSet::new() };
    match arguments.last {
        None if bounded => stream(&folder, &mut filter, &zone, context),
        last => {
            let count = last.unwrap_or(DEFAULT_LAST).min(MOST);
            let found = read::newest(&folder, count, &mut |found| filter.wants(found))?;
            for found in &found {
                print(found, &zone, &mut context.out)?;
            }
            if found.is_empty() {
                context.out.line("no record fits")?;
            }
            Ok(Exit::Ok)
        }
    }
}

fn stream(folder: &Path, filter: &mut Filter, zone: &TimeZone, context: &mut Context<'_>) -> Answer {
    let mut any = false;
    for path in read::segments(folder)? {
        let mut written = Ok(());
        read::each(&path, &mut |found| {
            if filter.wants(&found) {
                any = true;
                written = print(&found, zone, &mut context.out);
            }
            written.is_ok() && !filter.is_past(&found)
        })?;
        written?;
    }
    if !any {
        context.out.line("no record fits")?;
    }
    Ok(Exit::Ok)
}

fn print(found: &Found, zone: &TimeZone, out: &mut Out<'_>) -> io::Result<()> {
    match found {
        Found::Record(_, line) if out.wants_json() => {
            out.raw(line)?;
            out.raw("\n")
        }
        Found::Record(record, _) => out.line(words::line(record, zone)),
        Found::Bad(what) => {
            out.line(format!("UNREADABLE {what}; prove the journal: bulkhead journal verify"))?;
            out.value(&serde_json::json!({ "unreadable": what }))
        }
    }
}

impl Filter {
    fn is_past(&self, found: &Found) -> bool {
        matches!((found, self.to), (Found::Record(record, _), Some(to)) if record.seq.0 >= to)
    }

    fn wants(&mut self, found: &Found) -> bool {
        let Found::Record(record, _) = found else { return true };
        let inside = self.from.is_none_or(|from| record.seq.0 >= from)
            && self.to.is_none_or(|to| record.seq.0 <= to)
            && self.around.is_none_or(|at| record.at.wall.0.abs_diff(at.0) <= AROUND_MS);
        inside && self.follows(record)
    }

    /// Whether a record is about what was asked. What follows on a wanted one (its outcome, its repeats) is wanted too.
    fn follows(&mut self, record: &Record) -> bool {
        if self.asset.is_none() && self.point.is_none() && self.subject.is_none() && !self.refused {
            return true;
        }
        let about = match &record.event {
            Event::Outcome { of, .. } => return self.followed.contains(of),
            Event::Repeated { like, .. } => return self.followed.contains(like),
            Event::Decision(_)
            | Event::Denied { .. }
            | Event::Session(_)
            | Event::Gateway(_)
            | Event::Trimmed { .. }
            | Event::Checkpoint { .. } => self.is_about(&record.event),
        };
        if about {
            if self.followed.len() >= FOLLOWED {
                self.followed.pop_first();
            }
            self.followed.insert(record.seq);
        }
        about
    }

    fn is_about(&self, event: &Event) -> bool {
        match event {
            Event::Decision(decision) => self.is_about_decision(decision),
            Event::Denied { who, asset, .. } => {
                self.point.is_none() && self.on(asset.as_ref()) && same(self.subject.as_deref(), Some(who))
            }
            Event::Session(session) => {
                let refused = match session.what {
                    SessionEvent::Refused(_)
                    | SessionEvent::Cut
                    | SessionEvent::Malformed
                    | SessionEvent::TimedOut
                    | SessionEvent::Handshake(_) => true,
                    SessionEvent::Opened | SessionEvent::Closed => false,
                };
                self.point.is_none()
                    && self.asset.is_none()
                    && self.by(session.subject.as_ref())
                    && (!self.refused || refused)
            }
            Event::Gateway(gateway) => self.is_about_gateway(gateway),
            Event::Outcome { .. } | Event::Repeated { .. } | Event::Trimmed { .. } | Event::Checkpoint { .. } => false,
        }
    }

    fn is_about_decision(&self, decision: &DecisionRecord) -> bool {
        let touches = |wanted: &String| decision.accesses.iter().any(|access| access.points.contains(wanted));
        self.point.as_ref().is_none_or(touches)
            && self.on(decision.asset.as_ref())
            && self.by(decision.subject.as_ref())
            && (!self.refused || decision.effect == Effect::Deny)
    }

    fn is_about_gateway(&self, record: &GatewayRecord) -> bool {
        match record {
            GatewayRecord::Alarm { asset, .. } => {
                self.point.is_none() && self.subject.is_none() && self.on(asset.as_ref())
            }
            GatewayRecord::Revoked { subject, .. } => {
                self.point.is_none() && self.asset.is_none() && self.by(Some(subject))
            }
            GatewayRecord::Registry { edits, .. } => {
                let theirs = |edit: &Edit| self.by(Some(edit.subject()));
                self.point.is_none() && self.asset.is_none() && edits.iter().any(theirs)
            }
            GatewayRecord::Certificate { subject, .. } => {
                self.point.is_none() && self.asset.is_none() && self.by(subject.as_ref())
            }
            GatewayRecord::PolicyRefused { .. } => {
                self.point.is_none() && self.asset.is_none() && self.subject.is_none()
            }
            GatewayRecord::Started { .. }
            | GatewayRecord::Authority { .. }
            | GatewayRecord::List { .. }
            | GatewayRecord::Stopped
            | GatewayRecord::Policy { .. }
            | GatewayRecord::ShadowStarted { .. }
            | GatewayRecord::ShadowGoesOn { .. }
            | GatewayRecord::ShadowEnded { .. }
            | GatewayRecord::Mode { .. }
            | GatewayRecord::Abandoned { .. }
            | GatewayRecord::Disk { .. } => false,
        }
    }

    fn on(&self, asset: Option<&AssetId>) -> bool {
        same(self.asset.as_deref(), asset.map(AssetId::as_str))
    }

    fn by(&self, subject: Option<&SubjectId>) -> bool {
        same(self.subject.as_deref(), subject.map(SubjectId::as_str))
    }
}

fn same(wanted: Option<&str>, is: Option<&str>) -> bool {
    wanted.is_none() || wanted == is
}
