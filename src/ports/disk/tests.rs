//! The machine's disk, on real files; and the journal's writer on its own thread over it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::decision::Keep;
use bulkhead_core::journal::chain::Lines;
use bulkhead_core::journal::record::{Event, GatewayRecord, Seq};
use bulkhead_core::journal::verify::Verifier;
use bulkhead_core::moment::Moment;

use super::*;
use crate::ports::journal::{self, Now, Settings};
use crate::ports::keys::{Keys, SoftwareKey};
use crate::tasks::{Tasks, Writers};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("bulkhead-disk-{name}-{}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    folder.join("journal")
}

#[tokio::test]
async fn a_segment_has_its_room_is_cut_and_grows_with_zeroes() {
    let folder = folder("segment");
    let mut disk = FileDisk::open(&folder).unwrap();
    disk.create(1, 1 << 20).await.unwrap();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(folder.join("0001.jsonl")).unwrap());
    assert!(blocks * 512 >= 1 << 20, "the room is real: {blocks} blocks");
    disk.write(1, 5, b"abc").await.unwrap();
    disk.sync(1).await.unwrap();
    assert_eq!(disk.read(1, 3, 8).await.unwrap(), b"\0\0abc\0\0\0");
    disk.resize(1, 7).await.unwrap();
    assert_eq!(disk.read(1, 3, 100).await.unwrap(), b"\0\0ab");
    assert_eq!(disk.read(1, 100, 100).await.unwrap(), b"");
    disk.resize(1, 10).await.unwrap();
    assert_eq!(disk.read(1, 5, 100).await.unwrap(), b"ab\0\0\0");
    disk.create(12, 0).await.unwrap();
    disk.keep_aside(12, b"rest").await.unwrap();
    for name in ["0012.cut", "2.jsonl", "00003.jsonl", "0000.jsonl", "0004.json", "x.jsonl", "-001.jsonl"] {
        fs::write(folder.join(name), b"not ours").unwrap();
    }
    let listed = disk.list().await.unwrap();
    assert_eq!(listed, [Segment { number: 1, length: 10 }, Segment { number: 12, length: 0 }]);
    disk.remove(12).await.unwrap();
    assert_eq!(disk.list().await.unwrap().len(), 1);
    assert!(!folder.join("0012.cut").exists());
    assert!(disk.write(12, 0, b"x").await.is_err());
}

#[tokio::test]
async fn a_segment_that_was_half_made_starts_over() {
    let folder = folder("half");
    let mut disk = FileDisk::open(&folder).unwrap();
    fs::write(folder.join("0001.jsonl"), b"garbage of an earlier try").unwrap();
    disk.create(1, 16).await.unwrap();
    assert_eq!(disk.read(1, 0, 100).await.unwrap(), [0; 16]);
}

#[test]
fn a_folder_that_is_a_file_is_refused() {
    let folder = folder("file");
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    fs::write(&folder, b"").unwrap();
    assert!(FileDisk::open(&folder).is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn the_writer_on_its_own_thread_keeps_what_many_tasks_hand_over() {
    let folder = folder("thread");
    let keys: Arc<dyn Keys> = Arc::new(SoftwareKey::from_seed(&[1; 32]).unwrap());
    let settings = Settings { segment: 64 << 10, spare: 4 << 10, max: 1 << 20, ..Settings::default() };
    let mut last = Seq(0);
    for _ in 0..3 {
        let tasks = Tasks::new(Writers::Threads);
        let disk = Box::new(FileDisk::open(&folder).unwrap());
        let opened = journal::open(disk, Seq(0)).await.unwrap();
        assert_eq!(opened.head().seq, last);
        let journal =
            opened.start(&tasks, Arc::clone(&keys), Now(Arc::new(Moment::default)), settings.clone()).unwrap();
        let (done, mut all) = tokio::sync::mpsc::channel(100);
        for _ in 0..50 {
            let (journal, done) = (journal.clone(), done.clone());
            tasks.spawn(async move {
                for _ in 0..4 {
                    let ticket = journal.ticket();
                    assert!(journal.record(
                        ticket,
                        Moment::default(),
                        Event::Gateway(GatewayRecord::Stopped),
                        Keep::Before
                    ));
                    journal.commit(Duration::from_secs(20)).await.unwrap();
                    assert!(journal.seq_of(ticket).is_some());
                }
                done.send(()).await.unwrap();
            });
        }
        drop(done);
        while all.recv().await.is_some() {}
        last = journal.close(Duration::from_secs(20)).await.unwrap();
    }
    assert_eq!(last, Seq(3 * 201), "each life ends with a checkpoint");
    let mut verifier = Verifier::new(vec![keys.public()], None);
    let mut lines = 0;
    for (_, path) in FileDisk::segments(&folder).unwrap() {
        let bytes = fs::read(&path).unwrap();
        lines += Lines::new(&bytes).count();
        verifier.segment(&path.display().to_string(), &bytes, &mut |_| ()).unwrap();
    }
    let report = verifier.finish().unwrap();
    assert_eq!((report.records, lines, report.checkpoints), (603, 603, 3));
}
