use super::*;
use crate::journal::record::GatewayRecord;
use crate::moment::{Moment, UnixMs};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

struct Small {
    chain: Chain,
    bytes: Vec<u8>,
    pair: Ed25519KeyPair,
}

impl Small {
    fn new() -> Self {
        Self {
            chain: Chain::default(),
            bytes: Vec::new(),
            pair: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
        }
    }

    fn key(&self) -> PublicKey {
        PublicKey::ed25519(self.pair.public_key().as_ref())
    }

    fn push(&mut self, event: Event) {
        let at = Moment { wall: UnixMs(1_700_000_000_123), ..Moment::default() };
        self.chain.push(at, event, &mut self.bytes).unwrap();
    }

    fn alarm(&mut self, text: &str) {
        let alarm =
            GatewayRecord::Alarm { what: "malformed".to_owned(), source: None, asset: None, text: text.to_owned() };
        self.push(Event::Gateway(alarm));
    }

    fn head(&self) -> Head {
        let Chain { seq, digest } = self.chain;
        let signature = to_hex(self.pair.sign(&checkpoint_message(seq, &digest)).as_ref());
        Head { seq, digest, key: self.key().id(), signature }
    }

    fn checkpoint(&mut self) {
        let Head { seq, digest, key, signature } = self.head();
        self.push(Event::Checkpoint { seq, digest, key, signature });
    }

    /// Ends the segment and gives its bytes.
    fn cut(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

fn check(small: &Small, segments: &[(&str, &[u8])], head: Option<Head>) -> Result<Report, Broken> {
    verify(segments.iter().copied(), vec![small.key()], head)
}

/// Five records, a checkpoint as the fourth.
fn journal() -> Small {
    let mut small = Small::new();
    for text in ["one", "two", "three"] {
        small.alarm(text);
    }
    small.checkpoint();
    small.alarm("five");
    small
}

#[test]
fn a_sound_journal_tells_how_far_it_is_proven() {
    let mut small = journal();
    let first = small.cut();
    small.alarm("six");
    let head = small.head();
    let mut second = small.cut();
    second.extend_from_slice(&[0; 4096]);
    let segments = [("0001.jsonl", &first[..]), ("0002.jsonl", &second[..])];
    let report = check(&small, &segments, None).unwrap();
    assert_eq!((report.first, report.last, report.records, report.segments), (Seq(1), small.chain, 6, 2));
    assert_eq!((report.checkpoints, report.signed_to, report.complete_to), (1, Some(Seq(3)), None));
    assert_eq!(report.unfinished, None);
    assert_eq!(check(&small, &segments, Some(head)).unwrap().complete_to, Some(Seq(6)));
    let stranger = verify(segments, Vec::new(), None).unwrap();
    assert_eq!((stranger.checkpoints, stranger.unchecked, stranger.signed_to), (0, 1, None));
}

#[test]
fn every_flipped_bit_is_found_and_its_line_is_named() {
    let mut small = journal();
    let mut bytes = small.cut();
    let used = bytes.len();
    bytes.extend_from_slice(&[0; 32]);
    let starts: Vec<usize> = Lines::new(&bytes).map(|(offset, _)| offset).collect();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            bytes[position] ^= 1 << bit;
            let line = starts.iter().rposition(|start| *start <= position).unwrap();
            let offset = if position < used { starts[line] } else { used };
            let broken = check(&small, &[("0001.jsonl", &bytes)], None).unwrap_err();
            // The newline of the last line is part of that line, and the line is not finished without it.
            let seq = if position < used { line + 1 } else { starts.len() + 1 };
            assert_eq!(broken.offset, u64::try_from(offset).unwrap(), "{position}/{bit}: {broken}");
            assert_eq!((broken.seq, &*broken.segment), (Seq(u64::try_from(seq).unwrap()), "0001.jsonl"));
            bytes[position] ^= 1 << bit;
        }
    }
}

fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    Lines::new(bytes).map(|(_, line)| [line, b"\n"].concat()).collect()
}

#[test]
fn a_removed_repeated_or_exchanged_record_is_found() {
    let mut small = journal();
    let lines = lines_of(&small.cut());
    let why = |order: &[usize]| {
        let bytes: Vec<u8> = order.iter().flat_map(|line| lines[*line].clone()).collect();
        check(&small, &[("0001.jsonl", &bytes)], None).map_err(|broken| (broken.seq.0, broken.why))
    };
    assert_eq!(why(&[0, 2, 3, 4]).unwrap_err(), (2, Why::Gap(Seq(3))));
    assert_eq!(why(&[0, 1, 1, 2, 3, 4]).unwrap_err(), (3, Why::Gap(Seq(2))));
    assert_eq!(why(&[1, 0, 2, 3, 4]).unwrap_err(), (3, Why::Gap(Seq(1))));
    assert_eq!(why(&[1, 2, 3, 4]).unwrap_err(), (2, Why::Start));
    let mut other = Small::new();
    other.alarm("another");
    let replaced = [other.cut(), lines[1..].concat()].concat();
    let broken = check(&small, &[("0001.jsonl", &replaced)], None).unwrap_err();
    assert_eq!((broken.seq, broken.why), (Seq(2), Why::Chain));
}

#[test]
fn a_journal_rewritten_from_some_record_on_fails_at_the_next_checkpoint() {
    let good = journal();
    // Somebody without the key writes a chain of his own and keeps the old checkpoint.
    let mut forged = Small::new();
    for text in ["one", "2", "three"] {
        forged.alarm(text);
    }
    let old = lines_of(&good.bytes);
    forged.push(parse(old[3].strip_suffix(b"\n").unwrap()).unwrap().record.event);
    let broken = check(&good, &[("0001.jsonl", &forged.bytes)], None).unwrap_err();
    assert_eq!((broken.seq, broken.why), (Seq(4), Why::Covers(Seq(3))));
    // He makes the digest fit: then the signature does not.
    let mut forged = Small::new();
    forged.alarm("mine");
    let Chain { seq, digest } = forged.chain;
    let signature = to_hex(&[1; 64]);
    forged.push(Event::Checkpoint { seq, digest, key: good.key().id(), signature });
    let broken = check(&good, &[("0001.jsonl", &forged.bytes)], None).unwrap_err();
    assert_eq!((broken.seq, broken.why), (Seq(2), Why::Signature(good.key().id())));
}

#[test]
fn a_checkpoint_of_the_future_is_refused() {
    let mut small = journal();
    let Head { digest, key, signature, .. } = small.head();
    small.push(Event::Checkpoint { seq: Seq(99), digest, key, signature });
    let broken = check(&small, &[("0001.jsonl", &small.bytes)], None).unwrap_err();
    assert_eq!(broken.why, Why::Reach(Seq(99)));
}

#[test]
fn a_cut_tail_is_found_by_a_head_and_by_nothing_else() {
    let mut small = journal();
    let head = small.head();
    let lines = lines_of(&small.cut());
    let short = lines[..4].concat();
    assert_eq!(check(&small, &[("0001.jsonl", &short)], None).unwrap().complete_to, None);
    let broken = check(&small, &[("0001.jsonl", &short)], Some(head.clone())).unwrap_err();
    assert_eq!((broken.seq, broken.why), (Seq(5), Why::Cut(Seq(5))));
    let whole = lines.concat();
    let forged = Head { signature: to_hex(&[0; 64]), ..head.clone() };
    let broken = check(&small, &[("0001.jsonl", &whole)], Some(forged)).unwrap_err();
    assert_eq!(broken.why, Why::Signature(head.key.clone()));
    let mut other = Small::new();
    for text in ["1", "2", "3", "4", "5"] {
        other.alarm(text);
    }
    let broken = check(&small, &[("0001.jsonl", &whole)], Some(other.head())).unwrap_err();
    assert_eq!((broken.seq, broken.why), (Seq(5), Why::Head));
    assert_eq!(
        verify([("0001.jsonl", &whole[..])], Vec::new(), Some(head.clone())).unwrap_err().why,
        Why::NoKey(head.key)
    );
}

#[test]
fn a_trimmed_start_is_accepted_with_its_record_and_only_with_it() {
    let mut small = journal();
    let early = small.head();
    small.cut();
    let Chain { seq: until, digest } = small.chain;
    small.alarm("six");
    let without = small.bytes.clone();
    let broken = check(&small, &[("0002.jsonl", &without)], None).unwrap_err();
    assert_eq!((broken.seq, broken.offset, broken.why), (Seq(6), 0, Why::Start));
    small.push(Event::Trimmed { until, digest });
    let report = check(&small, &[("0002.jsonl", &small.bytes)], None).unwrap();
    assert_eq!((report.first, report.records), (Seq(6), 2));
    // The head of the trimmed end still proves; one from before it does not.
    assert!(check(&small, &[("0002.jsonl", &small.bytes)], Some(early)).is_ok());
    let mut older = Small::new();
    older.alarm("one");
    let broken = check(&small, &[("0002.jsonl", &small.bytes)], Some(older.head())).unwrap_err();
    assert_eq!(broken.why, Why::OldHead(Seq(1)));
    let mut other = Small { chain: small.chain, bytes: without, pair: small.pair };
    other.chain = Chain { seq: Seq(6), digest: parse(&other.bytes[..other.bytes.len() - 1]).unwrap().digest };
    other.push(Event::Trimmed { until, digest: Sha256::of(b"else") });
    assert_eq!(check(&other, &[("0002.jsonl", &other.bytes)], None).unwrap_err().why, Why::Start);
}

#[test]
fn an_unfinished_line_is_told_at_the_end_and_refused_before_it() {
    let mut small = journal();
    let mut first = small.cut();
    let whole = u64::try_from(first.len()).unwrap();
    first.extend_from_slice(b"{\"v\":1,\0\0");
    let report = check(&small, &[("0001.jsonl", &first)], None).unwrap();
    let unfinished = Unfinished { segment: "0001.jsonl".to_owned(), offset: whole, length: 7 };
    assert_eq!(report.unfinished, Some(unfinished));
    small.alarm("six");
    let broken = check(&small, &[("0001.jsonl", &first), ("0002.jsonl", &small.bytes)], None).unwrap_err();
    assert_eq!((broken.offset, broken.why), (whole, Why::Unfinished));
}

#[test]
fn a_zero_at_the_start_of_a_line_is_no_end() {
    let mut small = journal();
    let mut bytes = small.cut();
    let second = Lines::new(&bytes).nth(1).unwrap().0;
    bytes[second] = 0;
    let broken = check(&small, &[("0001.jsonl", &bytes)], None).unwrap_err();
    assert_eq!((broken.offset, broken.seq, broken.why), (u64::try_from(second).unwrap(), Seq(2), Why::Hole(3)));
}

#[test]
fn heads_and_keys_read_back_from_their_text() {
    let mut small = journal();
    let head = small.head();
    assert_eq!(serde_json::to_string(&head).unwrap().parse(), Ok(head.clone()));
    small.checkpoint();
    assert_eq!(std::str::from_utf8(&small.bytes).unwrap().parse(), Ok(head));
    assert_eq!("".parse::<Head>(), Err(NotAHead));
    assert_eq!(small.key().to_string().parse(), Ok(small.key()));
    for text in ["", "ed25519:", "ed25519:00", "rsa:00", "ed25519:zz"] {
        assert_eq!(text.parse::<PublicKey>(), Err(NotAKey), "{text}");
    }
}
