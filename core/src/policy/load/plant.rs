//! `[plant]`, `[shifts.X]` and `[zones.X]`.

use std::sync::Arc;

use super::parsed;
use crate::policy::model::{Hours, OnClockDoubt, OnExpiry, Plant, Sheet, Shift, Zone, ZoneKind};
use crate::policy::report::Report;
use crate::policy::suggest;
use crate::policy::tree::Section;
use crate::policy::words;

pub(super) const ON_EXPIRY: [(&str, OnExpiry); 3] =
    [("keep", OnExpiry::Keep), ("keep-reads", OnExpiry::KeepReads), ("close", OnExpiry::Close)];

pub(super) fn plant(mut section: Section<'_>, out: &mut Report<'_>) -> Plant {
    section.require("name", "name = \"riverside-line1\"");
    section.require("timezone", "timezone = \"Europe/Berlin\"");
    let mut plant = Plant::default();
    if let Some(name) = section.text("name", out) {
        plant.name = name.value.into();
    }
    if let Some(zone) = section.text("timezone", out) {
        if let Ok(found) = jiff::tz::TimeZone::get(zone.value) {
            plant.timezone = found;
        } else {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let near = suggest::nearest(zone.value, known.iter().map(String::as_str));
            let help = near.map_or("write an IANA name such as `Europe/Berlin`".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            let message = format!("`{}` is no time zone", zone.value);
            out.error("timezone", &section.path, zone.at, message, Some(help));
        }
    }
    out.mark("plant.on_expiry".to_owned(), section.at_key("on_expiry"));
    plant.on_expiry = section.word("on_expiry", &ON_EXPIRY, out).unwrap_or_default();
    let doubt = [("allow-local", OnClockDoubt::AllowLocal), ("refuse", OnClockDoubt::Refuse)];
    plant.on_clock_doubt = section.word("on_clock_doubt", &doubt, out).unwrap_or_default();
    section.finish(out);
    plant
}

pub(super) fn shift(mut section: Section<'_>, out: &mut Report<'_>) -> Option<Shift> {
    section.require("days", "days = \"Mon-Fri\"");
    section.require("hours", "hours = \"06:00-14:00\"");
    let path = section.path.clone();
    let days = section.text("days", out).and_then(|text| parsed("shift-days", &path, text, words::days, out));
    let hours = section.text("hours", out).and_then(|text| parsed("shift-hours", &path, text, words::times, out));
    let overlap = section.whole("overlap", 0..=720, out).unwrap_or(15);
    section.finish(out);
    let (start, end) = hours?;
    Some(Shift { hours: Hours { days: days?, start, end }, overlap: u16::try_from(overlap).ok()? })
}

pub(super) fn zone(mut section: Section<'_>, out: &mut Report<'_>) -> Zone {
    section.require("networks", "networks = [\"10.10.1.0/24\"]");
    let path = section.path.clone();
    let shared = |text: Option<crate::policy::tree::Text<'_>>| text.map(|text| Arc::from(text.value));
    let place = out.source.place(section.at());
    let about = shared(section.text("about", out));
    let kinds = [("control", ZoneKind::Control), ("it", ZoneKind::It)];
    let kind = section.word("kind", &kinds, out).unwrap_or_default();
    let mut networks = Vec::new();
    for text in section.texts("networks", out).unwrap_or_default() {
        if let Some(network) = parsed("network", &path, text, words::network, out) {
            out.mark(format!("{path}.networks.{network}"), text.at);
            networks.push(network);
        }
    }
    let target_level = section.whole("target_level", 0..=4, out).and_then(|level| u8::try_from(level).ok());
    let sheet = Sheet {
        island: shared(section.text("island", out)),
        owner: shared(section.text("owner", out)),
        boundary: shared(section.text("boundary", out)),
    };
    section.finish(out);
    Zone { about, kind, networks, target_level, sheet, place }
}
