//! The point grammar: `TABLE FIRST[-LAST] [as u32 big-word] [values LOW..HIGH] [safe VALUE] [heartbeat]`.

use super::model::{Number, Point, WordOrder};
use super::problem::Place;
use super::suggest;
use super::words::{Wrong, digits, split};
use crate::access::Bank;

const EXAMPLE: &str = "write for example `holding 100-119 values 0..1200`";
const BANKS: [&str; 5] = ["coils", "discrete", "input", "holding", "file"];
const TYPES: [(&str, Number); 5] =
    [("u16", Number::U16), ("i16", Number::I16), ("u32", Number::U32), ("i32", Number::I32), ("f32", Number::F32)];
const REST: [&str; 4] = ["as", "values", "safe", "heartbeat"];

/// Reads a point. `order` is the asset's word order where the point says none.
pub(super) fn read(text: &str, order: WordOrder) -> Result<Point, Wrong> {
    let words = split(text);
    let mut words = Words { words: &words, end: text.len() };
    let bank = bank(&mut words)?;
    let (range_at, range) = words.next().ok_or_else(|| words.ends("an address", text))?;
    let (first, last) = addresses(range_at, range)?;
    let mut point = Point {
        bank,
        first,
        last,
        number: None,
        order,
        values: None,
        safe: None,
        heartbeat: false,
        place: Place::default(),
    };
    if let Some(at) = words.take("as") {
        typed(&mut point, at, &mut words, text)?;
        let (count, width) = (u32::from(last - first) + 1, point.number.map_or(1, Number::width));
        if count % u32::from(width) != 0 {
            let word = point.number.map_or("", Number::word);
            let message = format!("`{range}` has {count} registers, and {word} takes {width} each");
            return Err(Wrong::new(range_at, message, "end the range on a whole element"));
        }
    }
    if let Some(at) = words.take("values") {
        let (limits_at, limits) = words.next().ok_or_else(|| words.ends("values such as `0..1200`", text))?;
        if bank_of_bits(bank) {
            return Err(Wrong::new(
                at,
                format!("`values {limits}` on coils or discrete inputs"),
                "leave it out: they are 0 or 1",
            ));
        }
        point.values = Some(values(limits_at, limits, point.number)?);
    }
    if words.take("safe").is_some() {
        let (safe_at, safe) = words.next().ok_or_else(|| words.ends("a value such as `safe 0`", text))?;
        point.safe = Some(safe_value(safe_at, safe, &point)?);
    }
    point.heartbeat = words.take("heartbeat").is_some();
    match words.next() {
        None => Ok(point),
        Some((at, word)) if REST.contains(&word) => {
            let help = "the order is `as`, `values`, `safe`, `heartbeat`, each once";
            Err(Wrong::new(at, format!("`{word}` stands too late or twice"), help))
        }
        Some((at, word)) => {
            let help = suggest::nearest(word, REST).map(|near| format!("did you mean `{near}`?"));
            let help = help.unwrap_or_else(|| EXAMPLE.to_owned());
            Err(Wrong::new(at, format!("`{word}` does not belong in a point"), &help))
        }
    }
}

struct Words<'w> {
    words: &'w [(usize, &'w str)],
    end: usize,
}

impl<'w> Words<'w> {
    fn next(&mut self) -> Option<(usize, &'w str)> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(*first)
    }

    fn take(&mut self, word: &str) -> Option<usize> {
        let (at, _) = *self.words.first().filter(|(_, next)| *next == word)?;
        self.next();
        Some(at)
    }

    fn ends(&self, wanted: &str, text: &str) -> Wrong {
        Wrong::new(self.end, format!("`{text}` ends before {wanted}"), EXAMPLE)
    }
}

fn bank(words: &mut Words<'_>) -> Result<Bank, Wrong> {
    let (at, word) = words.next().ok_or_else(|| words.ends("its table", ""))?;
    match word {
        "coils" => Ok(Bank::Coils),
        "discrete" => Ok(Bank::Discrete),
        "input" => Ok(Bank::Input),
        "holding" => Ok(Bank::Holding),
        "file" => {
            let (at, number) = words.next().ok_or_else(|| words.ends("the file's number", "file"))?;
            let found = digits(number).filter(|number| *number > 0).map(Bank::File);
            found.ok_or_else(|| Wrong::new(at, format!("`{number}` is no file number"), "files go from 1 to 65535"))
        }
        _ => {
            let plain = word.trim_end_matches('s');
            let help = match plain {
                "register" | "holding-register" => Some("write `holding`, or `input` for input registers".to_owned()),
                _ => suggest::help(word, BANKS),
            };
            Err(Wrong { at, message: format!("`{word}` is no table of Modbus addresses"), help })
        }
    }
}

fn bank_of_bits(bank: Bank) -> bool {
    matches!(bank, Bank::Coils | Bank::Discrete)
}

/// `100` or `100-119`.
fn addresses(at: usize, text: &str) -> Result<(u16, u16), Wrong> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let one = |at: usize, word: &str| {
        digits::<u16>(word).ok_or_else(|| {
            Wrong::new(
                at,
                format!("`{word}` is no address, in `{text}`"),
                "addresses go from 0 to 65535, as on the wire",
            )
        })
    };
    let last_at = if first.len() == text.len() { at } else { at + first.len() + 1 };
    let (first, last) = (one(at, first)?, one(last_at, last)?);
    if first > last {
        return Err(Wrong::new(at, format!("`{text}` runs backwards"), &format!("did you mean `{last}-{first}`?")));
    }
    Ok((first, last))
}

/// `u32 big-word swapped` behind `as`.
fn typed(point: &mut Point, at: usize, words: &mut Words<'_>, text: &str) -> Result<(), Wrong> {
    if bank_of_bits(point.bank) {
        return Err(Wrong::new(at, "`as` on coils or discrete inputs".to_owned(), "leave it out: they have no type"));
    }
    let (type_at, word) = words.next().ok_or_else(|| words.ends("a type such as `u32`", text))?;
    let found = TYPES.iter().find(|(known, _)| *known == word);
    let Some((_, number)) = found else {
        let help = suggest::help(word, TYPES.map(|(known, _)| known));
        return Err(Wrong { at: type_at, message: format!("`{word}` is no type"), help });
    };
    point.number = Some(*number);
    let big = words.take("big-word");
    if big.or_else(|| words.take("little-word")).is_none() {
        return Ok(());
    }
    let swapped = words.take("swapped");
    if let Some(at) = swapped.filter(|_| number.width() == 1) {
        return Err(Wrong::new(at, format!("`swapped` on {word}"), "only 32-bit types have a byte order to swap"));
    }
    point.order = match (big.is_some(), swapped.is_some()) {
        (true, false) => WordOrder::BigWord,
        (true, true) => WordOrder::BigWordSwapped,
        (false, false) => WordOrder::LittleWord,
        (false, true) => WordOrder::LittleWordSwapped,
    };
    Ok(())
}

/// `0..1200`.
fn values(at: usize, text: &str, number: Option<Number>) -> Result<(f64, f64), Wrong> {
    let Some((low, high)) = text.split_once("..") else {
        return Err(Wrong::new(at, format!("`{text}` is no span of values"), "write for example `0..1200`"));
    };
    let least = value(at, low, number)?;
    let most = value(at + low.len() + 2, high, number)?;
    if least > most {
        return Err(Wrong::new(at, format!("`{text}` runs backwards"), &format!("did you mean `{high}..{low}`?")));
    }
    Ok((least, most))
}

fn safe_value(at: usize, text: &str, point: &Point) -> Result<f64, Wrong> {
    let safe = value(at, text, point.number)?;
    if bank_of_bits(point.bank) && safe > 1.0 {
        return Err(Wrong::new(at, format!("`{text}` is no value of a coil"), "write `safe 0` or `safe 1`"));
    }
    Ok(safe)
}

/// A number that the type can hold. Decimals are for f32 only, whose limits are the nearest f32.
fn value(at: usize, text: &str, number: Option<Number>) -> Result<f64, Wrong> {
    let body = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = body.split_once('.').map_or((body, None), |(whole, part)| (whole, Some(part)));
    let good = |digits: &str| !digits.is_empty() && digits.len() <= 40 && digits.bytes().all(|b| b.is_ascii_digit());
    if !good(whole) || !part.is_none_or(good) {
        return Err(Wrong::new(at, format!("`{text}` is no number"), EXAMPLE));
    }
    let kind = number.map_or("an untyped register", Number::word);
    if part.is_some() && number != Some(Number::F32) {
        return Err(Wrong::new(at, format!("`{text}` has decimals, and {kind} has none"), "decimals are for `as f32`"));
    }
    let (low, high) = match number {
        None | Some(Number::U16) => (0.0, f64::from(u16::MAX)),
        Some(Number::I16) => (f64::from(i16::MIN), f64::from(i16::MAX)),
        Some(Number::U32) => (0.0, f64::from(u32::MAX)),
        Some(Number::I32) => (f64::from(i32::MIN), f64::from(i32::MAX)),
        Some(Number::F32) => (f64::from(f32::MIN), f64::from(f32::MAX)),
    };
    let found = match number {
        Some(Number::F32) => text.parse::<f32>().ok().filter(|value| value.is_finite()).map(f64::from),
        None | Some(Number::U16 | Number::I16 | Number::U32 | Number::I32) => text.parse::<f64>().ok(),
    };
    // Adding 0 turns -0 into 0, which it equals on the wire's side as well.
    let found = found.map(|value| value + 0.0).filter(|value| (low..=high).contains(value));
    found.ok_or_else(|| {
        let help = match number {
            None if body.len() < text.len() => "negative values need `as i16` or `as i32`".to_owned(),
            Some(Number::F32) => "it holds finite numbers up to 3.4e38".to_owned(),
            None | Some(Number::U16 | Number::I16 | Number::U32 | Number::I32) => format!("it holds {low} to {high}"),
        };
        Wrong { at, message: format!("`{text}` does not fit {kind}"), help: Some(help) }
    })
}

#[cfg(test)]
mod tests;
