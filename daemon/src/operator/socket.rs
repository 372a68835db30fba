//! The Unix socket of the operator API.
//!
//! Invariant: at no moment can anybody but the owner open it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket of the operator API cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A running node answers at the socket.
    #[error("another node answers at {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// A system call failed.
    #[error("cannot make the operator socket {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Binds the socket with mode 0600. A socket without a listener is left over from a killed node and is replaced.
///
/// # Errors
/// Another node answers there, or a system call failed.
pub async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::InUse(path.to_owned()));
    }
    // The socket is bound under another name, restricted, and then renamed, so that others can open it at no moment.
    let make = || {
        let unfinished = path.with_extension("new");
        let _ = fs::remove_file(&unfinished);
        let listener = UnixListener::bind(&unfinished)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
        fs::rename(&unfinished, path)?;
        Ok(listener)
    };
    make().map_err(|source| SocketError::Io { path: path.to_owned(), source })
}
