//! The Modbus door: accept, open a session, classify, judge, forward; the refusal is the protocol's bare exception.
//!
//! * `serve` accepts, caps and opens sessions; one task a connection.
//! * `connection` is that task: one poll that looks, always in the same order, at the cut, at finished commits, at the device,
//!   at the client and at the deadlines. It never waits for a commit, so a read does not stand behind a write's disk.
//! * `classify` makes a `classify::Frame` of bytes: the request that the gate judges and the link sends, one value.
//! * `forward` owns the socket to the device. Nothing but a permit makes it write.
//! * `south` is what a connection sends to: a socket of its own, or a place on the `bus` that all clients of a device share.
//! * `line` holds what is outstanding and matches replies; `reply` alone turns a refusal into bytes.
//! * `connection::observe` is the tap of law 3: every byte passes, a copy is judged.

mod alarms;
mod asset;
mod bus;
mod classify;
mod connection;
mod forward;
mod inbox;
mod line;
mod links;
mod outbox;
mod reply;
mod serve;
mod south;

use std::time::Duration;

pub use serve::{Door, serve};

/// Requests of one client that are under way at once. Beyond, its bytes wait in its own socket.
const OUTSTANDING: usize = 16;
/// From the first byte of a frame to the end of its header.
const HEADER_WITHIN: Duration = Duration::from_secs(2);
/// From the first byte of a frame to its last.
const FRAME_WITHIN: Duration = Duration::from_secs(5);
/// Malformed PDUs within [`MALFORMED_WINDOW`] that end a connection.
const MALFORMED: usize = 3;
/// See [`MALFORMED`].
const MALFORMED_WINDOW: Duration = Duration::from_mins(1);
/// How long a client may leave its replies unread.
const UNREAD: Duration = Duration::from_secs(30);
/// How often the hardware address of an active client is looked at again.
const NEIGHBOUR_EVERY: Duration = Duration::from_secs(10);

/// A duration in whole milliseconds.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
