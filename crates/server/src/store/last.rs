//! The last change that was acknowledged, in a small file beside the database.
//!
//! SQLite takes what is whole of its write-ahead log, so a log that was damaged or taken away after a
//! kill would pass for a shorter one. This file tells: it is written after each commit and never
//! synced, so that it costs next to nothing, and taken away when the database is closed in order. After a kill it has the last change; after a loss of
//! power an earlier one perhaps; never one that is not on disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::StoreId;

/// The file, open.
#[derive(Debug)]
pub(super) struct Last {
    file: File,
    id: StoreId,
}

impl Last {
    /// Opens the file of a store, or makes it, and says which change it has. What another store, or
    /// nobody, has written counts for nothing.
    pub(super) fn open(path: &Path, id: StoreId) -> io::Result<(Self, Option<u64>)> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        let mut text = String::new();
        // Anything but text is nothing that was written here.
        let read = (&mut file).take(100).read_to_string(&mut text);
        let last = read.ok().and_then(|_| {
            let (store, change) = text.strip_suffix('\n')?.split_once(' ')?;
            let change = change.parse().ok()?;
            (store == id.to_string()).then_some(change)
        });
        Ok((Self { file, id }, last))
    }

    /// Notes a change that is on disk.
    pub(super) fn note(&self, change: u64) {
        // Always as long, so that it is never mixed of two. What cannot be written now is so with
        // the next change; until then the file says less than it could.
        let line = format!("{} {change:020}\n", self.id);
        self.file.write_all_at(line.as_bytes(), 0).ok();
    }

    /// Takes the file away, once nothing depends on SQLite's log any more.
    pub(super) fn remove(path: &Path) {
        // If that fails it says what is true still.
        std::fs::remove_file(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_there_for_the_same_store_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        let id = StoreId::random();

        let (last, before) = Last::open(&path, id).unwrap();
        last.note(1234);
        last.note(7);

        assert_eq!(before, None);
        assert_eq!(Last::open(&path, id).unwrap().1, Some(7));
        assert_eq!(Last::open(&path, StoreId::random()).unwrap().1, None);
    }

    #[test]
    fn a_file_that_is_none_of_ours_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        for bytes in [&b""[..], b"\xff\xfe", b"text\n", b"0123 45"] {
            std::fs::write(&path, bytes).unwrap();

            assert_eq!(Last::open(&path, StoreId::random()).unwrap().1, None);
        }
    }
}
