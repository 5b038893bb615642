//! A stream that keeps back what was written, as TLS does, in front of a client that reads slowly.

use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::net::Link;

/// Takes everything that is written up to a limit, and hands on as much as it is told.
#[derive(Debug, Default)]
struct Slow {
    kept: usize,
    gone: u64,
    may_go: Arc<Mutex<usize>>,
}

const LIMIT: usize = 8_192;

impl Slow {
    fn hand_on(&mut self) {
        let mut may_go = self.may_go.lock().unwrap();
        let now = self.kept.min(*may_go);
        (self.kept, *may_go, self.gone) = (self.kept - now, *may_go - now, self.gone + u64::try_from(now).unwrap());
    }
}

impl AsyncRead for Slow {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.hand_on();
        let count = bytes.len().min(LIMIT - self.kept);
        self.kept += count;
        if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }
    fn poll_write_vectored(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hand_on();
        if self.kept == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Link for Slow {
    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn taken(&self) -> u64 {
        self.gone
    }
}

#[test]
fn a_client_that_always_reads_a_little_makes_nothing_grow_and_its_progress_is_seen() {
    let may_go = Arc::new(Mutex::new(0));
    let mut stream: Stream = Box::new(Slow { may_go: Arc::clone(&may_go), ..Slow::default() });
    let (mut out, mut cx) = (Outbox::default(), Context::from_waker(Waker::noop()));
    let mut pushed = 0;
    for _ in 0..10_000 {
        if !out.is_high() {
            out.push(&[7; 1_000]);
            pushed += 1;
        }
        *may_go.lock().unwrap() += 100;
        let before = out.progress(&stream);
        assert!(out.poll_flush(&mut stream, &mut cx).is_pending(), "it is never done");
        assert_ne!(out.progress(&stream), before, "a hundred bytes are progress");
        assert!(out.bytes.len() <= HIGH + 1_000 && out.bytes.capacity() < 4 * HIGH, "{}", out.bytes.capacity());
        assert!(!out.is_empty());
    }
    assert!(pushed < 1_100, "the client is held back to what it reads: {pushed}");
    *may_go.lock().unwrap() = usize::MAX;
    assert!(out.poll_flush(&mut stream, &mut cx).is_ready());
    assert!(out.is_empty());
}

#[test]
fn what_the_stream_keeps_back_is_not_gone() {
    let may_go = Arc::new(Mutex::new(0));
    let mut stream: Stream = Box::new(Slow { may_go: Arc::clone(&may_go), ..Slow::default() });
    let (mut out, mut cx) = (Outbox::default(), Context::from_waker(Waker::noop()));
    out.push(&[1; 10]);
    assert!(out.poll_flush(&mut stream, &mut cx).is_pending());
    assert!(!out.is_empty(), "whoever waits for the last answer goes on waiting");
    let stands = out.progress(&stream);
    assert!(out.poll_flush(&mut stream, &mut cx).is_pending());
    assert_eq!(out.progress(&stream), stands, "a client that takes nothing makes no progress");
    *may_go.lock().unwrap() = 10;
    assert!(out.poll_flush(&mut stream, &mut cx).is_ready() && out.is_empty());
}
