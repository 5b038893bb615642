//! The socket as a file: made aside with its final mode, then moved into place. A living one is never taken over.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::Admit;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum Unbound {
    /// Another daemon answers there.
    #[error("a daemon answers already at {}", .0.display())]
    Taken(PathBuf),
    /// Something else lies there, and it is not ours to remove.
    #[error("{} exists and is no socket", .0.display())]
    NotASocket(PathBuf),
    /// Everybody may put a socket of theirs there.
    #[error("the folder {} is writable by everybody", .0.display())]
    Exposed(PathBuf),
    /// The machine says no.
    #[error("cannot make the socket {}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The listening socket. Its file goes with it.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Door {
    /// The next connection.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Only what is still ours: a later daemon may have put its own there. A file that stays is stale, and replaced.
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            let _stale_at_worst = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`: folder 0750 where it must be made, socket 0660, both of the group where it exists.
pub fn bind(path: &Path, admit: &Admit) -> Result<Door, Unbound> {
    let failed = |source| Unbound::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder, admit).map_err(failed)?;
    if fs::metadata(folder).map_err(failed)?.mode() & 0o002 != 0 {
        return Err(Unbound::Exposed(folder.to_owned()));
    }
    probe(path)?;
    let aside = aside(path);
    remove(&aside).map_err(failed)?;
    let listener = UnixListener::bind(&aside).map_err(failed)?;
    let placed = place(&aside, path, admit);
    if placed.is_err() {
        let _stale_at_worst = fs::remove_file(&aside);
    }
    Ok(Door { listener, path: path.to_owned(), inode: placed.map_err(failed)? })
}

fn make_folder(folder: &Path, admit: &Admit) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    give(folder, admit);
    Ok(())
}

/// Who lives there? A socket that nobody accepts on is left over from a life that ended.
fn probe(path: &Path) -> Result<(), Unbound> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Unbound::Io { path: path.to_owned(), source }),
        Ok(meta) if !meta.file_type().is_socket() => return Err(Unbound::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match BlockingStream::connect(path) {
        Ok(_) => Err(Unbound::Taken(path.to_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(Unbound::Io { path: path.to_owned(), source }),
    }
}

fn aside(path: &Path) -> PathBuf {
    // Short, because the kernel takes 107 bytes; unique among living processes.
    path.with_file_name(format!(".{}", std::process::id()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Mode and group first, then the name: nobody ever finds the socket open to all.
fn place(aside: &Path, path: &Path, admit: &Admit) -> io::Result<u64> {
    fs::set_permissions(aside, fs::Permissions::from_mode(0o660))?;
    give(aside, admit);
    fs::rename(aside, path)?;
    Ok(fs::symlink_metadata(path)?.ino())
}

/// Gives a file to the group. A daemon that may not keeps its own group, and its orders come from root and itself.
fn give(path: &Path, admit: &Admit) {
    if let Some(gid) = admit.gid()
        && let Err(error) = chown(path, None, Some(gid))
    {
        tracing::warn!(path = %path.display(), %error, "local door: cannot give it to the group of the configuration");
    }
}
