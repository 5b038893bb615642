//! What a write would leave in a point, element by element, and whether the point takes it.

use super::model::{Number, Point, WordOrder};
use crate::access::Values;

/// The values of one access, seen from one point: `skip` registers (or coils) of the access lie before the part.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// All values of the access.
    pub values: Values<'a>,
    /// Registers or coils of the access before this part.
    pub skip: u16,
    /// The first address of the part.
    pub first: u16,
    /// Its last address, included.
    pub last: u16,
}

/// What a point says to the values of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every element is the safe value, or the point is a heartbeat and takes it: never refused (law 1).
    Waived,
    /// Every element is allowed.
    Inside,
    /// An element is outside the limits, cannot be known, or is only half written.
    Outside,
}

impl Point {
    /// Judges the part of a write that lies inside this point.
    pub fn fit(&self, part: Part<'_>) -> Fit {
        let number = self.number.unwrap_or_default();
        let width = number.width();
        let (Some(lead), Some(tail)) = (part.first.checked_sub(self.first), part.last.checked_sub(self.first)) else {
            return Fit::Outside;
        };
        if width == 2 && (lead % 2 != 0 || tail % 2 != 1) {
            return Fit::Outside;
        }
        let limits = Limits::of(self, number);
        let unlimited = if self.heartbeat { Fit::Waived } else { Fit::Inside };
        if !limits.judges() {
            return unlimited;
        }
        let count = usize::from(part.last.saturating_sub(part.first)) / usize::from(width) + 1;
        let mut safe = limits.safe.is_some();
        let mut inside = true;
        for element in 0..count {
            let at = usize::from(part.skip) + element * usize::from(width);
            let Some(value) = element_at(part.values, number, self.order, at) else {
                // Not known (a mask write that keeps bits), or fewer bytes than addresses: no limit can be shown to hold.
                return if limits.any_value() { unlimited } else { Fit::Outside };
            };
            safe &= limits.is_safe(value);
            inside &= limits.contains(value);
        }
        if safe || (self.heartbeat && inside) {
            Fit::Waived
        } else if inside {
            Fit::Inside
        } else {
            Fit::Outside
        }
    }
}

impl Point {
    /// Why the part of a write does not fit, for people; `None` where it fits.
    pub fn misfit(&self, part: Part<'_>) -> Option<String> {
        if self.fit(part) != Fit::Outside {
            return None;
        }
        let number = self.number.unwrap_or_default();
        let (lead, tail) = (part.first.saturating_sub(self.first), part.last.saturating_sub(self.first));
        if number.width() == 2 && (lead % 2 != 0 || tail % 2 != 1) {
            return Some(format!("it is only part of a 32-bit value ({})", number.word()));
        }
        let limits = Limits::of(self, number);
        let between = || self.values.map_or_else(String::new, |(low, high)| format!(" {low}..{high}"));
        let elements = usize::from(part.last.saturating_sub(part.first)) / usize::from(number.width()) + 1;
        for element in 0..elements {
            let at = usize::from(part.skip) + element * usize::from(number.width());
            match element_at(part.values, number, self.order, at) {
                None => return Some(format!("the value that it leaves is not known to be within{}", between())),
                Some(value) if !value.is_finite() => return Some(format!("{value} is no finite number")),
                Some(value) if !limits.contains(value) => return Some(format!("{value} is outside{}", between())),
                Some(_) => {}
            }
        }
        None
    }

    /// The values of a part, element by element, as far as they are known.
    pub fn numbers(&self, part: Part<'_>) -> Vec<f64> {
        let number = self.number.unwrap_or_default();
        let elements = usize::from(part.last.saturating_sub(part.first)) / usize::from(number.width()) + 1;
        let at = |element| usize::from(part.skip) + element * usize::from(number.width());
        (0..elements).map_while(|element| element_at(part.values, number, self.order, at(element))).collect()
    }
}

/// What must hold for each element. f32 limits are compared as the nearest f32, so that `values 0..0.1` takes the f32 0.1.
struct Limits {
    values: Option<(f64, f64)>,
    safe: Option<f64>,
    float: bool,
}

impl Limits {
    fn of(point: &Point, number: Number) -> Self {
        let float = number == Number::F32;
        let near = |value: f64| if float { nearest(value) } else { value };
        Self { values: point.values.map(|(low, high)| (near(low), near(high))), safe: point.safe.map(near), float }
    }

    /// False when every value passes and none is special.
    const fn judges(&self) -> bool {
        self.values.is_some() || self.safe.is_some() || self.float
    }

    /// True when a value that cannot be known passes.
    const fn any_value(&self) -> bool {
        self.values.is_none() && !self.float
    }

    #[expect(clippy::float_cmp, reason = "the safe value is exactly one value; -0.0 equals 0")]
    fn is_safe(&self, value: f64) -> bool {
        self.safe.is_some_and(|safe| safe == value)
    }

    fn contains(&self, value: f64) -> bool {
        value.is_finite() && self.values.is_none_or(|(low, high)| low <= value && value <= high)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is wanted")]
fn nearest(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The element that starts `at` registers (or coils) into the values. Every number of the language is exact in an f64.
fn element_at(values: Values<'_>, number: Number, order: WordOrder, at: usize) -> Option<f64> {
    match values {
        Values::Coil(on) => (at == 0).then(|| f64::from(u8::from(on))),
        Values::Coils(packed) => packed.get(at / 8).map(|byte| f64::from(byte >> (at % 8) & 1)),
        Values::Mask { and: 0, or } if at == 0 && number.width() == 1 => Some(narrow(or.to_be_bytes(), number)),
        Values::None | Values::Mask { .. } => None,
        Values::Registers(bytes) => {
            let bytes = bytes.get(at * 2..)?;
            match number {
                Number::U16 | Number::I16 => bytes.first_chunk().map(|word| narrow(*word, number)),
                Number::U32 | Number::I32 | Number::F32 => bytes.first_chunk().map(|words| wide(*words, number, order)),
            }
        }
    }
}

fn narrow(word: [u8; 2], number: Number) -> f64 {
    if number == Number::I16 { f64::from(i16::from_be_bytes(word)) } else { f64::from(u16::from_be_bytes(word)) }
}

fn wide([a, b, c, d]: [u8; 4], number: Number, order: WordOrder) -> f64 {
    let bytes = match order {
        WordOrder::BigWord => [a, b, c, d],
        WordOrder::LittleWord => [c, d, a, b],
        WordOrder::BigWordSwapped => [b, a, d, c],
        WordOrder::LittleWordSwapped => [d, c, b, a],
    };
    match number {
        Number::I32 => f64::from(i32::from_be_bytes(bytes)),
        Number::F32 => f64::from(f32::from_be_bytes(bytes)),
        Number::U16 | Number::I16 | Number::U32 => f64::from(u32::from_be_bytes(bytes)),
    }
}

#[cfg(test)]
mod tests;
