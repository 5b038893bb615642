//! Random small plants, as text so that only what a plant could load is judged.
#![expect(clippy::format_push_string, reason = "a generator of text, called by tests alone")]

use super::{HERE, SECURE};

/// A generator whose every run is the same.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }

    pub(super) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// A small plant: one asset with random points, two shifts, five subjects, two or three conduits.
pub(super) fn plant(random: &mut Random) -> String {
    let mut points: Vec<(String, bool)> = Vec::new();
    let mut text = String::new();
    for (bank, writable, end) in
        [("holding", true, 40), ("coils", true, 20), ("input", false, 10), ("discrete", false, 8)]
    {
        let mut next = random.below(3);
        while next < end {
            let kind = if bank == "holding" {
                random.one(&["", "", " as u16", " as i16", " as u32", " as i32", " as f32"])
            } else {
                ""
            };
            let wide = kind.ends_with("32");
            let order =
                if wide { random.one(&["", " little-word", " big-word swapped", " little-word swapped"]) } else { "" };
            let last = next + if wide { 2 * random.below(2) + 1 } else { random.below(3) };
            let mut line = format!("{bank} {next}");
            if last > next {
                line += &format!("-{last}");
            }
            line += kind;
            line += order;
            if bank == "holding" && random.chance(50) {
                let low = if kind.contains('i') || kind.contains('f') { "-3" } else { "0" };
                let high = random.one(&["0", "2", "300", if wide { "70000" } else { "9" }]);
                line += &format!(" values {low}..{high}");
            }
            if writable && random.chance(40) {
                line += " safe 0";
            }
            if writable && random.chance(15) {
                line += " heartbeat";
            }
            let name = format!("p{}", points.len());
            text += &format!("{name} = \"{line}\"\n");
            points.push((name, writable));
            next = last + 1 + if random.chance(60) { 0 } else { random.below(4) };
        }
    }
    let conduits = rules(random, &points);
    let profile = random.one(&["direct", "serial", "gaps"]);
    let units = if profile == "serial" { "[3, 4]" } else { "[1]" };
    let doubt = random.one(&["allow-local", "refuse"]);
    let mut never = String::new();
    for _ in 0..random.below(3) {
        let what = random.one(&[
            "programming",
            "diagnostics restart",
            "broadcast",
            "function 43/14",
            "function 3",
            "function 8",
        ]);
        never += &format!("[[never]]\nwhat = [\"{what}\"]\nwhy = \"so\"\n");
    }
    if random.chance(20)
        && let Some((name, _)) = points.iter().find(|(name, writable)| *writable && !special(&text, name))
    {
        never += &format!("[[never]]\nwhat = [\"write plc/{name}\"]\nwhy = \"so\"\n");
    }
    format!(
        "[plant]\nname = \"p\"\ntimezone = \"Europe/Berlin\"\non_clock_doubt = \"{doubt}\"\n\
         [shifts.early]\ndays = \"Mon-Fri\"\nhours = \"06:00-14:00\"\n\
         [shifts.night]\ndays = \"Mon,Wed\"\nhours = \"22:00-06:00\"\noverlap = 30\n\
         [zones.room]\nnetworks = [\"10.0.1.0/24\"]\n[zones.cell]\nnetworks = [\"10.0.2.0/24\"]\n\
         [profiles.gaps]\nbase = \"direct\"\nread_gaps = true\n\
         [assets.plc]\nzone = \"cell\"\nlisten = [\"{HERE}\", \"{SECURE}\"]\nconnect = \"modbus://10.0.2.5:502\"\n\
         profile = \"{profile}\"\nunits = {units}\n[assets.plc.points]\n{text}\
         [subjects.station]\nzone = \"room\"\nproof = \"address\"\naddress = \"10.0.1.21\"\nrole = \"Operator\"\n\
         attributes = {{ line = \"one\", shift = \"early\" }}\n\
         [subjects.key]\nzone = \"room\"\nproof = \"certificate\"\nrole = \"Engineer\"\n\
         [subjects.both]\nzone = \"room\"\nproof = [\"certificate\", \"address\"]\nrole = \"Operator\"\n\
         [subjects.bearer]\nzone = \"room\"\nproof = \"token\"\nrole = \"Supervisor\"\n\
         [subjects.panel]\nzone = \"room\"\nproof = \"session-grant\"\naddress = \"10.0.1.31\"\n\
         mac = \"02:00:00:00:00:01\"\ngrant = {{ opened_by = [\"Operator\", \"Supervisor\"], minutes = 480 }}\n\
         [subjects.far]\nzone = \"remote:far\"\nproof = \"token\"\nrole = \"Vendor\"\n\
         {conduits}{never}"
    )
}

fn special(text: &str, name: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with(&format!("{name} = ")) && (line.contains("safe") || line.contains("heartbeat")))
}

fn rules(random: &mut Random, points: &[(String, bool)]) -> String {
    let mut text = String::new();
    for (name, from) in [("local", "room"), ("also", "room"), ("far", "remote:far")] {
        if name == "also" && random.chance(60) {
            continue;
        }
        let record = random.one(&["durable", "written"]);
        let detail = random.one(&["writes", "full"]);
        let mode = if random.chance(80) { "enforce" } else { "observe" };
        text += &format!(
            "[conduits.{name}]\nfrom = \"{from}\"\nto = \"cell\"\nmode = \"{mode}\"\nrecord = \"{record}\"\ndetail = \"{detail}\"\n"
        );
        if random.chance(30) {
            text += "hours = \"Mon-Fri 07:00-17:00\"\n";
        }
        if name == "far" && random.chance(50) {
            text += "approval = { by = \"Supervisor\", minutes = 60 }\n";
        }
        for _ in 0..=random.below(5) {
            let who = if name == "far" {
                "\"Vendor\"".to_owned()
            } else {
                random
                    .one(&[
                        "\"Operator\"",
                        "\"Supervisor\"",
                        "\"Engineer\"",
                        "\"Operator\", \"Supervisor\"",
                        "\"Engineer\", \"Operator\"",
                    ])
                    .to_owned()
            };
            let mut can = Vec::new();
            for (point, writable) in points {
                if random.chance(35) {
                    can.push(format!("\"read {point}\""));
                }
                if *writable && random.chance(35) {
                    can.push(format!("\"write {point}\""));
                }
            }
            for word in [
                "broadcast",
                "diagnostics identify",
                "diagnostics restart",
                "programming",
                "function 100",
                "function 8/0",
            ] {
                if random.chance(15) {
                    can.push(format!("\"{word}\""));
                }
            }
            if can.is_empty() {
                continue;
            }
            let words = [
                "on shift",
                "shift is early",
                "shift is night",
                "line is one",
                "second factor",
                "work order open",
                "logged in within 30 minutes",
                "assurance 2",
                "plant mode is maintenance",
            ];
            let mut when: Vec<&str> = (0..random.below(3)).map(|_| random.one(&words)).collect();
            when.dedup();
            let when = when.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            let limit = random.one(&["", "", "limit = \"5 writes per minute\"\n", "limit = \"9 reads per hour\"\n"]);
            text += &format!(
                "[[conduits.{name}.allow]]\nwho = [{who}]\non = \"plc\"\ncan = [{}]\nwhen = [{when}]\n{limit}",
                can.join(", ")
            );
        }
    }
    text
}
