//! The small languages inside the texts of a policy: days, hours, conditions, rights, limits, addresses.
//!
//! Each reader takes a text and gives a value or a [`Wrong`] that says which part of the text is wrong.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::model::{Condition, DayMinute, Days, Function, Hours, Limit, LimitOf, Listen, Network};
use super::suggest;
use super::tree::is_name;
use super::{PLAIN_PORT, TLS_PORT};

/// What is wrong in a text: where (a byte offset in it), what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(at: usize, message: String, help: &str) -> Self {
        Self { at, message, help: Some(help.to_owned()) }
    }
}

/// The words of a text, each with its byte offset.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut at = 0;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        let tail = rest.get(start..).unwrap_or("");
        let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
        words.push((at + start, tail.get(..end).unwrap_or("")));
        rest = tail.get(end..).unwrap_or("");
        at += start + end;
    }
    words
}

/// Decimal digits only: no sign, no spaces, no underscores.
pub(super) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `Mon-Sat`, `Sat-Mon`, `Mon,Wed`, `Mon-Wed,Fri`.
pub(super) fn days(text: &str) -> Result<Days, Wrong> {
    const EXAMPLE: &str = "write days as `Mon-Sat` or `Mon,Wed`";
    let day = |at: usize, name: &str| {
        let found = Days::NAMES.iter().zip(0_u8..).find(|(known, _)| **known == name).map(|(_, day)| day);
        found.ok_or_else(|| {
            let start: String = name.chars().take(3).collect();
            let near = Days::NAMES.iter().find(|known| known.eq_ignore_ascii_case(&start));
            let near = near.copied().or_else(|| suggest::nearest(name, Days::NAMES));
            let help = near.map_or(EXAMPLE.to_owned(), |near| format!("did you mean `{near}`?"));
            Wrong { at, message: format!("`{name}` is no day"), help: Some(help) }
        })
    };
    let mut bits = 0;
    let mut at = 0;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(at, first)?, day(at + first.len() + 1, last)?),
            None => (day(at, part)?, day(at, part)?),
        };
        let mut one = first;
        bits |= 1 << one;
        while one != last {
            one = (one + 1) % 7;
            bits |= 1 << one;
        }
        at += part.len() + 1;
    }
    Ok(Days(bits))
}

/// `06:00-14:00`; an end before the start is on the next day.
pub(super) fn times(text: &str) -> Result<(DayMinute, DayMinute), Wrong> {
    let time = |at: usize, text: &str| {
        let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
        let parts = parts.and_then(|(hour, minute)| Some((digits::<u16>(hour)?, digits::<u16>(minute)?)));
        parts
            .filter(|(hour, minute)| *hour < 24 && *minute < 60)
            .map(|(hour, minute)| DayMinute(hour * 60 + minute))
            .ok_or_else(|| {
                let help = if text == "24:00" { "midnight is `00:00`" } else { "write hours as `06:00-14:00`" };
                Wrong::new(at, format!("`{text}` is no time of day"), help)
            })
    };
    let Some((start, end)) = text.split_once('-') else {
        return Err(Wrong::new(0, format!("`{text}` is no span of hours"), "write hours as `06:00-14:00`"));
    };
    Ok((time(0, start)?, time(start.len() + 1, end)?))
}

/// `Mon-Fri 07:00-17:00`.
pub(super) fn hours(text: &str) -> Result<Hours, Wrong> {
    let shift = |wrong: Wrong, at: usize| Wrong { at: wrong.at + at, ..wrong };
    match split(text).as_slice() {
        [(at, first), (then, second)] => {
            let days = days(first).map_err(|wrong| shift(wrong, *at))?;
            let (start, end) = times(second).map_err(|wrong| shift(wrong, *then))?;
            Ok(Hours { days, start, end })
        }
        _ => Err(Wrong::new(0, format!("`{text}` is not days and hours"), "write `Mon-Fri 07:00-17:00`")),
    }
}

/// `6 s`, `500 ms`; at most ten minutes.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic()).trim_end();
    let unit = text.get(number.len()..).unwrap_or("").trim_start();
    let millis = match unit {
        "ms" => digits::<u64>(number),
        "s" => digits::<u64>(number).and_then(|seconds| seconds.checked_mul(1000)),
        "min" => digits::<u64>(number).and_then(|minutes| minutes.checked_mul(60_000)),
        _ => None,
    };
    let millis = millis.filter(|millis| (10..=600_000).contains(millis));
    let help = "write `6 s` or `500 ms`; from 10 ms to 600 s";
    millis.map(Duration::from_millis).ok_or_else(|| Wrong::new(0, format!("`{text}` is no duration"), help))
}

/// `10.10.1.0/24`, `fd00::/64`.
pub(super) fn network(text: &str) -> Result<Network, Wrong> {
    let wrong = |message: String, help: String| Wrong { at: 0, message, help: Some(help) };
    let Some((address, prefix)) = text.split_once('/') else {
        let help = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("for this one address write `{text}/32`"),
            Ok(IpAddr::V6(_)) => format!("for this one address write `{text}/128`"),
            Err(_) => "write it as `10.10.1.0/24`".to_owned(),
        };
        return Err(wrong(format!("`{text}` is no address block"), help));
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(wrong(format!("`{address}` is no address"), "write the block as `10.10.1.0/24`".to_owned()));
    };
    if ip.to_canonical() != ip {
        let help = format!("write the IPv4 address `{}` and its own prefix", ip.to_canonical());
        return Err(wrong(format!("`{text}` is IPv4 written as IPv6"), help));
    }
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = digits::<u8>(prefix).filter(|prefix| *prefix <= bits) else {
        let message = format!("`/{prefix}` is no prefix length in `{text}`");
        return Err(Wrong { at: address.len(), message, help: Some(format!("write `/0` to `/{bits}`")) });
    };
    let base = first_of(ip, prefix);
    if base != ip {
        let message = format!("`{text}` has bits set behind its prefix");
        return Err(wrong(message, format!("did you mean `{base}/{prefix}`?")));
    }
    Ok(Network { address: ip, prefix })
}

fn first_of(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

/// `10.10.9.20:502`, `[::1]:802`: an address of this machine, written out, with a port. Port 802 is Modbus/TCP Security and any
/// other is plain, unless a scheme says what is spoken there: `modbus://ADDRESS[:502]`, `mbaps://ADDRESS[:802]`.
pub(super) fn listen(text: &str) -> Result<Listen, Wrong> {
    let wrong = |message: String, help: String| Err(Wrong { at: 0, message, help: Some(help) });
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let (tls, port) = match scheme {
        None => (None, None),
        Some("modbus") => (Some(false), Some(PLAIN_PORT)),
        Some("mbaps") => (Some(true), Some(TLS_PORT)),
        Some(other) => {
            let help = suggest::help(other, ["modbus", "mbaps"]);
            return Err(Wrong { at: 0, message: format!("`{other}` in `{text}` is nothing that masters speak"), help });
        }
    };
    let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let alone = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => rest.parse().ok().filter(IpAddr::is_ipv4),
    };
    let written = rest.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(alone?, port?)));
    let Some(at) = written else {
        let help = match rest.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("add the port: `{rest}:502`"),
            Ok(IpAddr::V6(_)) => format!("add the port: `[{rest}]:502`"),
            Err(_) => "write it as `10.10.9.20:502` or `[fd00::20]:502`, and with port 802 for TLS".to_owned(),
        };
        return wrong(format!("`{text}` is no address and port"), help);
    };
    let at = SocketAddr::new(at.ip().to_canonical(), at.port());
    if at.ip().is_unspecified() || at.ip().is_multicast() {
        let help = "write the address that masters of one zone dial; the listener tells zone and asset".to_owned();
        return wrong(format!("`{text}` is not one address"), help);
    }
    if at.port() == 0 {
        return wrong(format!("`{text}` has no port"), "write the port, usually 502".to_owned());
    }
    if tls == Some(false) && at.port() == TLS_PORT {
        let help = format!("write `{at}` for Modbus/TCP Security there, or give the plain listener another port");
        return wrong(format!("`{text}`: port {TLS_PORT} is Modbus/TCP Security, which is never spoken plain"), help);
    }
    Ok(Listen { at, tls: tls.unwrap_or(at.port() == TLS_PORT) })
}

/// `modbus://10.10.1.20:502`; port 502 where none is written.
pub(super) fn connect(text: &str) -> Result<SocketAddr, Wrong> {
    const EXAMPLE: &str = "write it as `modbus://10.10.1.20:502`";
    let Some(rest) = text.strip_prefix("modbus://") else {
        let scheme = text.split_once("://").map_or(text, |(scheme, _)| scheme);
        return Err(Wrong::new(0, format!("`{scheme}` in `{text}` is no way to reach a device"), EXAMPLE));
    };
    let at = "modbus://".len();
    let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(rest);
    let ip = if bare == rest {
        rest.parse().ok().filter(IpAddr::is_ipv4)
    } else {
        bare.parse().ok().filter(IpAddr::is_ipv6)
    };
    let found = rest.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(ip?, 502)));
    let found = found.map(|found| SocketAddr::new(found.ip().to_canonical(), found.port()));
    let help = if rest.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
        "put an IPv6 address in brackets: `modbus://[fd00::20]:502`"
    } else {
        "write the device's own address as `modbus://10.10.1.20:502`; names are not looked up"
    };
    let good = found.filter(|found| found.port() != 0 && !found.ip().is_unspecified() && !found.ip().is_multicast());
    good.ok_or_else(|| Wrong::new(at, format!("`{rest}` is no address of a device"), help))
}

/// `600 writes per minute`.
pub(super) fn limit(text: &str) -> Result<Limit, Wrong> {
    const EXAMPLE: &str = "write it as `600 writes per minute`";
    let words = split(text);
    let [(number_at, number), (of_at, of), (per_at, per), (unit_at, unit)] = words.as_slice() else {
        return Err(Wrong::new(0, format!("`{text}` is no limit"), EXAMPLE));
    };
    let Some(count) = digits::<u32>(number).and_then(NonZeroU32::new) else {
        return Err(Wrong::new(*number_at, format!("`{number}` is no number from 1 up, in `{text}`"), EXAMPLE));
    };
    let pick = |at: usize, word: &str, known: &[&'static str]| {
        known.iter().position(|known| *known == word).ok_or_else(|| Wrong {
            at,
            message: format!("`{word}` is no word of a limit, in `{text}`"),
            help: suggest::help(word, known.iter().copied()),
        })
    };
    let of = if pick(*of_at, of, &["reads", "writes"])? == 0 { LimitOf::Reads } else { LimitOf::Writes };
    pick(*per_at, per, &["per"])?;
    let seconds = match pick(*unit_at, unit, &["second", "minute", "hour"])? {
        0 => 1,
        1 => 60,
        _ => 3600,
    };
    Ok(Limit { count, of, seconds })
}

/// A word of `when`. The shift that it may name is not looked up here.
pub(super) fn condition(text: &str) -> Result<Condition, Wrong> {
    const WORDS: [&str; 9] = [
        "on shift",
        "shift is NAME",
        "line is NAME",
        "location is NAME",
        "second factor",
        "work order open",
        "logged in within N minutes",
        "assurance N",
        "plant mode is maintenance",
    ];
    let named = |start: &str| text.strip_prefix(start).filter(|name| is_name(name));
    let found = match text {
        "on shift" => Some(Condition::OnShift),
        "second factor" => Some(Condition::SecondFactor),
        "work order open" => Some(Condition::WorkOrderOpen),
        "plant mode is maintenance" => Some(Condition::PlantModeIs("maintenance".into())),
        _ => None,
    };
    let found = found
        .or_else(|| named("shift is ").map(|name| Condition::ShiftIs(name.into())))
        .or_else(|| named("line is ").map(|name| Condition::LineIs(name.into())))
        .or_else(|| named("location is ").map(|name| Condition::LocationIs(name.into())));
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(level) = text.strip_prefix("assurance ") {
        let found = digits::<u8>(level).filter(|level| *level <= 3).map(Condition::Assurance);
        return found.ok_or_else(|| {
            Wrong::new(
                "assurance ".len(),
                format!("`{level}` is no assurance, in `{text}`"),
                "write `assurance 0` to `assurance 3`",
            )
        });
    }
    if let Some(rest) = text.strip_prefix("logged in within ").and_then(|rest| rest.strip_suffix(" minutes")) {
        let found =
            digits::<u32>(rest).filter(|minutes| (1..=525_600).contains(minutes)).map(Condition::LoggedInWithin);
        return found.ok_or_else(|| {
            let message = format!("`{rest}` is no number of minutes, in `{text}`");
            Wrong::new("logged in within ".len(), message, "write for example `logged in within 30 minutes`")
        });
    }
    // The likeness is judged with the plant's own name or number put in for NAME and N.
    let last = split(text).last().map_or("", |(_, word)| *word);
    let number = split(text)
        .into_iter()
        .find(|(_, word)| word.bytes().any(|b| b.is_ascii_digit()))
        .map_or("1", |(_, word)| word);
    let filled: Vec<String> =
        WORDS.iter().map(|word| word.replace("NAME", last).replace(" N", &format!(" {number}"))).collect();
    let help = match suggest::nearest(text, filled.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the conditions are {}", WORDS.map(|word| format!("`{word}`")).join(", ")),
    };
    Err(Wrong { at: 0, message: format!("`{text}` is not a condition"), help: Some(help) })
}

/// The words for functions without addresses.
pub(super) const FUNCTION_WORDS: [&str; 5] =
    ["programming", "broadcast", "diagnostics identify", "diagnostics restart", "diagnostics listen-only"];

/// A function word or `function N`, `function 8/0`, `function 43/13`; `None` when the text is neither.
pub(super) fn function(text: &str) -> Option<Result<Function, Wrong>> {
    match text {
        "programming" => return Some(Ok(Function::Programming)),
        "diagnostics identify" => return Some(Ok(Function::Identify)),
        "diagnostics restart" => return Some(Ok(Function::Restart)),
        "diagnostics listen-only" => return Some(Ok(Function::ListenOnly)),
        _ => {}
    }
    let rest = text.strip_prefix("function ")?;
    let at = "function ".len();
    let (code, sub) = rest.split_once('/').map_or((rest, None), |(code, sub)| (code, Some(sub)));
    let Some(number) = digits::<u8>(code).filter(|code| (1..=127).contains(code)) else {
        let message = format!("`{code}` is no function, in `{text}`");
        return Some(Err(Wrong::new(at, message, "functions go from 1 to 127")));
    };
    let Some(sub) = sub else { return Some(Ok(Function::Code { code: number, sub: None })) };
    let most = match number {
        8 => u16::MAX,
        43 => 255,
        _ => {
            let message = format!("function {code} has no sub-functions: `{text}`");
            return Some(Err(Wrong::new(at, message, &format!("write `function {code}`"))));
        }
    };
    let found = digits::<u16>(sub).filter(|sub| *sub <= most);
    Some(found.map(|sub| Function::Code { code: number, sub: Some(sub) }).ok_or_else(|| {
        let message = format!("`{sub}` is no sub-function, in `{text}`");
        Wrong::new(at + code.len() + 1, message, &format!("write a number from 0 to {most}"))
    }))
}

/// Whether a rule may name this function by its number: functions with addresses or a word of their own are granted by
/// these, so that a rule can never reach a point past its limits.
pub(super) fn grantable(function: Function) -> Result<(), String> {
    let Function::Code { code, sub } = function else { return Ok(()) };
    match (code, sub) {
        (1..=4, _) => Err("grant `read POINT` instead".to_owned()),
        (5 | 6 | 15 | 16 | 22, _) => Err("grant `write POINT` instead".to_owned()),
        (20 | 21 | 23, _) => Err("grant `read POINT` and `write POINT` instead".to_owned()),
        (8, None) => Err("write `function 8/0`, `diagnostics restart` or `diagnostics listen-only`".to_owned()),
        (8, Some(1)) => Err("write `diagnostics restart`".to_owned()),
        (8, Some(4)) => Err("write `diagnostics listen-only`".to_owned()),
        (43, None) => Err("write `function 43/13` or `diagnostics identify`".to_owned()),
        (43, Some(14)) => Err("write `diagnostics identify`".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
