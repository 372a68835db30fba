//! The Unix socket of the operator API: owner only, from its first moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why there is no operator API.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error("another node answers at {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// The file system says no.
    #[error("cannot make the operator socket {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Binds the socket with mode 0600. A socket that nobody answers at is what a killed node left, and is replaced.
///
/// # Errors
/// When another node answers there, or the file system says no.
pub async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::InUse(path.to_owned()));
    }
    // Bound under a name that nobody knows, restricted, then renamed: there is no moment at which others could open it.
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
