//! The command line: one file a verb group. Everything a person reads goes through [`Out`], every failure is a
//! [`Failure`] with cause, place and next step, every ending is an [`Exit`].

mod args;
mod ca;
mod check;
mod client;
mod device;
mod differences;
mod doctor;
mod exit;
mod explain;
mod failure;
mod files;
mod history;
mod init;
mod journal;
mod orders;
mod out;
mod policy;
mod replay;
mod run;
mod shadow;
mod status;
mod when;
mod words;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use args::{Cli, Verb};
pub use exit::Exit;
pub use failure::Failure;
pub use out::Out;

/// What a verb returns: how the program ends, or why it could not.
type Answer = anyhow::Result<Exit>;

/// What every verb is given.
#[derive(Debug)]
struct Context<'a> {
    /// The answers.
    out: Out<'a>,
    /// The configuration file that was named, or the default one.
    config: PathBuf,
}

/// The whole program. Never panics on any argument; a reader that went away is no failure.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let exit = match args::command().try_get_matches_from(arguments).and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => run(cli),
        Err(error) => usage(&error),
    };
    exit.into()
}

fn usage(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _gone_away = io::stdout().write_all(text.as_bytes());
        Exit::Ok
    } else {
        let _gone_away = io::stderr().write_all(text.as_bytes());
        Exit::Usage
    }
}

fn run(cli: Cli) -> Exit {
    let json = cli.json;
    let stdout = io::BufWriter::new(io::stdout().lock());
    let mut context = Context { out: Out::new(stdout, json), config: cli.config };
    let answer = verb(cli.verb, &mut context).and_then(|exit| Ok(context.out.finish().map(|()| exit)?));
    match answer {
        Ok(exit) => exit,
        Err(error) if reader_gone(&error) => Exit::Ok,
        Err(error) => {
            let failure = failure::of(&error);
            let _gone_away = tell(&mut context.out, &failure);
            failure.exit
        }
    }
}

fn tell(out: &mut Out<'_>, failure: &Failure) -> io::Result<()> {
    out.value(&failure::Told::of(failure))?;
    out.finish()?;
    writeln!(io::stderr(), "bulkhead: {}\n  next: {}", failure.cause, failure.next)
}

fn reader_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn verb(verb: Verb, context: &mut Context<'_>) -> Answer {
    match verb {
        Verb::Init(arguments) => init::run(&arguments, context),
        Verb::Run => run::run(context),
        Verb::Check(arguments) => check::run(&arguments, context),
        Verb::Doctor => doctor::run(context),
        Verb::Status => status::run(context),
        Verb::Explain(arguments) => explain::run(&arguments, context),
        Verb::Observe(arguments) => orders::observe(&arguments, context),
        Verb::Enforce(arguments) => orders::enforce(&arguments, context),
        Verb::Policy(args::Policy::Lint(arguments)) => policy::lint(&arguments.file, context),
        Verb::Policy(args::Policy::Diff(arguments)) => policy::diff(&arguments, context),
        Verb::Policy(args::Policy::Decide(arguments)) => policy::decide(&arguments.file, context),
        Verb::Policy(args::Policy::Activate(arguments)) => orders::activate(&arguments, context),
        Verb::Policy(args::Policy::History) => history::list(context),
        Verb::Policy(args::Policy::Restore(arguments)) => history::restore(&arguments, context),
        Verb::Policy(args::Policy::Document(arguments)) => policy::document(&arguments, context),
        Verb::Policy(args::Policy::Replay(arguments)) => replay::run(&arguments, context),
        Verb::Policy(args::Policy::Shadow(arguments)) => shadow::run(&arguments, context),
        Verb::Subject(args::Subject::List) => orders::subjects(context),
        Verb::Subject(args::Subject::Revoke(arguments)) => orders::revoke(&arguments.subject, context),
        Verb::Device(verb) => device::run(verb, context),
        Verb::Ca(args::Ca::Init(arguments)) => ca::init(&arguments, context),
        Verb::Ca(args::Ca::Csr(arguments)) => ca::request(&arguments, context),
        Verb::Ca(args::Ca::Install(arguments)) => ca::install(&arguments, context),
        Verb::Ca(args::Ca::Show) => ca::show(context),
        Verb::Ca(args::Ca::Sign(arguments)) => ca::sign(&arguments, context),
        Verb::Ca(args::Ca::Crl(arguments)) => ca::crl(&arguments, context),
        Verb::Ca(args::Ca::List(arguments)) => ca::list(&arguments, context),
        Verb::Ca(args::Ca::Retire(arguments)) => ca::retire(&arguments, context),
        Verb::Journal(args::Journal::Verify(arguments)) => journal::verify(arguments, context),
        Verb::Journal(args::Journal::Show(arguments)) => journal::show(arguments, context),
    }
}
