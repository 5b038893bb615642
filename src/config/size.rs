//! Amounts of disk, as people write them: `1 GiB`.

/// The text is no amount of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number with B, KiB, MiB or GiB, such as `512 MiB`")]
pub struct NotASize;

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Bytes of a text such as `1 GiB`. The unit must be written: a bare number is a mistake that costs a disk.
pub fn parse(text: &str) -> Result<u64, NotASize> {
    let text = text.trim();
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or(NotASize)?;
    let digits = text.strip_suffix(unit).unwrap_or_default().trim_end();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotASize);
    }
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(NotASize)
}

/// Bytes for a person, in the largest unit that leaves a whole part.
pub fn text(bytes: u64) -> String {
    for (unit, factor) in UNITS {
        if bytes >= factor && factor > 1 {
            let (whole, tenth) = (bytes / factor, bytes % factor * 10 / factor);
            return if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_whole_number_and_a_unit() {
        let good = [("1 GiB", 1 << 30), ("512MiB", 512 << 20), ("64 KiB", 65_536), ("7 B", 7)];
        for (words, bytes) in good {
            assert_eq!(parse(words), Ok(bytes), "{words}");
        }
        for words in ["1", "1 GB", "-1 GiB", "1.5 GiB", "GiB", "1 gib", "", "99999999999999999999 B", "99999999999 GiB"]
        {
            assert_eq!(parse(words), Err(NotASize), "{words}");
        }
    }

    #[test]
    fn a_size_is_told_in_its_largest_unit() {
        assert_eq!(text(1 << 30), "1 GiB");
        assert_eq!(text((1 << 30) + (1 << 29)), "1.5 GiB");
        assert_eq!(text(900), "900 B");
    }
}
