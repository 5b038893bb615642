//! What is written beside the plant: the gateway's configuration, its policy, and what to type.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::scenario::Scenario;

const CONFIG: &str = "# The gateway of a simulated plant. Relative paths start at this file's folder.\nstate = \"state\"\nsocket = \"control.sock\"\npolicy = \"plant.toml\"\n\n[journal]\nmax = \"64 MiB\"\n\n[local]\ngroup = \"\"\n";

/// The folder of a plant.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The second part of its addresses.
    pub net: u8,
}

impl Folder {
    /// Writes the files. A `plant.toml` that is there already is somebody's work: it stays.
    ///
    /// # Errors
    /// What the machine says.
    pub fn write(&self, scenario: &Scenario) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        self.keep("bulkhead.toml", CONFIG)?;
        let changed = |text: &str, edits: &[(&str, &str)]| {
            edits.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let policy = self.local(&changed(scenario.policy, scenario.edits));
        if !scenario.candidate.is_empty() {
            self.keep("candidate.toml", &changed(&policy, scenario.candidate))?;
        }
        self.keep("plant.toml", &policy)?;
        fs::write(self.path.join("README.txt"), self.guide(scenario))
    }

    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        let file = self.path.join(name);
        if file.exists() { Ok(()) } else { fs::write(file, text) }
    }

    /// The policy with the addresses of this plant.
    fn local(&self, policy: &str) -> String {
        policy.replace("127.0.", &format!("127.{}.", self.net))
    }

    /// What is there and what to type.
    #[must_use]
    pub fn guide(&self, scenario: &Scenario) -> String {
        let mut text = String::new();
        let net = self.net;
        let mut say = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        say(format!("The plant `{}`: {}", scenario.name, scenario.about));
        say(String::new());
        for device in scenario.devices {
            let (a, b) = device.host;
            let mut what = vec![format!("{} sockets", device.sockets)];
            if device.bus {
                what.push("a bus".to_owned());
            }
            if !device.silent.is_empty() {
                what.push(format!("unit {:?} silent", device.silent));
            }
            if !device.echoes {
                what.push("does not echo transaction ids".to_owned());
            }
            say(format!("  device {:<14} 127.{net}.{a}.{b}:15020   {}", device.name, what.join(", ")));
        }
        for station in scenario.stations {
            let (port, how) = match station.proves {
                Some(subject) => {
                    (15_802, format!(", by TLS with stations/{subject}.pem once stations/{subject}.csr is signed"))
                }
                None => (15_020, String::new()),
            };
            say(format!(
                "  master {:<14} 127.{net}.9.{:<3} asks the gateway at 127.{net}.9.{}:{port}{how}",
                station.name, station.host, station.asks
            ));
        }
        say(String::new());
        say("In a second terminal, once:".to_owned());
        say(format!("  cd {}", absolute(&self.path).display()));
        say(format!("  bulkhead --config bulkhead.toml init --site {}", scenario.name));
        say("  bulkhead --config bulkhead.toml run".to_owned());
        say("In a third one, one after the other:".to_owned());
        for step in scenario.steps {
            say(format!("  bulkhead --config bulkhead.toml {}", step.command));
            say(format!("      {}", step.why));
        }
        text
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
