//! The door of the command line: a Unix socket, one order a line, one reply a line, one order a connection.
//!
//! Three walls before an order is read: the folder (0750), the socket (0660), and the kernel's word on who connects. What is
//! slow, too long or one too many is told so and closed; an order that was read is carried out whatever becomes of the
//! connection.

mod peer;
mod socket;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::service::commands::{Answer, By, Carry, Command, MAX_LINE, Order, Refusal, RefusalKind, Reply, VERSION};
use crate::tasks::Tasks;

pub use peer::Admit;
pub use socket::{Door, Unbound, bind};

/// Connections at a time.
pub const CONNECTIONS: usize = 16;
/// How long a line may take in either direction.
pub const LINE_WITHIN: Duration = Duration::from_secs(5);
/// How long an order may take before its caller is told to ask again.
pub const ORDER_WITHIN: Duration = Duration::from_mins(1);
/// A pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the command line until the task ends.
pub async fn serve(tasks: Tasks, orders: Arc<dyn Carry>, admit: Admit, door: Door) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let admit = Arc::new(admit);
    loop {
        match door.accept().await {
            Ok(stream) => greet(&tasks, &orders, &admit, &slots, stream),
            Err(error) => {
                // A peer can provoke each of these; none ends the door.
                tracing::warn!(%error, "local door: accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Decides who is heard. Costs no slot for those who are not.
fn greet(tasks: &Tasks, orders: &Arc<dyn Carry>, admit: &Arc<Admit>, slots: &Arc<Semaphore>, stream: UnixStream) {
    let uid = match stream.peer_cred() {
        Ok(peer) if admit.admits(peer.uid(), peer.gid()) => peer.uid(),
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "local door: refused a user that may not give orders");
            return turn_away(&stream, &forbidden(admit, peer.uid()));
        }
        Err(error) => {
            tracing::warn!(%error, "local door: the kernel does not say who connects");
            return;
        }
    };
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        return turn_away(&stream, &busy());
    };
    tasks.spawn(converse(tasks.clone(), Arc::clone(orders), By::Uid(uid), stream, slot));
}

/// Says no in one non-blocking write and closes: an unwelcome peer gets no task of ours.
fn turn_away(stream: &UnixStream, refusal: &Refusal) {
    if let Ok(line) = line(Err(refusal.clone())) {
        let _at_most_unheard = stream.try_write(&line);
    }
}

async fn converse(tasks: Tasks, orders: Arc<dyn Carry>, by: By, mut stream: UnixStream, slot: OwnedSemaphorePermit) {
    let answer = match timeout(LINE_WITHIN, read(&mut stream)).await {
        Ok(Ok(Some(order))) => carry(&tasks, orders, by, order).await,
        Ok(Ok(None) | Err(Unread::Gone)) => return,
        Ok(Err(Unread::TooLong)) => Err(malformed(format!("the order is longer than {MAX_LINE} bytes"))),
        Ok(Err(Unread::Malformed(why))) => Err(malformed(why)),
        Err(_late) => Err(malformed(format!("the order did not arrive within {} s", LINE_WITHIN.as_secs()))),
    };
    let line = line(answer).or_else(|_| line(Err(malformed("the answer cannot be written as one line".to_owned()))));
    if let Ok(line) = line {
        let told = timeout(LINE_WITHIN, async {
            stream.write_all(&line).await?;
            stream.shutdown().await
        });
        if !matches!(told.await, Ok(Ok(()))) {
            tracing::debug!(%by, "local door: nobody waited for the answer");
        }
    }
    drop(slot);
}

async fn carry(tasks: &Tasks, orders: Arc<dyn Carry>, by: By, order: Command) -> Result<Answer, Refusal> {
    let (done, answer) = oneshot::channel();
    // A task of its own: a dropped connection must not end an order between memory and disk.
    tasks.spawn(async move {
        let _nobody_waits = done.send(orders.carry(order, by).await);
    });
    match timeout(ORDER_WITHIN, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_dropped)) => Err(Refusal::new(
            RefusalKind::Internal,
            "the order ended without an answer",
            "see the daemon's log; `bulkhead status` says what is in force",
        )),
        Err(_late) => Err(Refusal::new(
            RefusalKind::Busy,
            format!("the order is still under way after {} s", ORDER_WITHIN.as_secs()),
            "it goes on; `bulkhead status` says when the disk answers again, `bulkhead journal show` whether it was done",
        )),
    }
}

enum Unread {
    Gone,
    TooLong,
    Malformed(String),
}

/// One order; `None` when the peer closed without a word (a probe).
async fn read(stream: &mut UnixStream) -> Result<Option<Command>, Unread> {
    let mut bytes = Vec::new();
    let cap = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
    let mut reader = BufReader::new(stream.take(cap));
    reader.read_until(b'\n', &mut bytes).await.map_err(|_: io::Error| Unread::Gone)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop_if(|last| *last == b'\n').is_none() {
        return Err(if bytes.len() > MAX_LINE { Unread::TooLong } else { Unread::Gone });
    }
    if bytes.len() > MAX_LINE {
        return Err(Unread::TooLong);
    }
    let order = serde_json::from_slice::<Order>(&bytes).map_err(|error| Unread::Malformed(version(&bytes, &error)))?;
    if order.v != VERSION {
        return Err(Unread::Malformed(other_version(u64::from(order.v))));
    }
    Ok(Some(order.order))
}

/// An order of another version may well have another shape: say the version, not the shape.
fn version(bytes: &[u8], error: &serde_json::Error) -> String {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u64,
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { v }) if v != u64::from(VERSION) => other_version(v),
        Ok(_) | Err(_) => format!("the order cannot be read: {error}"),
    }
}

fn other_version(v: u64) -> String {
    format!("the order has version {v}, this gateway speaks {VERSION}")
}

fn line(answer: Result<Answer, Refusal>) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Reply::new(answer))?;
    if line.len() > MAX_LINE {
        return line_too_long();
    }
    line.push(b'\n');
    Ok(line)
}

fn line_too_long() -> serde_json::Result<Vec<u8>> {
    Err(serde::ser::Error::custom("the answer is too long"))
}

fn malformed(cause: String) -> Refusal {
    Refusal::new(RefusalKind::Malformed, cause, "use the `bulkhead` command of the same version as the daemon")
}

fn busy() -> Refusal {
    Refusal::new(RefusalKind::Busy, format!("{CONNECTIONS} orders are under way already"), "try again in some seconds")
}

fn forbidden(admit: &Admit, uid: u32) -> Refusal {
    let next = match admit.group() {
        Some(group) => format!("use sudo, or let root do: adduser USER {group}"),
        None => "use sudo: no group may give orders here".to_owned(),
    };
    Refusal::new(RefusalKind::Forbidden, format!("user {uid} may not give orders to this gateway"), next)
}

#[cfg(test)]
mod tests;
