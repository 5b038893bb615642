//! The language written back: each word prints exactly as it stands in a policy file, so that a message, a record or an
//! explanation can be pasted into one.

use std::fmt;

use super::model::{
    Can, Condition, DayMinute, Days, Forbidden, From, Function, Hours, Limit, LimitOf, Listen, Network,
};
use super::model::{Number, Point, WordOrder};
use crate::access::Bank;

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Programming => f.write_str("programming"),
            Self::Identify => f.write_str("diagnostics identify"),
            Self::Restart => f.write_str("diagnostics restart"),
            Self::ListenOnly => f.write_str("diagnostics listen-only"),
            Self::Code { code, sub: None } => write!(f, "function {code}"),
            Self::Code { code, sub: Some(sub) } => write!(f, "function {code}/{sub}"),
        }
    }
}

impl fmt::Display for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(point) => write!(f, "read {point}"),
            Self::Write(point) => write!(f, "write {point}"),
            Self::Broadcast => f.write_str("broadcast"),
            Self::Function(function) => function.fmt(f),
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(f),
            Self::Broadcast => f.write_str("broadcast"),
            Self::Write(asset, point) => write!(f, "write {asset}/{point}"),
            Self::Asset(asset) => asset.fmt(f),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnShift => f.write_str("on shift"),
            Self::ShiftIs(shift) => write!(f, "shift is {shift}"),
            Self::LineIs(line) => write!(f, "line is {line}"),
            Self::LocationIs(location) => write!(f, "location is {location}"),
            Self::SecondFactor => f.write_str("second factor"),
            Self::WorkOrderOpen => f.write_str("work order open"),
            Self::LoggedInWithin(minutes) => write!(f, "logged in within {minutes} minutes"),
            Self::Assurance(level) => write!(f, "assurance {level}"),
            Self::PlantModeIs(mode) => write!(f, "plant mode is {mode}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            LimitOf::Reads => "reads",
            LimitOf::Writes => "writes",
        };
        match self.seconds {
            1 => write!(f, "{} {of} per second", self.count),
            60 => write!(f, "{} {of} per minute", self.count),
            _ => write!(f, "{} {of} per hour", self.count),
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(zone) => zone.fmt(f),
            Self::Remote(name) => write!(f, "remote:{name}"),
        }
    }
}

impl Days {
    /// The names of the days, Monday first.
    pub const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

    /// True when a day (0 = Monday) is one of them.
    pub fn has(self, day: u8) -> bool {
        day < 7 && self.0 & (1 << day) != 0
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Self::NAMES.iter().zip(0..).filter(|(_, day)| self.has(*day)).map(|(name, _)| *name).collect();
        match names.as_slice() {
            [first, .., last] if self.0 >> self.0.trailing_zeros() == (1 << names.len()) - 1 => {
                write!(f, "{first}-{last}")
            }
            names => f.write_str(&names.join(",")),
        }
    }
}

impl fmt::Display for DayMinute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}-{}", self.days, self.start, self.end)
    }
}

impl fmt::Display for Listen {
    /// The scheme stands where the port does not tell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls && self.at.port() != super::TLS_PORT { "mbaps://" } else { "" };
        write!(f, "{scheme}{}", self.at)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Number {
    /// The word for it in a point.
    pub const fn word(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
        }
    }
}

impl WordOrder {
    /// The words for it in a point.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BigWord => "big-word",
            Self::LittleWord => "little-word",
            Self::BigWordSwapped => "big-word swapped",
            Self::LittleWordSwapped => "little-word swapped",
        }
    }
}

/// The word of a bank as a point starts with it: `coils`, `holding`, `file 4`.
pub struct BankWord(pub Bank);

impl fmt::Debug for BankWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BankWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Bank::Coils => f.write_str("coils"),
            Bank::Discrete => f.write_str("discrete"),
            Bank::Input => f.write_str("input"),
            Bank::Holding => f.write_str("holding"),
            Bank::File(number) => write!(f, "file {number}"),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", BankWord(self.bank), self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        if let Some(number) = self.number {
            write!(f, " as {}", number.word())?;
            if number.width() > 1 {
                write!(f, " {}", self.order.word())?;
            }
        }
        if let Some((low, high)) = self.values {
            write!(f, " values {low}..{high}")?;
        }
        if let Some(safe) = self.safe {
            write!(f, " safe {safe}")?;
        }
        if self.heartbeat { f.write_str(" heartbeat") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_print_as_a_range_where_they_are_one() {
        assert_eq!(Days(0b001_1111).to_string(), "Mon-Fri");
        assert_eq!(Days(0b111_1111).to_string(), "Mon-Sun");
        assert_eq!(Days(0b000_0101).to_string(), "Mon,Wed");
        assert_eq!(Days(0b100_0000).to_string(), "Sun");
        assert_eq!(Days(0).to_string(), "");
    }
}
