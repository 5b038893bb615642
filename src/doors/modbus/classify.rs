//! A frame as a request: the bytes that are judged are the bytes that are sent.

use bulkhead_core::access::{Access, Accesses, Target, Verb};
use bulkhead_core::journal::record::FrameRecord;
use bulkhead_core::policy::model::UnitZero;
use bulkhead_core::wire::modbus::{FrameView, Malformed, Request as Pdu};
use smallvec::SmallVec;
use smallvec::smallvec;

use crate::service::gate::Request;

/// Frames of up to this many bytes are not on the heap: every read, and writes of up to 25 registers.
const INLINE: usize = 64;

/// One whole, well-formed frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: SmallVec<[u8; INLINE]>,
    zero: UnitZero,
    /// Bytes at its front that had already passed when the conduit was switched from `observe` to `enforce`.
    passed: usize,
}

impl Frame {
    /// Makes a request of the bytes of one whole frame.
    pub(super) fn classify(bytes: &[u8], zero: UnitZero) -> Result<Self, Malformed> {
        let view = FrameView::of(bytes).ok_or(Malformed::Empty)?;
        Pdu::decode(view.pdu)?;
        Ok(Self { bytes: SmallVec::from_slice(bytes), zero, passed: 0 })
    }

    /// The device has the first `passed` bytes already: only the rest of it is to be sent, if all of it is allowed.
    pub(super) fn after(mut self, passed: usize) -> Self {
        self.passed = passed;
        self
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the device lacks of it.
    pub(super) fn to_send(&self) -> &[u8] {
        self.bytes.get(self.passed..).unwrap_or_default()
    }

    /// What the device lacks of it, under another transaction id.
    pub(super) fn to_send_as(&self, name: u16) -> impl Iterator<Item = u8> + '_ {
        let head = name.to_be_bytes();
        let rest = self.bytes.iter().skip(head.len()).copied();
        head.into_iter().chain(rest).skip(self.passed)
    }

    /// Whether the device has a part of it already.
    pub(super) fn is_begun(&self) -> bool {
        self.passed > 0
    }

    /// The request; `None` never, since `classify` has decoded it.
    pub(super) fn pdu(&self) -> Option<Pdu<'_>> {
        FrameView::of(&self.bytes).and_then(|view| Pdu::decode(view.pdu).ok())
    }

    /// Whether the device may change by it.
    pub(super) fn writes(&self) -> bool {
        self.pdu().is_none_or(|pdu| pdu.writes())
    }

    /// Its transaction id.
    pub(super) fn id(&self) -> u16 {
        head(&self.bytes).id
    }
}

impl Request for Frame {
    fn accesses(&self) -> Accesses<'_> {
        let unit = head(&self.bytes).unit;
        // No rule can name function 0.
        let nothing = Target::Function { unit, code: 0, sub: None };
        self.pdu().map_or_else(
            || smallvec![Access { asset: None, verb: Verb::Function, function: 0, target: nothing }],
            |pdu| pdu.accesses(unit, self.zero),
        )
    }

    fn frame(&self) -> FrameRecord {
        head(&self.bytes)
    }
}

/// The head of a frame, well-formed or not; zeroes where bytes are missing.
pub(super) fn head(bytes: &[u8]) -> FrameRecord {
    FrameView::of(bytes).map_or_else(FrameRecord::default, |view| FrameRecord {
        id: view.id,
        unit: view.unit,
        function: view.function(),
    })
}
