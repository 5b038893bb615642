//! The other end of the local door: one order, one reply. Each trouble on the way is told with its next step.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Context, Exit, Failure, files};
use crate::service::commands::{Answer, Command, MAX_LINE, Order, Refusal, RefusalKind, Reply, VERSION};

/// Longer than the door gives an order: it answers first, whatever happened.
const REPLY_WITHIN: Duration = Duration::from_secs(75);
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// Gives one order to the daemon and waits for its answer.
pub(super) fn ask(context: &Context<'_>, order: Command) -> Result<Answer, Failure> {
    let settings = files::settings(&context.config)?;
    let stream =
        UnixStream::connect(&settings.socket).map_err(|error| unreachable(&error, &settings.socket, context))?;
    give(stream, &settings.socket, order)
}

/// As [`ask`], but none where nobody can be asked: for questions that have another answer then.
pub(super) fn ask_if_reachable(context: &Context<'_>, order: Command) -> Result<Option<Answer>, Failure> {
    let settings = files::settings(&context.config)?;
    match UnixStream::connect(&settings.socket) {
        Ok(stream) => give(stream, &settings.socket, order).map(Some),
        Err(_) => Ok(None),
    }
}

fn give(stream: UnixStream, socket: &Path, order: Command) -> Result<Answer, Failure> {
    let line = serde_json::to_vec(&Order { v: VERSION, order })
        .map_err(|error| Failure::internal(format!("the order cannot be written: {error}"), "report this"))?;
    if line.len() > MAX_LINE {
        let cause = format!("the order has {} bytes, the daemon takes {MAX_LINE}", line.len());
        return Err(Failure::usage(cause, "make the policy file smaller"));
    }
    let reply = exchange(stream, line).map_err(|error| {
        let cause = format!("the daemon at {} did not answer: {error}", socket.display());
        Failure::internal(cause, "see its log; whether the order was carried out says: bulkhead journal show --last 5")
    })?;
    match read(&reply)?.answer {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(refused(refusal)),
    }
}

/// An answer that belongs to another order.
pub(super) fn unexpected() -> Failure {
    Failure::internal("the daemon answered something else than was asked", "see that both have the same version")
}

fn unreachable(error: &io::Error, socket: &Path, context: &Context<'_>) -> Failure {
    let (socket, config) = (socket.display(), context.config.display());
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Failure::no(
            format!("this user may not give orders to the daemon at {socket}"),
            "use sudo, or become a member of the group that `local.group` of the configuration names",
        );
    }
    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        return Failure::no(
            format!("the daemon does not run: nobody answers at {socket}"),
            format!("start it: systemctl start bulkhead, or in the foreground: bulkhead --config {config} run"),
        );
    }
    Failure::internal(format!("cannot reach the daemon at {socket}: {error}"), "see `bulkhead doctor`")
}

fn exchange(mut stream: UnixStream, mut line: Vec<u8>) -> io::Result<Vec<u8>> {
    stream.set_write_timeout(Some(SEND_WITHIN))?;
    stream.set_read_timeout(Some(REPLY_WITHIN))?;
    line.push(b'\n');
    // A door that refuses may close before it has read everything: its reply is worth more than our error.
    let sent = stream.write_all(&line);
    let mut reply = Vec::new();
    let mut some = [0; 8_192];
    while !reply.contains(&b'\n') && reply.len() <= MAX_LINE {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(n) => reply.extend_from_slice(some.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if reply.is_empty() => return sent.and(Err(error)),
            Err(_) => break,
        }
    }
    if reply.is_empty() {
        sent?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(reply)
}

fn read(line: &[u8]) -> Result<Reply, Failure> {
    serde_json::from_slice(line).map_err(|error| {
        Failure::internal(
            format!("the daemon's answer cannot be read: {error}"),
            "see that `bulkhead --version` and the daemon's version in the log are the same; restart it after an upgrade",
        )
    })
}

fn refused(refusal: Refusal) -> Failure {
    let exit = match refusal.kind {
        RefusalKind::Forbidden | RefusalKind::Refused | RefusalKind::Busy => Exit::No,
        RefusalKind::Policy => Exit::Config,
        RefusalKind::Malformed | RefusalKind::Internal => Exit::Internal,
    };
    let lines: Vec<String> = std::iter::once(refusal.cause).chain(refusal.problems).collect();
    let cause = lines.join("\n");
    Failure { exit, cause, next: refusal.next }
}
