//! What an access meant, as a few words of a record: `holding 100-101`, `coils 16`, `file 4 0-9`, `function 8/1`. Written and read
//! back here, so that a journal can be judged again.

use std::num::NonZeroU16;

use crate::access::{Bank, Target};
use crate::policy::show::BankWord;

/// What a record says was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Consecutive addresses of one bank.
    Registers {
        /// The bank.
        bank: Bank,
        /// The first address.
        first: u16,
        /// How many.
        count: NonZeroU16,
    },
    /// A function without addresses.
    Function {
        /// The function code.
        code: u8,
        /// The sub-function, where it has one.
        sub: Option<u16>,
    },
}

/// A target in words.
pub fn text(target: Target<'_>) -> String {
    match target {
        Target::Registers { bank, first, count, .. } => {
            let (bank, last) = (BankWord(bank), u32::from(first) + u32::from(count.get()) - 1);
            if count.get() == 1 { format!("{bank} {first}") } else { format!("{bank} {first}-{last}") }
        }
        Target::Function { code, sub: Some(sub), .. } => format!("function {code}/{sub}"),
        Target::Function { code, sub: None, .. } => format!("function {code}"),
    }
}

/// The words of a record; none where they are not of this form.
pub fn read(text: &str) -> Option<Meant> {
    let (word, rest) = text.split_once(' ')?;
    if word == "function" {
        let (code, sub) = match rest.split_once('/') {
            Some((code, sub)) => (code, Some(sub.parse().ok()?)),
            None => (rest, None),
        };
        return Some(Meant::Function { code: code.parse().ok()?, sub });
    }
    let (bank, range) = match word {
        "coils" => (Bank::Coils, rest),
        "discrete" => (Bank::Discrete, rest),
        "input" => (Bank::Input, rest),
        "holding" => (Bank::Holding, rest),
        "file" => {
            let (number, range) = rest.split_once(' ')?;
            (Bank::File(number.parse().ok()?), range)
        }
        _ => return None,
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    // All 65,536 addresses at once do not fit a frame.
    let count = last.checked_sub(first)?.checked_add(1).and_then(NonZeroU16::new)?;
    Some(Meant::Registers { bank, first, count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Values;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        for (bank, first, count) in
            [(Bank::Coils, 16, 1), (Bank::Holding, 100, 2), (Bank::File(4), 0, 10), (Bank::Input, 65_535, 1)]
        {
            let count = NonZeroU16::new(count).unwrap();
            let target = Target::Registers { unit: 1, bank, first, count, values: Values::None };
            assert_eq!(read(&text(target)), Some(Meant::Registers { bank, first, count }), "{}", text(target));
        }
        for (code, sub) in [(8, Some(1)), (43, Some(14)), (100, None)] {
            let target = Target::Function { unit: 1, code, sub };
            assert_eq!(read(&text(target)), Some(Meant::Function { code, sub }));
        }
        for words in ["", "coils", "coils x", "holding 5-4", "holding 0-65535", "file 4", "function 300", "relay 4"] {
            assert_eq!(read(words), None, "{words}");
        }
    }
}
