//! Orders over the socket: who is heard, what is read, and what a bad peer costs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt as _;

use super::*;
use crate::net::Later;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("bulkhead-local-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_dir_all(&self.0);
    }
}

/// Counts the orders that it has finished; `Observe` takes a second, `Enforce` two minutes.
#[derive(Debug, Default)]
struct Clerk {
    finished: AtomicUsize,
}

impl Carry for Clerk {
    fn carry(self: Arc<Self>, order: Command, by: By) -> Later<'static, Result<Answer, Refusal>> {
        Box::pin(async move {
            if matches!(order, Command::Observe { .. }) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if matches!(order, Command::Enforce { .. }) {
                tokio::time::sleep(ORDER_WITHIN * 2).await;
            }
            self.finished.fetch_add(1, Ordering::SeqCst);
            Err(Refusal::new(RefusalKind::Refused, format!("heard {by}"), ""))
        })
    }
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn start(folder: &Folder, admit: Admit) -> (Tasks, Arc<Clerk>) {
    let tasks = Tasks::new(crate::tasks::Writers::Threads);
    let clerk = Arc::new(Clerk::default());
    let door = bind(&folder.socket(), &admit).unwrap();
    tasks.spawn(serve(tasks.clone(), Arc::<Clerk>::clone(&clerk), admit, door));
    (tasks, clerk)
}

fn mine() -> Admit {
    Admit::of(own(), None, "", "")
}

async fn say(folder: &Folder, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(folder.socket()).await.unwrap();
    // The door may close before it has read everything.
    let _closed_early = stream.write_all(bytes).await;
    let (mut reply, mut some) = (Vec::new(), [0; 4_096]);
    while let Ok(n @ 1..) = stream.read(&mut some).await {
        reply.extend_from_slice(&some[..n]);
    }
    String::from_utf8(reply).unwrap()
}

const STATUS: &[u8] = b"{\"v\":1,\"order\":\"status\"}\n";

#[tokio::test]
async fn an_order_is_answered_on_one_line_with_the_version() {
    let folder = Folder::new();
    let (tasks, _) = start(&folder, mine());
    let reply = say(&folder, STATUS).await;
    let expected = format!(
        "{{\"v\":1,\"answer\":{{\"Err\":{{\"kind\":\"refused\",\"cause\":\"heard uid {}\",\"next\":\"\"}}}}}}\n",
        own()
    );
    assert_eq!(reply, expected);
    tasks.abort_all();
}

#[tokio::test]
async fn garbage_is_told_what_is_wrong_and_carries_nothing_out() {
    let folder = Folder::new();
    let (tasks, clerk) = start(&folder, mine());
    for (bytes, says) in [
        (&b"hello\n"[..], "the order cannot be read"),
        (b"\xff\xfe\x00\n", "the order cannot be read"),
        (b"{\"v\":1,\"order\":\"reboot\"}\n", "unknown variant `reboot`"),
        (b"{\"v\":1,\"order\":\"status\",\"extra\":1}\n", "unknown field `extra`"),
        (b"{\"v\":1,\"order\":{\"observe\":{\"conduit\":\"x\",\"y\":1}}}\n", "unknown field `y`"),
        (b"{\"v\":2,\"order\":{\"new\":1}}\n", "version 2, this gateway speaks 1"),
        (b"{\"v\":9,\"order\":\"status\"}\n", "version 9, this gateway speaks 1"),
        (b"{\"v\":1,\"order\":\"status\"}", ""),
    ] {
        // The last one never ends its line; closing the writing side is what a vanished caller looks like.
        let mut stream = UnixStream::connect(folder.socket()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.contains(says), "{reply}");
    }
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 0);
    tasks.abort_all();
}

#[tokio::test]
async fn an_order_over_the_cap_is_refused_without_being_kept() {
    let folder = Folder::new();
    let (tasks, clerk) = start(&folder, mine());
    let mut line = vec![b' '; MAX_LINE + 1];
    line.push(b'\n');
    assert!(say(&folder, &line).await.contains("longer than 1048576 bytes"));
    assert!(say(&folder, &vec![b'x'; 2 * MAX_LINE]).await.contains("longer than 1048576 bytes"));
    // A line of exactly the cap is read.
    let mut line = vec![b' '; MAX_LINE - (STATUS.len() - 1)];
    line.extend_from_slice(STATUS);
    assert!(say(&folder, &line).await.contains("heard"));
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 1);
    tasks.abort_all();
}

#[tokio::test]
async fn a_peer_that_the_list_does_not_name_is_refused_before_it_is_read() {
    let folder = Folder::new();
    // The list names somebody else; the test's own user stands for the stranger. Root is always named.
    if own() == 0 {
        return stranger_by_another_user(&folder).await;
    }
    let (tasks, clerk) = start(&folder, Admit::of(own() + 1, None, "", ""));
    assert!(say(&folder, STATUS).await.contains("forbidden"));
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 0);
    tasks.abort_all();
}

/// As root: both file modes are opened by hand, so that the kernel's word is the only wall left.
async fn stranger_by_another_user(folder: &Folder) {
    use std::os::unix::process::CommandExt as _;
    let (tasks, clerk) = start(folder, mine());
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(folder.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  try: s.sendall(b'{\"v\":1,\"order\":\"status\"}\\n')\nexcept OSError: pass\nsys.stdout.write(s.recv(65536).decode())";
    let path = folder.socket();
    let reply = tasks
        .blocking(move || {
            std::process::Command::new("python3")
                .args(["-c", script])
                .arg(path)
                .uid(65_534)
                .gid(65_534)
                .output()
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .await
        .unwrap();
    match reply {
        Ok(reply) => assert!(reply.contains("user 65534 may not give orders"), "{reply}"),
        Err(_) => return tasks.abort_all(),
    }
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 0);
    tasks.abort_all();
}

#[tokio::test]
async fn a_slow_order_is_told_so_and_frees_its_place() {
    let folder = Folder::new();
    let (tasks, _) = start(&folder, mine());
    let mut slow = UnixStream::connect(folder.socket()).await.unwrap();
    slow.write_all(b"{\"v\":1,").await.unwrap();
    let mut reply = String::new();
    timeout(LINE_WITHIN * 2, slow.read_to_string(&mut reply)).await.unwrap().unwrap();
    assert!(reply.contains("did not arrive within 5 s"), "{reply}");
    tasks.abort_all();
}

#[tokio::test]
async fn a_hundred_connections_leave_room_once_they_are_gone() {
    let folder = Folder::new();
    let (tasks, _) = start(&folder, mine());
    let mut held = Vec::new();
    let mut busy = 0;
    for _ in 0..100 {
        let mut stream = UnixStream::connect(folder.socket()).await.unwrap();
        let mut reply = [0; 512];
        match timeout(Duration::from_millis(20), stream.read(&mut reply)).await {
            Ok(Ok(n)) => {
                assert!(String::from_utf8_lossy(&reply[..n]).contains("busy"), "{:?}", &reply[..n]);
                busy += 1;
            }
            Ok(Err(error)) => panic!("{error}"),
            Err(_waits) => held.push(stream),
        }
    }
    assert_eq!((held.len(), busy), (CONNECTIONS, 100 - CONNECTIONS));
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(say(&folder, STATUS).await.contains("heard"));
    tasks.abort_all();
}

#[tokio::test]
async fn an_order_is_finished_although_its_caller_went_away() {
    let folder = Folder::new();
    let (tasks, clerk) = start(&folder, mine());
    let mut stream = UnixStream::connect(folder.socket()).await.unwrap();
    stream.write_all(b"{\"v\":1,\"order\":{\"observe\":{\"conduit\":\"x\"}}}\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 1);
    tasks.abort_all();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_outlasts_the_patience_of_the_door_is_finished_all_the_same() {
    let folder = Folder::new();
    let (tasks, clerk) = start(&folder, mine());
    let reply = say(&folder, b"{\"v\":1,\"order\":{\"enforce\":{\"conduit\":\"x\",\"watch\":null}}}\n").await;
    assert!(reply.contains("still under way after 60 s"), "{reply}");
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 0);
    tokio::time::sleep(ORDER_WITHIN * 2).await;
    assert_eq!(clerk.finished.load(Ordering::SeqCst), 1);
    tasks.abort_all();
}

#[tokio::test]
async fn the_socket_has_its_mode_and_a_stale_one_is_replaced() {
    let folder = Folder::new();
    drop(std::os::unix::net::UnixListener::bind(folder.socket()).unwrap());
    assert!(folder.socket().exists(), "a closed listener leaves its file behind");
    let door = bind(&folder.socket(), &mine()).unwrap();
    assert_eq!(std::fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "nothing lies beside it");
    drop(door);
    assert!(!folder.socket().exists());

    let inner = folder.0.join("made").join("control.sock");
    let _door = bind(&inner, &mine()).unwrap();
    assert_eq!(std::fs::metadata(inner.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o750);
}

#[tokio::test]
async fn a_living_socket_and_a_foreign_file_are_left_alone() {
    let folder = Folder::new();
    let _door = bind(&folder.socket(), &mine()).unwrap();
    assert!(matches!(bind(&folder.socket(), &mine()), Err(Unbound::Taken(_))));
    assert!(folder.socket().exists());

    let file = folder.0.join("precious");
    std::fs::write(&file, "data").unwrap();
    assert!(matches!(bind(&file, &mine()), Err(Unbound::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");

    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(bind(&folder.0.join("other.sock"), &mine()), Err(Unbound::Exposed(_))));
}
