//! `[profiles.X]` and `[assets.X]` with their points.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Names, parsed, unknown};
use crate::names::PointName;
use crate::policy::model::{Asset, Point, Profile, UnitZero, WordOrder};
use crate::policy::report::Report;
use crate::policy::tree::{Section, Text};
use crate::policy::{point, words};

/// A profile and the answer deadline that comes with its family.
#[derive(Clone, Debug)]
pub(super) struct Known {
    profile: Profile,
    answer_within: Duration,
}

/// The profiles that are built in, by name.
const BUILT_IN: [&str; 3] = ["direct", "serial", "schneider"];

fn built_in(name: &str) -> Known {
    let direct = Profile {
        name: name.into(),
        unit_zero: UnitZero::Itself,
        long_frames: false,
        echoes_ids: Some(true),
        repeats_ids: true,
        read_gaps: false,
        programming: BTreeSet::new(),
        order: WordOrder::BigWord,
    };
    match name {
        "serial" => Known {
            profile: Profile { unit_zero: UnitZero::Broadcast, echoes_ids: None, ..direct },
            answer_within: Duration::from_secs(12),
        },
        "schneider" => Known {
            profile: Profile { long_frames: true, programming: BTreeSet::from([90]), ..direct },
            answer_within: Duration::from_secs(6),
        },
        _ => Known { profile: direct, answer_within: Duration::from_secs(6) },
    }
}

/// The built-in profiles and the plant's own.
pub(super) fn profiles(sections: Vec<Section<'_>>, out: &mut Report<'_>) -> BTreeMap<String, Known> {
    let mut profiles: BTreeMap<String, Known> =
        BUILT_IN.into_iter().map(|name| (name.to_owned(), built_in(name))).collect();
    for section in sections {
        let name = section.name;
        if BUILT_IN.contains(&name.value) {
            let help = "give yours another name and write `base = ..`".to_owned();
            out.error("name", &section.path, name.at, format!("the profile `{}` is built in", name.value), Some(help));
        }
        let known = profile(section, out);
        profiles.entry(name.value.to_owned()).or_insert(known);
    }
    profiles
}

fn profile(mut section: Section<'_>, out: &mut Report<'_>) -> Known {
    section.require("base", "base = \"direct\"");
    let base = section.text("base", out);
    if let Some(base) = base.filter(|base| !BUILT_IN.contains(&base.value)) {
        unknown("profile-unknown", &section.path, "built-in profile", &base, BUILT_IN, out);
    }
    let mut known = built_in(base.map_or("direct", |base| base.value));
    let profile = &mut known.profile;
    profile.name = section.name.value.into();
    let zero = [("self", UnitZero::Itself), ("broadcast", UnitZero::Broadcast)];
    if let Some(zero) = section.word("unit_zero", &zero, out) {
        profile.unit_zero = zero;
    }
    for (key, field) in [
        ("long_frames", &mut profile.long_frames),
        ("repeats_ids", &mut profile.repeats_ids),
        ("read_gaps", &mut profile.read_gaps),
    ] {
        *field = section.flag(key, out).unwrap_or(*field);
    }
    profile.echoes_ids = section.flag("echoes_ids", out).or(profile.echoes_ids);
    if let Some(codes) = section.wholes("programming", &(1..=127), out) {
        profile.programming = codes.into_iter().filter_map(|(code, _)| u8::try_from(code).ok()).collect();
    }
    let orders = [
        ("big-word", WordOrder::BigWord),
        ("little-word", WordOrder::LittleWord),
        ("big-word swapped", WordOrder::BigWordSwapped),
        ("little-word swapped", WordOrder::LittleWordSwapped),
    ];
    profile.order = section.word("order", &orders, out).unwrap_or(profile.order);
    section.finish(out);
    known
}

pub(super) fn asset(
    mut section: Section<'_>,
    names: &Names<'_>,
    profiles: &BTreeMap<String, Known>,
    out: &mut Report<'_>,
) -> Option<Asset> {
    section.require("zone", "zone = \"filling\"");
    section.require("connect", "connect = \"modbus://10.10.1.20:502\"");
    let path = section.path.clone();
    let zone = section.text("zone", out);
    if let Some(zone) = zone.filter(|zone| !names.zones.contains(zone.value)) {
        unknown("asset-zone", &path, "zone", &zone, names.zones.iter().copied(), out);
    }
    let mut listen = Vec::new();
    out.mark(format!("{path}.listen"), section.at_key("listen"));
    for text in section.texts("listen", out).unwrap_or_default() {
        if let Some(read) = parsed("listen-syntax", &path, text, words::listen, out) {
            out.mark(format!("{path}.listen.{}", read.at), text.at);
            listen.push(read);
        }
    }
    out.mark(format!("{path}.connect"), section.at_key("connect"));
    let connect =
        section.text("connect", out).and_then(|text| parsed("connect-syntax", &path, text, words::connect, out));
    let known = known_profile(&mut section, profiles, out);
    let units = units(&mut section, &known.profile, out);
    let connections = section.whole("connections", 1..=65_535, out).unwrap_or(1000);
    let safety = section.flag("safety", out).unwrap_or(false);
    let answer = section.text("answer_within", out);
    let answer = answer.and_then(|text| parsed("duration", &path, text, words::duration, out));
    let in_order = section.flag("in_order", out).unwrap_or(true);
    let share_upstream = section.flag("share_upstream", out).unwrap_or(false);
    let points = section.table("points", out).map(|points| self::points(points, known.profile.order, out));
    let place = out.source.place(section.at());
    section.finish(out);
    Some(Asset {
        zone: zone?.value.into(),
        listen,
        connect: connect?,
        answer_within: answer.unwrap_or(known.answer_within),
        profile: known.profile,
        units,
        connections: u16::try_from(connections).ok()?,
        safety,
        in_order,
        share_upstream,
        points: points.unwrap_or_default(),
        place,
    })
}

fn known_profile(section: &mut Section<'_>, profiles: &BTreeMap<String, Known>, out: &mut Report<'_>) -> Known {
    let name = section.text("profile", out);
    let known = profiles.get(name.map_or("direct", |name| name.value));
    if let (None, Some(name)) = (known, name) {
        unknown("profile-unknown", &section.path, "profile", &name, profiles.keys().map(String::as_str), out);
    }
    known.cloned().unwrap_or_else(|| built_in("direct"))
}

/// Unit ids. On a bus they say who is there, so a bus without any would answer nobody.
fn units(section: &mut Section<'_>, profile: &Profile, out: &mut Report<'_>) -> Vec<u8> {
    let mut units = Vec::new();
    for (unit, at) in section.wholes("units", &(1..=255), out).unwrap_or_default() {
        let unit = u8::try_from(unit).unwrap_or(0);
        if units.contains(&unit) {
            let help = Some("keep one of them".to_owned());
            out.error("twice", &section.path, at, format!("unit `{unit}` stands twice in `units`"), help);
        } else {
            units.push(unit);
        }
    }
    if units.is_empty() && profile.unit_zero == UnitZero::Broadcast && !section.has("units") {
        section.require("units", "units = [1]");
    }
    units
}

fn points(mut section: Section<'_>, order: WordOrder, out: &mut Report<'_>) -> BTreeMap<PointName, Point> {
    let mut points = BTreeMap::new();
    for (name, text) in section.entries(out) {
        let path = section.key(name.value);
        out.object(&path, text.at);
        let read = |text: &str| point::read(text, order);
        if let Some(mut point) = parsed("point-syntax", &path, text, read, out) {
            mark_words(&path, &text, out);
            point.place = out.source.place(text.at);
            points.insert(name.value.into(), point);
        }
    }
    points
}

/// Lint points at the address, the safe value and the word `heartbeat` of a point.
fn mark_words(path: &str, text: &Text<'_>, out: &mut Report<'_>) {
    let words = words::split(text.value);
    let value = |word: &str| words.iter().zip(words.iter().skip(1)).find(|((_, name), _)| *name == word);
    if let Some((_, (at, _))) = value("safe") {
        out.mark(format!("{path}.safe"), text.at_byte(*at));
    }
    if let Some((at, _)) = words.iter().find(|(_, word)| *word == "heartbeat") {
        out.mark(format!("{path}.heartbeat"), text.at_byte(*at));
    }
    if let Some((at, _)) = words.iter().find(|(_, word)| word.starts_with(|c: char| c.is_ascii_digit())) {
        out.mark(format!("{path}.first"), text.at_byte(*at));
    }
}
