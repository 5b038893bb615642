//! Whether the time of day can be meant: by its value, by what keeps it over a restart, and by who sets it.

use bulkhead_core::moment::ClockTrust;

use super::Finding;
use super::host::Host;

/// 2026-01-01: no gateway of this version was ever started before it.
const EARLIEST_MS: i64 = 1_767_225_600_000;
/// Where time services leave a sign that they run: systemd-timesyncd, chrony, and two kinds of ntpd.
const SERVICES: [&str; 4] =
    ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/ntpd.pid", "/run/openntpd.pid"];

/// The clock of the machine, and what the running gateway thinks of it.
pub(super) fn findings(host: &Host, trust: Option<ClockTrust>) -> Vec<Finding> {
    let now = host.now;
    let year = 1970 + now.0 / 31_556_952_000;
    if now.0 < EARLIEST_MS {
        return vec![
            Finding::bad(
                "clock-unset",
                "clock",
                format!("it shows the year {year}: shifts and hours cannot be judged"),
            )
            .mend("timedatectl set-time 'YYYY-MM-DD HH:MM', then check the battery"),
        ];
    }
    let mut findings = Vec::new();
    match trust {
        Some(ClockTrust::Doubtful) => {
            let text =
                "it stands before a time at which this gateway has run: time words count for people on site alone";
            findings
                .push(Finding::bad("clock-doubtful", "clock", text).mend("timedatectl set-time 'YYYY-MM-DD HH:MM'"));
        }
        Some(ClockTrust::Floor) => {
            let text = "it is not before any time at which this gateway has run; nobody has proven it";
            findings.push(Finding::note("clock-unproven", "clock", text).mend("timedatectl timesync-status"));
        }
        Some(ClockTrust::Proven) | None => {}
    }
    if !host.has("/sys/class/rtc/rtc0") {
        findings.push(
            Finding::weak("clock-chip", "/sys/class/rtc", "no clock chip keeps the time over a restart")
                .mend("give the plant an NTP server (timedatectl set-ntp true), or fit a clock with a battery"),
        );
    }
    if !SERVICES.iter().any(|path| host.has(path)) {
        findings.push(
            Finding::weak("clock-peers", "NTP", "nobody sets it: no time service has synchronized")
                .mend("timedatectl set-ntp true, with NTP=SERVER in /etc/systemd/timesyncd.conf"),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok("clock-ok", "clock", "it is set, kept by a clock chip, and set by a time service"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use bulkhead_core::moment::UnixMs;

    use super::super::host::fixture::host;
    use super::super::tests::lines;
    use super::*;

    const CHIP: (&str, &str) = ("sys/class/rtc/rtc0/name", "rtc\n");
    const NTP: (&str, &str) = ("run/systemd/timesync/synchronized", "");

    #[test]
    fn a_clock_in_1970_is_bad_and_one_that_nobody_keeps_or_sets_is_weak() {
        let in_1970 = findings(&host(&[CHIP, NTP]).at(UnixMs(3_600_000)).host, None);
        assert_eq!(lines(&in_1970), ["bad clock-unset"]);
        assert!(in_1970[0].text.contains("1970"));
        assert_eq!(lines(&findings(&host(&[NTP]).host, None)), ["weak clock-chip"]);
        assert_eq!(lines(&findings(&host(&[CHIP]).host, None)), ["weak clock-peers"]);
        assert_eq!(lines(&findings(&host(&[CHIP, NTP]).host, Some(ClockTrust::Proven))), ["ok clock-ok"]);
        assert_eq!(lines(&findings(&host(&[CHIP, ("run/chrony/chronyd.pid", "1")]).host, None)), ["ok clock-ok"]);
    }

    #[test]
    fn what_the_gateway_thinks_of_the_clock_is_told() {
        let of = |trust| lines(&findings(&host(&[CHIP, NTP]).host, Some(trust)));
        assert_eq!(of(ClockTrust::Doubtful), ["bad clock-doubtful"]);
        assert_eq!(of(ClockTrust::Floor), ["note clock-unproven"]);
    }
}
