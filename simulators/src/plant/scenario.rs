//! The scenarios: who is there, and what to try.

use crate::script::Role;

/// A device of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSpec {
    /// Its name in the policy.
    pub name: &'static str,
    /// The last two parts of its address; port 15020.
    pub host: (u8, u8),
    /// Connections that it takes at once.
    pub sockets: usize,
    /// Milliseconds until it answers.
    pub after_ms: u64,
    /// One request at a time, whoever asks: a bus.
    pub bus: bool,
    /// Units that never answer.
    pub silent: &'static [u8],
    /// Whether replies carry the transaction id of their request.
    pub echoes: bool,
    /// Every so many seconds it resets all connections and is deaf for one.
    pub resets: Option<u64>,
}

/// A master of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct StationSpec {
    /// Its name, in the policy too where it is a subject.
    pub name: &'static str,
    /// The last part of its address 127.N.9.x.
    pub host: u8,
    /// The last part of the gateway's address 127.N.9.x that it asks.
    pub asks: u8,
    /// What it does.
    pub role: Role,
    /// It also sends what is no Modbus, and what hides writes.
    pub hostile: bool,
    /// It speaks TLS and shows the certificate of this subject, with a key of its own.
    pub proves: Option<&'static str>,
    /// It takes any reply to its unit and function for its own, whatever the transaction id.
    pub lenient: bool,
}

/// Something to try.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is typed, after `bulkhead --config bulkhead.toml`.
    pub command: &'static str,
    /// What it shows.
    pub why: &'static str,
}

/// A plant that can be run.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in a paragraph.
    pub about: &'static str,
    /// The devices.
    pub devices: &'static [DeviceSpec],
    /// The masters.
    pub stations: &'static [StationSpec],
    /// The policy that is written as `plant.toml`.
    pub policy: &'static str,
    /// What stands otherwise in this scenario's `plant.toml`.
    pub edits: &'static [(&'static str, &'static str)],
    /// A candidate that is written as `candidate.toml`: text in the policy, and what stands there instead.
    pub candidate: &'static [(&'static str, &'static str)],
    /// What to try, after `init` and `run`.
    pub steps: &'static [Step],
}

const DEVICE: DeviceSpec = DeviceSpec {
    name: "filler-plc",
    host: (1, 20),
    sockets: 16,
    after_ms: 2,
    bus: false,
    silent: &[],
    echoes: true,
    resets: None,
};
const CAPPER: DeviceSpec = DeviceSpec { name: "capper", host: (1, 21), sockets: 2, ..DEVICE };
const DOSING: DeviceSpec = DeviceSpec {
    name: "dosing",
    host: (1, 30),
    sockets: 2,
    after_ms: 15,
    bus: true,
    silent: &[6],
    echoes: false,
    resets: None,
};

const STATION: StationSpec =
    StationSpec { name: "scada", host: 10, asks: 20, role: Role::Scada, hostile: false, proves: None, lenient: false };
const PANEL: StationSpec = StationSpec { name: "panel", host: 31, role: Role::Panel, ..STATION };
const HISTORIAN: StationSpec = StationSpec { name: "historian", host: 11, role: Role::Historian, ..STATION };
const LEAD: StationSpec = StationSpec { name: "shift-lead", host: 40, role: Role::Lead, ..STATION };
const LAPTOP: StationSpec = StationSpec { name: "laptop", host: 88, role: Role::Laptop, ..STATION };
const DRIVES: StationSpec =
    StationSpec { name: "drives", host: 12, asks: 30, role: Role::Drives, lenient: true, ..STATION };
const READER: StationSpec = StationSpec { role: Role::Reader, asks: 21, ..STATION };

const fn step(command: &'static str, why: &'static str) -> Step {
    Step { command, why }
}

const BOTTLING: &str = include_str!("../../plants/bottling.toml");
const ENFORCED: &[(&str, &str)] = &[("mode = \"observe\" ", "mode = \"enforce\" ")];

/// Every scenario; the first is the default.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "bottling",
        about: "A bottling line on its first day: a filler PLC, a capper that gives two sockets, drives behind a serial converter \
                that does not echo transaction ids (four units, one silent); SCADA, a panel with a heartbeat, a historian, a \
                shift lead, and a laptop that looks around. The conduit observes: every byte passes. See who does what, then \
                enforce it under watch: the laptop's refusals bring it back to observe by itself.",
        devices: &[DEVICE, CAPPER, DOSING],
        stations: &[
            STATION,
            PANEL,
            HISTORIAN,
            LEAD,
            DRIVES,
            StationSpec { name: "capper-panel", host: 32, asks: 21, role: Role::Panel, ..STATION },
            LAPTOP,
        ],
        policy: BOTTLING,
        edits: &[],
        candidate: &[],
        steps: &[
            step("status", "what runs, who is connected, which devices answer"),
            step("journal show --refused --last 20", "what enforce would refuse: the laptop, by address and function"),
            step("explain --as panel --on filler-plc --do \"write jog 1\"", "why the panel may jog"),
            step(
                "explain --as historian --on filler-plc --do \"write speed 900\"",
                "and why the historian may not write",
            ),
            step(
                "enforce control-to-filling --watch 10s",
                "refusals count; it goes back by itself, since the laptop is refused",
            ),
            step("enforce control-to-filling", "now for good: the laptop may go on asking"),
            step("observe control-to-filling", "and back"),
            step("doctor", "what would go wrong on this machine"),
            step("journal verify", "nobody changed a record since"),
        ],
    },
    Scenario {
        name: "noisy-laptop",
        about: "A laptop sends what is no Modbus and what hides writes behind reads, beside a line that must not notice. \
                Enforced from the start: at the end the PLC's own count says that register 900 was never written.",
        devices: &[DEVICE],
        stations: &[STATION, PANEL, StationSpec { hostile: true, ..LAPTOP }],
        policy: BOTTLING,
        edits: ENFORCED,
        candidate: &[],
        steps: &[
            step(
                "journal show --refused --last 20",
                "each kind of refusal, the first ten a minute; the rest is counted",
            ),
            step("explain --last", "why, on one screen"),
            step("status", "SCADA and panel go on"),
        ],
    },
    Scenario {
        name: "plc-reset",
        about: "The PLC resets every connection each five seconds and is deaf for one, as after a change of programme. The \
                gateway answers 0A meanwhile, dials again by itself, and no master has to be restarted.",
        devices: &[DeviceSpec { resets: Some(5), ..DEVICE }],
        stations: &[STATION, PANEL, HISTORIAN],
        policy: BOTTLING,
        edits: &[],
        candidate: &[],
        steps: &[
            step(
                "enforce control-to-filling",
                "in observe the masters see the reset itself; enforced, the gateway answers for the device",
            ),
            step("status", "the device is down, and up again"),
            step("journal show --last 20", "what became of each write"),
        ],
    },
    Scenario {
        name: "policy-change",
        about: "A candidate policy takes the recipe from the shift lead and lowers the highest speed to 800. Before anybody \
                stands still: diff says what it would change, shadow says who would have lost which operation on live traffic.",
        devices: &[DEVICE],
        stations: &[STATION, PANEL, HISTORIAN, LEAD],
        policy: BOTTLING,
        edits: ENFORCED,
        candidate: &[
            ("values 0..1200", "values 0..800"),
            ("can = [\"read recipe\", \"write recipe\"]", "can = [\"read recipe\"]"),
        ],
        steps: &[
            step("policy diff plant.toml candidate.toml", "who gains and who loses what, from the two files"),
            step(
                "policy shadow candidate.toml --for 10s",
                "the candidate judges each frame beside the policy in force, without effect",
            ),
            step("policy shadow", "who would have lost what, on real requests"),
            step("policy activate candidate.toml --dry-run", "the last look"),
            step("policy activate candidate.toml", "now it counts: SCADA's fast speeds are refused with 01"),
            step("policy history", "and this is the one to go back to"),
        ],
    },
    Scenario {
        name: "five-masters",
        about: "A PLC gives two sockets and five masters want it. With share_upstream the gateway holds one link to the device \
                and every master its own connection: no reply goes to the wrong one, each has its turn (by its priority, where \
                more is asked than the device answers), and the PLC sees one connection.",
        devices: &[DeviceSpec { after_ms: 10, ..CAPPER }],
        stations: &[
            StationSpec { name: "scada", host: 10, ..READER },
            StationSpec { name: "historian", host: 11, ..READER },
            StationSpec { name: "panel", host: 31, ..READER },
            StationSpec { name: "panel-2", host: 32, ..READER },
            StationSpec { name: "shift-lead", host: 40, ..READER },
        ],
        policy: include_str!("../../plants/five-masters.toml"),
        edits: &[],
        candidate: &[],
        steps: &[
            step("status", "five masters, one device"),
            step("subject list", "who is connected, each by its own address"),
            step("journal show --last 20", "sessions and writes"),
        ],
    },
    Scenario {
        name: "role-certificates",
        about: "SCADA and a shift lead make their own keys and ask for certificates; the gateway's CA signs them with the role that \
                the policy gives, and they come in by TLS (port 15802 here, 802 in a plant). The same shift lead also sits at an \
                old desk that is known by its address alone: it may do less, and explain says why. Take SCADA's rights and give \
                them back, and see its connection end and return.",
        devices: &[DEVICE],
        stations: &[
            StationSpec { proves: Some("scada"), ..STATION },
            StationSpec { name: "lead-by-tls", proves: Some("shift-lead"), ..LEAD },
            StationSpec { name: "lead-at-desk", ..LEAD },
            PANEL,
            LAPTOP,
        ],
        policy: include_str!("../../plants/role-certificates.toml"),
        edits: &[],
        candidate: &[],
        steps: &[
            step("ca init", "the CA of this gateway; its TLS listener has a certificate from now on"),
            step(
                "ca sign --subject scada --csr stations/scada.csr -o stations/scada.pem",
                "the key stays at the station; the role comes from the policy",
            ),
            step(
                "ca sign --subject shift-lead --csr stations/shift-lead.csr -o stations/shift-lead.pem",
                "and the shift lead's",
            ),
            step("ca list", "what was issued, and until when"),
            step("device list", "which key is whose"),
            step("status", "both are connected; TLS and plain stand side by side"),
            step("explain --as shift-lead --by certificate --on filler-plc --do \"write recipe 7\"", "proven: allowed"),
            step(
                "explain --as shift-lead --by address --on filler-plc --do \"write recipe 7\"",
                "the same name, by its address alone: refused",
            ),
            step("device suspend scada", "its connection is cut before the answer comes"),
            step("device resume scada", "and it is back by itself"),
            step("journal show --last 20", "who came with which certificate"),
        ],
    },
];
