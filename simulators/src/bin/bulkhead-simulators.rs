//! A small plant on this machine, to try the gateway on, and captures of its traffic.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bulkhead_simulators::{capture, plant};
use clap::{Parser, Subcommand};

/// A small plant on this machine, to try Bulkhead on.
#[derive(Debug, Parser)]
#[command(name = "bulkhead-simulators", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a plant: devices and masters on 127.N.x.y, and the files of a gateway to stand between them
    #[command(
        after_help = "Examples:\n  bulkhead-simulators plant                       the bottling line, in ./plant\n  \
        bulkhead-simulators plant list                  every scenario\n  \
        bulkhead-simulators plant noisy-laptop --for 60 --dir /tmp/noisy\n\n\
        It prints what to type in a second terminal. Ctrl-C ends it. Nothing listens beyond 127.0.0.0/8."
    )]
    Plant(Plant),
    /// Write a capture of the plant's traffic as a pcap file: the same bytes on every machine
    #[command(after_help = "Examples:\n  bulkhead-simulators capture list\n  \
        bulkhead-simulators capture bottling -o bottling.pcap\n\nThe shipped ones lie in simulators/captures.")]
    Capture(Capture),
}

#[derive(Debug, clap::Args)]
struct Plant {
    /// The scenario, or `list`
    #[arg(value_name = "SCENARIO", default_value = "bottling")]
    scenario: String,
    /// The folder for the gateway's files
    #[arg(long, value_name = "DIR", default_value = "plant")]
    dir: PathBuf,
    /// Where randomness starts: the same seed asks the same questions
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End by itself after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    lasts: Option<u64>,
    /// The second part of every address (127.N.x.y), so that several plants fit on one machine
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u8).range(1..=254))]
    net: u8,
    /// The summary at the end as one JSON value, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Capture {
    /// The capture, or `list`
    #[arg(value_name = "NAME")]
    name: String,
    /// The file; `NAME.pcap` unless set
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where randomness starts
    #[arg(long, value_name = "N", default_value_t = capture::SEED)]
    seed: u64,
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Plant(arguments) => run(&arguments),
        Verb::Capture(arguments) => write(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _gone_away = writeln!(io::stderr(), "bulkhead-simulators: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Plant) -> io::Result<()> {
    let mut out = io::stdout();
    if arguments.scenario == "list" {
        for scenario in plant::ALL {
            writeln!(out, "{}\n    {}", scenario.name, scenario.about)?;
        }
        return Ok(());
    }
    let Some(scenario) = plant::ALL.iter().find(|scenario| scenario.name == arguments.scenario) else {
        let names: Vec<&str> = plant::ALL.iter().map(|scenario| scenario.name).collect();
        let text = format!("there is no scenario `{}`; one of {}", arguments.scenario, names.join(", "));
        return Err(io::Error::other(text));
    };
    let folder = plant::Folder { path: arguments.dir.clone(), net: arguments.net };
    folder.write(scenario)?;
    let quiet = arguments.json;
    if !quiet {
        writeln!(
            out,
            "{}\nThe same stands in {}. Ctrl-C ends the plant.\n",
            folder.guide(scenario),
            folder.path.join("README.txt").display()
        )?;
    }
    let options = plant::Options {
        folder: arguments.dir.clone(),
        net: arguments.net,
        seed: arguments.seed,
        lasts: arguments.lasts.map(Duration::from_secs),
    };
    let mut tell = |line: &str| if quiet { Ok(()) } else { writeln!(io::stdout(), "{line}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(plant::run(scenario, options, &mut tell))?;
    if quiet {
        writeln!(out, "{}", serde_json::to_string(&report).map_err(io::Error::other)?)
    } else {
        writeln!(out, "\n{report}")
    }
}

fn write(arguments: &Capture) -> io::Result<()> {
    if arguments.name == "list" {
        for named in capture::ALL {
            writeln!(io::stdout(), "{}\n    {}", named.name, named.about)?;
        }
        return Ok(());
    }
    let Some(named) = capture::ALL.iter().find(|named| named.name == arguments.name) else {
        let names: Vec<&str> = capture::ALL.iter().map(|named| named.name).collect();
        return Err(io::Error::other(format!("there is no capture `{}`; one of {}", arguments.name, names.join(", "))));
    };
    let file = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.pcap", named.name)));
    let bytes = named.bytes(arguments.seed);
    std::fs::write(&file, &bytes)?;
    writeln!(io::stdout(), "{}: {} bytes. {}", file.display(), bytes.len(), named.about)
}
