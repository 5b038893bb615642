//! The disk under the state folder: room, mode, kind, and how long its flash lasts at the rate at which this journal grows.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::Finding;
use super::host::Host;
use crate::config::{self, Settings};

/// Room that the store, its good copy and the policy want beside the journal, in bytes.
const BESIDE: u64 = 64 << 20;
/// What a small eMMC takes in its life: each cell some 3,000 times.
const CYCLES: u64 = 3_000;
/// What one durable commit costs at least on flash: a page of data and one of the file system's own log.
const COMMIT: u64 = 8_192;
/// A rate over less than this says nothing.
const LONG_ENOUGH: Duration = Duration::from_hours(1);
const YEAR_S: u64 = 31_556_952;

/// Everything about the disk of the state folder.
pub(super) fn findings(host: &Host, settings: &Settings) -> Vec<Finding> {
    let state = &settings.state;
    let shown = state.display();
    let Ok(meta) = fs::metadata(state) else {
        let text = format!("the state folder {shown} is not there");
        let mend = format!("bulkhead --config {} init", settings.file.display());
        return vec![Finding::bad("disk-state", &shown, text).mend(mend)];
    };
    let mut findings = Vec::new();
    if meta.mode() & 0o022 != 0 {
        let text = format!("the state folder {shown} is writable by others");
        findings.push(Finding::bad("disk-mode", &shown, text).mend(format!("chmod go-w {shown}")));
    }
    let grown = Grown::of(&settings.journal_folder());
    findings.push(match host.room(state) {
        Ok(free) => room(shown.to_string(), free, grown.bytes, settings.journal.max),
        Err(error) => Finding::weak("disk-unknown", &shown, format!("its room is not known: {error}")).mend("df -h"),
    });
    findings.extend(mount(host, state));
    findings.extend(worn(host));
    findings.extend(wear(host, &grown));
    findings
}

fn room(place: String, free: u64, taken: u64, max: u64) -> Finding {
    let wanted = max.saturating_sub(taken).saturating_add(BESIDE);
    let (free_text, max_text) = (config::size_text(free), config::size_text(max));
    if free >= wanted {
        let text = format!("{free_text} free; the journal has {} of {max_text}", config::size_text(taken));
        return Finding::ok("disk-room", place, text);
    }
    let fits = free.saturating_add(taken).saturating_sub(BESIDE) >> 20;
    let text =
        format!("{free_text} free, but the journal may still take {}", config::size_text(max.saturating_sub(taken)));
    Finding::bad("disk-full", place, text).mend(format!("set [journal] max = \"{} MiB\", or make room", fits.max(64)))
}

/// `/proc/self/mountinfo`: id, parent, device, root, mount point, options, .., `-`, kind, source, options.
fn mount(host: &Host, state: &Path) -> Vec<Finding> {
    let table = host.text("/proc/self/mountinfo");
    let state = fs::canonicalize(state).unwrap_or_else(|_| state.to_owned());
    let line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut words = left.split_whitespace();
        let (point, options) = (words.nth(4)?.replace("\\040", " "), words.next()?.to_owned());
        let kind = right.split_whitespace().next()?.to_owned();
        state.starts_with(&point).then_some((point, options, kind))
    };
    // The last of several on one point is the one that is seen.
    let Some((point, options, kind)) = table.lines().filter_map(line).max_by_key(|(point, ..)| point.len()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if options.split(',').any(|option| option == "ro") {
        findings.push(
            Finding::bad("disk-read-only", &point, format!("{point} is mounted read-only: no record can be kept"))
                .mend(format!("dmesg | tail; mount -o remount,rw {point}")),
        );
    }
    match kind.as_str() {
        "tmpfs" | "ramfs" => findings.push(
            Finding::bad("disk-memory", &point, format!("{point} is a {kind}: the journal is gone with the power"))
                .mend("move `state` of the configuration to a disk, then: bulkhead check"),
        ),
        "vfat" | "exfat" | "msdos" | "ntfs3" => findings.push(
            Finding::bad("disk-kind", &point, format!("{point} is {kind}: it has no owners, no modes and no log"))
                .mend("move `state` of the configuration to an ext4 partition, then: bulkhead check"),
        ),
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "fuse.sshfs" => findings.push(
            Finding::bad("disk-remote", &point, format!("{point} is {kind}: a write would wait for another machine"))
                .mend("move `state` of the configuration to a disk of this machine, then: bulkhead check"),
        ),
        "overlay" => findings.push(
            Finding::weak(
                "disk-overlay",
                &point,
                format!("{point} is an overlay: what is its upper layer, and does it stay?"),
            )
            .mend("findmnt -T STATE-FOLDER; move `state` to a partition of its own"),
        ),
        _ => {}
    }
    findings
}

/// What eMMC says of itself: `life_time` is `0x01 0x02` (cells of two kinds, tenths used, 0x0b = over), `pre_eol_info` 1..3
/// (JEDEC 84-B51, 7.4.35 to 7.4.37).
fn worn(host: &Host) -> Vec<Finding> {
    let number = |text: &str| u8::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    let mut findings = Vec::new();
    for disk in host.names("/sys/block") {
        let text = host.text(&format!("/sys/block/{disk}/device/life_time"));
        let used = text.split_whitespace().filter_map(number).max().unwrap_or(0);
        let spare = number(&host.text(&format!("/sys/block/{disk}/device/pre_eol_info"))).unwrap_or(0);
        let mend = "bulkhead journal verify, copy the state folder, and change the disk at the next stop";
        if used >= 10 || spare >= 3 {
            let text =
                format!("{disk} is worn out ({} % of its life or more used)", u32::from(used.saturating_sub(1)) * 10);
            findings.push(Finding::bad("disk-worn", &disk, text).mend(mend));
        } else if used >= 8 || spare == 2 {
            let text = format!(
                "{disk} has used {} to {} % of its life",
                u32::from(used.saturating_sub(1)) * 10,
                u32::from(used) * 10
            );
            findings.push(Finding::weak("disk-wearing", &disk, text).mend(mend));
        } else if used > 0 {
            findings.push(Finding::ok(
                "disk-life",
                &disk,
                format!("{disk} has used up to {} % of its life", u32::from(used) * 10),
            ));
        }
    }
    findings
}

/// How the journal grew: bytes, records, and in which time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Grown {
    bytes: u64,
    /// Of all but the newest segment, which is made larger than it is.
    written: u64,
    seconds: u64,
}

impl Grown {
    /// From the sizes and times of the segments: each was last written when the next one began.
    fn of(folder: &Path) -> Self {
        let Ok(entries) = fs::read_dir(folder) else { return Self::default() };
        let mut segments: Vec<(i64, u64)> = entries
            .filter_map(|entry| {
                let meta = entry.ok()?.metadata().ok()?;
                Some((meta.mtime(), meta.len()))
            })
            .collect();
        segments.sort_unstable();
        let bytes = segments.iter().map(|(_, length)| length).sum();
        let (Some((first, _)), Some((last, _))) = (segments.first(), segments.iter().rev().nth(1)) else {
            return Self { bytes, ..Self::default() };
        };
        // What lies between the ends of the first and the last whole segment.
        let written = segments.iter().skip(1).rev().skip(1).map(|(_, length)| length).sum();
        Self { bytes, written, seconds: u64::try_from(last - first).unwrap_or(0) }
    }
}

/// Whether the flash outlives the gateway. Records of 500 bytes, each in a commit of its own, are the worst that the rate can mean.
fn wear(host: &Host, grown: &Grown) -> Vec<Finding> {
    if grown.seconds < LONG_ENOUGH.as_secs() || grown.written == 0 {
        return Vec::new();
    }
    let a_year = |bytes: u64| u128::from(bytes) * u128::from(YEAR_S) / u128::from(grown.seconds);
    let plain = a_year(grown.written);
    let worst = plain * u128::from(COMMIT) / 500;
    let flash = |disk: &&String| disk.starts_with("mmcblk") && !disk.contains("boot");
    let disks = host.names("/sys/block");
    let Some(disk) = disks.iter().find(flash) else { return Vec::new() };
    let sectors: u64 = host.text(&format!("/sys/block/{disk}/size")).trim().parse().unwrap_or(0);
    let life = u128::from(sectors) * 512 * u128::from(CYCLES);
    if life == 0 {
        return Vec::new();
    }
    let share = worst * 100 / life;
    let gib = |bytes: u128| config::size_text(u64::try_from(bytes >> 30 << 30).unwrap_or(u64::MAX));
    let text = format!(
        "the journal grows by {} a year; on {disk} that is {} at most with a commit a record, {share} % of its life",
        gib(plain),
        gib(worst)
    );
    vec![if share >= 10 {
        Finding::weak("disk-rate", disk, text).mend("see what is written so often: bulkhead journal show --last 50; then record = \"written\" where a plant may, or a limit")
    } else {
        Finding::ok("disk-rate-ok", disk, text)
    }]
}

#[cfg(test)]
mod tests {
    use super::super::host::fixture::host;
    use super::super::tests::lines;
    use super::*;

    fn graded(found: Finding) -> (String, Option<String>) {
        let mend = found.mend.clone();
        (lines(&[found]).remove(0), mend)
    }

    #[test]
    fn a_journal_that_cannot_reach_its_budget_is_bad_and_the_budget_that_fits_is_named() {
        let of = |free, taken, max| graded(room("state".to_owned(), free, taken, max));
        assert_eq!(of(2 << 30, 0, 1 << 30).0, "ok disk-room");
        let small = of(500 << 20, 16 << 20, 1 << 30);
        assert_eq!(small.0, "bad disk-full");
        assert_eq!(small.1.as_deref(), Some("set [journal] max = \"452 MiB\", or make room"));
        assert_eq!(of(100 << 20, (1 << 30) - (16 << 20), 1 << 30).0, "ok disk-room");
    }

    #[test]
    fn a_state_folder_that_is_missing_or_open_to_others_is_bad() {
        use std::os::unix::fs::PermissionsExt as _;
        let host = host(&[("state/x", "")]);
        let mut settings = config::defaults().unwrap();
        settings.state = host.path("state");
        fs::set_permissions(&settings.state, fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(lines(&findings(&host.host, &settings)), ["bad disk-mode", "ok disk-room"]);
        fs::set_permissions(&settings.state, fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(lines(&findings(&host.host, &settings)), ["ok disk-room"]);
        settings.state = host.path("nowhere");
        assert_eq!(lines(&findings(&host.host, &settings)), ["bad disk-state"]);
        let full = super::super::host::fixture::host(&[("state/x", "")]).with_room(1 << 20);
        settings.state = full.path("state");
        assert_eq!(lines(&findings(&full.host, &settings)), ["bad disk-full"]);
    }

    #[test]
    fn the_kind_and_the_mode_of_the_mount_count() {
        let table = |options: &str, kind: &str| {
            format!(
                "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n\
                 30 22 8:2 / /var/lib {options} shared:1 - {kind} /dev/x rw\nbroken\n"
            )
        };
        let of = |options: &str, kind: &str, state: &str| {
            let host = host(&[("proc/self/mountinfo", &table(options, kind))]);
            lines(&mount(&host.host, Path::new(state)))
        };
        let nowhere = "/var/lib/bulkhead-that-is-not-there";
        assert_eq!(of("rw,relatime", "ext4", nowhere), [""; 0]);
        assert_eq!(of("ro,relatime", "ext4", nowhere), ["bad disk-read-only"]);
        assert_eq!(of("ro,relatime", "ext4", "/srv-not-there"), [""; 0], "another mount is none of ours");
        for (kind, id) in [
            ("tmpfs", "bad disk-memory"),
            ("vfat", "bad disk-kind"),
            ("nfs4", "bad disk-remote"),
            ("overlay", "weak disk-overlay"),
        ] {
            assert_eq!(of("rw", kind, nowhere), [id]);
        }
    }

    #[test]
    fn what_flash_says_of_its_life_is_told_before_it_ends() {
        let of = |life: &str, spare: &str| {
            let host = host(&[
                ("sys/block/mmcblk0/device/life_time", life),
                ("sys/block/mmcblk0/device/pre_eol_info", spare),
                ("sys/block/sda/device/model", "disk"),
            ]);
            lines(&worn(&host.host))
        };
        assert_eq!(of("0x01 0x02\n", "0x01\n"), ["ok disk-life"]);
        assert_eq!(of("0x01 0x08\n", "0x01\n"), ["weak disk-wearing"]);
        assert_eq!(of("0x01 0x01\n", "0x02\n"), ["weak disk-wearing"]);
        assert_eq!(of("0x0b 0x01\n", "0x01\n"), ["bad disk-worn"]);
        assert_eq!(of("0x01 0x01\n", "0x03\n"), ["bad disk-worn"]);
        assert_eq!(of("", ""), [""; 0]);
    }

    #[test]
    fn a_journal_that_eats_the_flash_is_told_with_its_rate() {
        let eight_gib = host(&[("sys/block/mmcblk0/size", "16777216\n"), ("sys/block/mmcblk0boot0/size", "8192\n")]);
        let of = |written, seconds| lines(&wear(&eight_gib.host, &Grown { bytes: written, written, seconds }));
        assert_eq!(of(16 << 20, 86_400), ["ok disk-rate-ok"]);
        assert_eq!(of(1 << 30, 86_400), ["weak disk-rate"], "25 changed writes a second");
        assert_eq!(of(1 << 30, 60), [""; 0], "a minute is no rate");
        assert_eq!(lines(&wear(&host(&[]).host, &Grown { bytes: 1, written: 1 << 40, seconds: 86_400 })), [""; 0]);
    }

    #[test]
    fn the_rate_is_taken_between_whole_segments() {
        let host = host(&[("j/0001.jsonl", "12345"), ("j/0002.jsonl", "1234567"), ("j/0003.jsonl", "")]);
        for (name, at) in [("j/0001.jsonl", 1_000_000), ("j/0002.jsonl", 1_003_600), ("j/0003.jsonl", 1_003_700)] {
            let file = fs::File::options().append(true).open(host.path(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        }
        assert_eq!(Grown::of(&host.path("j")), Grown { bytes: 12, written: 7, seconds: 3_600 });
        assert_eq!(Grown::of(&host.path("none")), Grown::default());
    }
}
