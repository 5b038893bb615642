//! A question in the words of the policy, such as `write speed 900`, made into the accesses that a frame would ask for.

use std::num::NonZeroU16;

use smallvec::smallvec;

use super::model::{Asset, Number, Point, UnitZero, WordOrder};
use super::suggest::nearest;
use crate::access::{Access, Accesses, Bank, Target, Values, Verb};
use crate::names::{AssetId, PointName};

/// A question about one asset.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    verb: Verb,
    function: u8,
    unit: u8,
    on: On,
}

#[derive(Clone, Debug, PartialEq)]
enum On {
    Registers { bank: Bank, first: u16, count: NonZeroU16, values: Written },
    Function { sub: Option<u16> },
}

/// What would be written: packed as on the wire, or nothing that can be known.
#[derive(Clone, Debug, PartialEq)]
enum Written {
    Unknown,
    Coil(bool),
    Coils(Vec<u8>),
    Registers(Vec<u8>),
}

/// Why a question cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The policy does not let the subject show itself so.
    #[error("`{subject}` cannot show itself by {by}: the policy lets it show itself by {admitted}")]
    Proof {
        /// Who.
        subject: String,
        /// By what.
        by: &'static str,
        /// What the policy admits.
        admitted: String,
    },
    /// There is no such asset.
    #[error("there is no asset named `{name}`{help}")]
    Asset {
        /// What was written.
        name: String,
        /// A suggestion, or nothing.
        help: String,
    },
    /// There is no such subject.
    #[error("there is no subject named `{name}`{help}")]
    Subject {
        /// What was written.
        name: String,
        /// A suggestion, or nothing.
        help: String,
    },
    /// The asset has no such point.
    #[error("`{asset}` has no point named `{name}`{help}")]
    Point {
        /// The asset.
        asset: AssetId,
        /// What was written.
        name: String,
        /// A suggestion, or nothing.
        help: String,
    },
    /// The point cannot be written by any function.
    #[error("`{point}` lies in {bank}, which cannot be written")]
    ReadOnly {
        /// The point.
        point: PointName,
        /// Its bank.
        bank: &'static str,
    },
    /// The value is no number.
    #[error("`{text}` is no number; write for example `write {point} 900`")]
    Number {
        /// What was written.
        text: String,
        /// The point.
        point: PointName,
    },
    /// The value has no place in the registers.
    #[error("`{text}` does not fit: `{point}` holds {holds}")]
    Fit {
        /// What was written.
        text: String,
        /// The point.
        point: PointName,
        /// What fits.
        holds: &'static str,
    },
    /// The point has no such element.
    #[error("`{point}` has {elements} elements, counted from 0: there is no `[{text}]`")]
    Element {
        /// What was written.
        text: String,
        /// The point.
        point: PointName,
        /// How many it has.
        elements: u32,
    },
    /// The words are none of the language.
    #[error(
        "cannot read `{text}`{help}; write `read POINT`, `write POINT VALUE`, `broadcast POINT VALUE`, `programming`, \
         `diagnostics identify`, `diagnostics restart`, `diagnostics listen-only` or `function N`"
    )]
    Words {
        /// What was written.
        text: String,
        /// A suggestion, or nothing.
        help: String,
    },
}

/// The first words of a question.
const VERBS: [&str; 6] = ["read", "write", "broadcast", "programming", "diagnostics", "function"];
const DIAGNOSTICS: [&str; 3] = ["identify", "restart", "listen-only"];

impl Ask {
    /// Reads a question about an asset.
    pub fn parse(id: &AssetId, asset: &Asset, text: &str) -> Result<Self, AskError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let own = asset.units.first().copied().unwrap_or(1);
        let function =
            |code, sub| Ok(Self { verb: Verb::Function, function: code, unit: own, on: On::Function { sub } });
        match words.as_slice() {
            ["read", point] => Ok(read(own, &find(id, asset, point)?)),
            ["write", point] => write(own, &find(id, asset, point)?, None),
            ["write", point, value] => write(own, &find(id, asset, point)?, Some(value)),
            ["broadcast", point, value] => {
                let unit = if asset.profile.unit_zero == UnitZero::Broadcast { 0 } else { own };
                Ok(Self { verb: Verb::Broadcast, ..write(unit, &find(id, asset, point)?, Some(value))? })
            }
            ["programming"] => function(90, None),
            ["diagnostics", "identify"] => function(43, Some(14)),
            ["diagnostics", "restart"] => function(8, Some(1)),
            ["diagnostics", "listen-only"] => function(8, Some(4)),
            ["function", number] => match code(number) {
                Some((code, sub)) => function(code, sub),
                None => Err(unreadable(text, "")),
            },
            [] => Err(unreadable(text, "")),
            ["diagnostics", word, ..] => Err(unreadable(text, &hint(word, DIAGNOSTICS))),
            [word, ..] => Err(unreadable(text, &hint(word, VERBS))),
        }
    }

    /// The accesses of a frame that asks for it; a broadcast comes with the write that it carries.
    pub fn accesses(&self) -> Accesses<'_> {
        let target = match &self.on {
            On::Registers { bank, first, count, values } => Target::Registers {
                unit: self.unit,
                bank: *bank,
                first: *first,
                count: *count,
                values: match values {
                    Written::Unknown => Values::None,
                    Written::Coil(on) => Values::Coil(*on),
                    Written::Coils(packed) => Values::Coils(packed),
                    Written::Registers(bytes) => Values::Registers(bytes),
                },
            },
            On::Function { sub } => Target::Function { unit: self.unit, code: self.function, sub: *sub },
        };
        let access = |verb| Access { asset: None, verb, function: self.function, target };
        match self.verb {
            Verb::Broadcast => smallvec![access(Verb::Broadcast), access(Verb::Write)],
            verb @ (Verb::Read | Verb::Write | Verb::Function) => smallvec![access(verb)],
        }
    }
}

/// A point, or one element of it.
struct Place<'p> {
    name: &'p PointName,
    point: &'p Point,
    first: u16,
    last: u16,
}

fn find<'p>(id: &AssetId, asset: &'p Asset, text: &str) -> Result<Place<'p>, AskError> {
    let (word, element) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((word, element)) => (word, Some(element)),
        None => (text, None),
    };
    let Some((name, point)) = asset.points.get_key_value(word) else {
        let help = hint(word, asset.points.keys().map(PointName::as_str));
        return Err(AskError::Point { asset: id.clone(), name: word.to_owned(), help });
    };
    let Some(element) = element else {
        return Ok(Place { name, point, first: point.first, last: point.last });
    };
    let width = point.number.unwrap_or_default().width();
    let elements = (u32::from(point.last.saturating_sub(point.first)) + 1) / u32::from(width);
    let found = element.parse::<u16>().ok().filter(|index| u32::from(*index) < elements);
    let first = found.and_then(|index| point.first.checked_add(index.checked_mul(width)?));
    let first = first.ok_or_else(|| AskError::Element { text: element.to_owned(), point: name.clone(), elements })?;
    Ok(Place { name, point, first, last: first.saturating_add(width - 1) })
}

impl Place<'_> {
    fn count(&self) -> NonZeroU16 {
        // A bank of 65,536 addresses in one access does not fit the wire anyway.
        NonZeroU16::MIN.saturating_add(self.last.saturating_sub(self.first))
    }
}

fn read(unit: u8, place: &Place<'_>) -> Ask {
    let function = match place.point.bank {
        Bank::Coils => 1,
        Bank::Discrete => 2,
        Bank::Holding => 3,
        Bank::Input => 4,
        Bank::File(_) => 20,
    };
    Ask { verb: Verb::Read, function, unit, on: on(place, Written::Unknown) }
}

fn write(unit: u8, place: &Place<'_>, value: Option<&str>) -> Result<Ask, AskError> {
    let one = place.first == place.last;
    let function = match (place.point.bank, one) {
        (Bank::Coils, true) => 5,
        (Bank::Coils, false) => 15,
        (Bank::Holding, true) => 6,
        (Bank::Holding, false) => 16,
        (Bank::File(_), _) => 21,
        (Bank::Discrete, _) => return Err(AskError::ReadOnly { point: place.name.clone(), bank: "discrete inputs" }),
        (Bank::Input, _) => return Err(AskError::ReadOnly { point: place.name.clone(), bank: "input registers" }),
    };
    let values = value.map_or(Ok(Written::Unknown), |text| encode(place, text))?;
    Ok(Ask { verb: Verb::Write, function, unit, on: on(place, values) })
}

fn on(place: &Place<'_>, values: Written) -> On {
    On::Registers { bank: place.point.bank, first: place.first, count: place.count(), values }
}

/// One value in every element of the place.
fn encode(place: &Place<'_>, text: &str) -> Result<Written, AskError> {
    let value = match text {
        "true" | "on" => 1.0,
        "false" | "off" => 0.0,
        text => {
            text.parse::<f64>().map_err(|_| AskError::Number { text: text.to_owned(), point: place.name.clone() })?
        }
    };
    let count = usize::from(place.count().get());
    if place.point.bank == Bank::Coils {
        let on = exact(value, 0.0, 1.0).ok_or_else(|| misfit(place, text, "0 or 1"))? == 1;
        return Ok(if count == 1 { Written::Coil(on) } else { Written::Coils(packed(on, count)) });
    }
    let number = place.point.number.unwrap_or_default();
    let element = element(number, place.point.order, value).ok_or_else(|| misfit(place, text, holds(number)))?;
    let repeats = count / usize::from(number.width()).max(1);
    Ok(Written::Registers(element.repeat(repeats)))
}

fn misfit(place: &Place<'_>, text: &str, holds: &'static str) -> AskError {
    AskError::Fit { text: text.to_owned(), point: place.name.clone(), holds }
}

fn packed(on: bool, count: usize) -> Vec<u8> {
    (0..count.div_ceil(8))
        .map(|byte| {
            let bits = count.saturating_sub(byte * 8).min(8);
            if on { u8::MAX.checked_shr(u32::try_from(8 - bits).unwrap_or(0)).unwrap_or(0) } else { 0 }
        })
        .collect()
}

fn holds(number: Number) -> &'static str {
    match number {
        Number::U16 => "whole numbers from 0 to 65535",
        Number::I16 => "whole numbers from -32768 to 32767",
        Number::U32 => "whole numbers from 0 to 4294967295",
        Number::I32 => "whole numbers from -2147483648 to 2147483647",
        Number::F32 => "numbers of 32 bits",
    }
}

fn element(number: Number, order: WordOrder, value: f64) -> Option<Vec<u8>> {
    let wide = |[a, b, c, d]: [u8; 4]| match order {
        WordOrder::BigWord => vec![a, b, c, d],
        WordOrder::LittleWord => vec![c, d, a, b],
        WordOrder::BigWordSwapped => vec![b, a, d, c],
        WordOrder::LittleWordSwapped => vec![d, c, b, a],
    };
    match number {
        Number::U16 => Some(u16::try_from(exact(value, 0.0, 65535.0)?).ok()?.to_be_bytes().to_vec()),
        Number::I16 => Some(i16::try_from(exact(value, -32768.0, 32767.0)?).ok()?.to_be_bytes().to_vec()),
        Number::U32 => Some(wide(u32::try_from(exact(value, 0.0, 4_294_967_295.0)?).ok()?.to_be_bytes())),
        Number::I32 => Some(wide(i32::try_from(exact(value, -2_147_483_648.0, 2_147_483_647.0)?).ok()?.to_be_bytes())),
        Number::F32 => {
            #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is what a master would send")]
            let near = value as f32;
            Some(wide(near.to_be_bytes()))
        }
    }
}

/// A whole number between two bounds, both included.
fn exact(value: f64, low: f64, high: f64) -> Option<i64> {
    let whole = value.fract() == 0.0 && (low..=high).contains(&value);
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 33 bits")]
    whole.then_some(value as i64)
}

/// `N` or `N/SUB`.
fn code(text: &str) -> Option<(u8, Option<u16>)> {
    let (code, sub) = match text.split_once('/') {
        Some((code, sub)) => (code, Some(sub.parse().ok()?)),
        None => (text, None),
    };
    Some((code.parse().ok().filter(|code| (1..128).contains(code))?, sub))
}

fn unreadable(text: &str, help: &str) -> AskError {
    AskError::Words { text: text.to_owned(), help: help.to_owned() }
}

/// `; did you mean `x`?`, or nothing.
pub(super) fn hint<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::riverside::policy;

    fn ask(words: &str) -> Result<Ask, String> {
        let policy = policy();
        let (id, asset) = policy.assets.get_key_value("filler-plc").unwrap();
        Ask::parse(id, asset, words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_becomes_the_access_of_a_frame() {
        let ask = ask("write setpoint 70000").unwrap();
        let accesses = ask.accesses();
        let Target::Registers { unit, bank, first, count, values } = accesses[0].target else { panic!("{accesses:?}") };
        assert_eq!((unit, bank, first, count.get(), accesses[0].function), (1, Bank::Holding, 300, 2, 16));
        assert_eq!(values, Values::Registers(&[0, 1, 0x11, 0x70]));
    }

    #[test]
    fn one_element_of_an_array_may_be_meant() {
        let ask = ask("write recipe[12] 520").unwrap();
        let Target::Registers { first, count, .. } = ask.accesses()[0].target else { panic!("{ask:?}") };
        assert_eq!((first, count.get()), (212, 1));
        let error = self::ask("write recipe[40] 520").unwrap_err();
        assert_eq!(error, "`recipe` has 40 elements, counted from 0: there is no `[40]`");
    }

    #[test]
    fn a_slip_is_answered_with_what_was_probably_meant() {
        for (words, wanted) in [
            ("write sped 900", "`filler-plc` has no point named `sped`; did you mean `speed`?"),
            ("wrte speed 900", "cannot read `wrte speed 900`; did you mean `write`?; write `read POINT`"),
            ("diagnostics restrat", "cannot read `diagnostics restrat`; did you mean `restart`?; write"),
            ("write status 1", "`status` lies in input registers, which cannot be written"),
            ("write speed fast", "`fast` is no number; write for example `write speed 900`"),
            ("write speed 70000", "`70000` does not fit: `speed` holds whole numbers from 0 to 65535"),
            ("write jog 2", "`2` does not fit: `jog` holds 0 or 1"),
            ("function 128", "cannot read `function 128`; write"),
            ("", "cannot read ``; write"),
        ] {
            let error = ask(words).unwrap_err();
            assert!(error.starts_with(wanted), "{words}: {error}");
        }
    }
}
