//! The Modbus door in front of a careless device: what it must never let through is what the device says it got, not what the
//! gateway says it sent.

mod files;
mod floods;
mod framing;
mod hostile;
mod lifetime;
mod observe;
mod peers;
mod repeats;
mod replies;
mod retries;
mod shadow;
mod shared;
mod tls;
