//! Key files: the three Ed25519 signing keys of a node, and the rule for every file that holds a secret.
//!
//! It must not know what is signed, nor the charter that lists the public halves.
//!
//! Invariants:
//! - a secret that others could read is not used: a file with any permission for group or others is refused;
//! - a key file is written once (`create_new`), with mode 0600 from the first byte on, and synced before it is relied on;
//! - the three keys of a node differ.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_zebra::VerificationKeyBytes;
use ed25519_zebra::ed25519::KeypairBytes;
use ed25519_zebra::ed25519::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rand::TryRng;
use rand::rngs::SysRng;
use sinergi_proto::base::key::SigningKey;

/// Largest key or certificate file, in bytes. A chain of several certificates is far smaller.
pub const FILE_BYTES: u64 = 64 * 1024;

/// A key file cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file does not exist.
    #[error("{} does not exist: name it in sinergid.toml, or make a node with `sinergi init`", .0.display())]
    Missing(PathBuf),
    /// The file exists and cannot be read.
    #[error("{} cannot be read by this user", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's mode lets other users read it.
    #[error("{} has mode {mode:04o}, so that others can read the key: must be 0600; run `chmod 600 {}`", path.display(), path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is longer than any key file.
    #[error("{} has more than {FILE_BYTES} bytes: this is not a key file", .0.display())]
    TooLong(PathBuf),
    /// The file does not hold an Ed25519 key.
    #[error("{} is not an Ed25519 private key in PKCS#8 PEM (\"BEGIN PRIVATE KEY\"): {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// The problem, in words.
        reason: String,
    },
    /// Two key files hold one key.
    #[error("{} and {} hold the same key: each use needs its own, so that one signature can never pass for another", .0.display(), .1.display())]
    SameKey(PathBuf, PathBuf),
    /// The file to write exists already.
    #[error("{} exists already and is not overwritten: move it away first", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a key: {0}")]
    Randomness(String),
}

/// The signing keys of a node.
#[derive(Clone)]
pub struct SigningKeys {
    /// Signs entries.
    pub entry: SigningKey,
    /// Signs checkpoints.
    pub checkpoint: SigningKey,
    /// Cosigns checkpoints with their time.
    pub time: SigningKey,
}

impl SigningKeys {
    /// Reads the three key files of a node.
    ///
    /// # Errors
    /// Every problem of the three files; at least one.
    pub fn load(files: &sinergi_config::Keys) -> Result<Self, Vec<KeyError>> {
        let (mut keys, mut errors) = (Vec::new(), Vec::new());
        for path in [&files.entry, &files.checkpoint, &files.time] {
            match load(path) {
                Ok(key) => keys.push((path, key)),
                Err(error) => errors.push(error),
            }
        }
        for (index, (path, key)) in keys.iter().enumerate() {
            if let Some((earlier, _)) = keys[..index].iter().find(|(_, earlier)| earlier == key) {
                errors.push(KeyError::SameKey((*earlier).clone(), (*path).clone()));
            }
        }
        match keys.as_slice() {
            [(_, entry), (_, checkpoint), (_, time)] if errors.is_empty() => {
                Ok(Self { entry: entry.clone(), checkpoint: checkpoint.clone(), time: time.clone() })
            }
            _ => Err(errors),
        }
    }
}

/// A new key from the operating system's randomness.
///
/// # Errors
/// The system gives none.
pub fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| KeyError::Randomness(error.to_string()))?;
    Ok(SigningKey::from(seed))
}

/// Reads a signing key.
///
/// # Errors
/// The file is missing, readable by others, or holds something else.
pub fn load(path: &Path) -> Result<SigningKey, KeyError> {
    let pem = read_private(path)?;
    let not_a_key = |reason: String| KeyError::NotAKey { path: path.to_owned(), reason };
    let pair = KeypairBytes::from_pkcs8_pem(pem.trim()).map_err(|error| not_a_key(error.to_string()))?;
    let key = SigningKey::from(pair.secret_key);
    match &pair.public_key {
        Some(public) if *public.as_ref() != <[u8; 32]>::from(VerificationKeyBytes::from(&key)) => {
            Err(not_a_key("its public half belongs to another key".to_owned()))
        }
        _ => Ok(key),
    }
}

/// Writes a signing key to a new file that only its owner can read.
///
/// # Errors
/// The file exists or cannot be written.
pub fn write_new(path: &Path, key: &SigningKey) -> Result<(), KeyError> {
    let pair = KeypairBytes { secret_key: key.seed(), public_key: None };
    let pem = pair.to_pkcs8_pem(Default::default()).expect("32 bytes fit into a PKCS#8 document");
    write_private(path, pem.as_bytes())
}

/// Reads a file that holds a secret, after the permission check.
///
/// # Errors
/// The file is missing, unreadable, too long, or readable by others.
pub fn read_private(path: &Path) -> Result<String, KeyError> {
    let file = open(path)?;
    // The mode of the open file, not of the path: so the checked file is the one that is read.
    let mode =
        file.metadata().map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::ReadableByOthers { path: path.to_owned(), mode });
    }
    read_bounded(path, file)
}

/// Reads a PEM file that anybody may read.
///
/// # Errors
/// The file is missing, unreadable or too long.
pub fn read_public(path: &Path) -> Result<String, KeyError> {
    read_bounded(path, open(path)?)
}

/// Writes a new file that only its owner can read, and syncs it.
///
/// # Errors
/// The file exists or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            KeyError::Exists(path.to_owned())
        } else {
            KeyError::Unwritable { path: path.to_owned(), source }
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        // The folder is synced too: a key that a charter lists must not be gone after a power failure.
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })
}

fn open(path: &Path) -> Result<File, KeyError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
        _ => KeyError::Unreadable { path: path.to_owned(), source },
    })
}

fn read_bounded(path: &Path, file: File) -> Result<String, KeyError> {
    let mut text = String::new();
    file.take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
    if text.len() as u64 > FILE_BYTES { Err(KeyError::TooLong(path.to_owned())) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("entry.pem");
        write_private(&path, text.as_bytes()).unwrap();
        (directory, path)
    }

    #[test]
    fn a_written_key_is_read_back_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("entry.pem");
        let key = generate().unwrap();
        write_new(&path, &key).unwrap();
        assert!(load(&path).unwrap() == key);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write_new(&path, &key), Err(KeyError::Exists(_))));
        assert!(load(&path).unwrap() == key);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_its_mode() {
        let (_directory, path) = file("");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = load(&path).expect_err("readable by others");
            assert!(matches!(&error, KeyError::ReadableByOthers { mode: found, .. } if *found == mode), "{error}");
        }
        set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(matches!(load(&path), Err(KeyError::NotAKey { .. })));
    }

    #[test]
    fn a_file_without_an_ed25519_key_is_refused() {
        let other_kind = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let broken = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "not a key", other_kind.as_str(), broken] {
            let (_directory, path) = file(text);
            assert!(matches!(load(&path), Err(KeyError::NotAKey { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_key_made_by_another_tool_is_read() {
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let (_directory, path) = file(&other.serialize_pem());
        let key = load(&path).unwrap();
        assert_eq!(<[u8; 32]>::from(VerificationKeyBytes::from(&key)), other.public_key_raw());
    }

    #[test]
    fn a_missing_file_and_a_too_long_one_are_refused() {
        assert!(matches!(load(Path::new("/nonexistent/entry.pem")), Err(KeyError::Missing(_))));
        let (_directory, path) = file(&"a".repeat(FILE_BYTES as usize + 1));
        assert!(matches!(load(&path), Err(KeyError::TooLong(_))));
    }

    #[test]
    fn all_three_keys_must_be_there_and_differ() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let files = sinergi_config::Keys { entry: at("entry"), checkpoint: at("checkpoint"), time: at("time") };
        let error = |result: Result<SigningKeys, Vec<KeyError>>| result.err().expect("refused");
        let key = generate().unwrap();
        write_new(&files.entry, &key).unwrap();
        assert_eq!(error(SigningKeys::load(&files)).len(), 2);
        write_new(&files.checkpoint, &generate().unwrap()).unwrap();
        write_new(&files.time, &key).unwrap();
        assert!(matches!(error(SigningKeys::load(&files)).as_slice(), [KeyError::SameKey(..)]));
        std::fs::remove_file(&files.time).unwrap();
        write_new(&files.time, &generate().unwrap()).unwrap();
        assert!(SigningKeys::load(&files).is_ok_and(|keys| keys.entry == key));
    }
}
