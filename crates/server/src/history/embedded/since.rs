//! Since when there is history: of each resolution from where nothing of it was deleted.

use kubezonnet_history::Resolution;
use kubezonnet_model::Timestamp;
use rusqlite::Connection;

use super::database::meta;
use crate::history::Reaches;
use crate::store::set_meta;

/// Since when there is history.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// When the first window began that was ever counted.
    begin: Option<Timestamp>,
    /// Until when each resolution was deleted, in the order of [`Resolution::ALL`].
    deleted: [Timestamp; Resolution::ALL.len()],
}

impl Since {
    /// As it is on disk. In a file that does not say until when it was deleted nothing was yet.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let time = |key: &str| {
            let time = meta::<i64>(connection, key)?;
            Ok::<_, rusqlite::Error>(time.map(|time| Timestamp(time.cast_unsigned())))
        };
        let mut since = Self {
            begin: time("since")?,
            ..Self::default()
        };
        for resolution in Resolution::ALL {
            let deleted = time(key(resolution))?;
            since.deleted[resolution as usize] = deleted.unwrap_or_default();
        }
        Ok(since)
    }

    /// Writes when it began.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        match self.begin {
            Some(begin) => set_meta(connection, "since", begin.0.cast_signed()),
            None => Ok(()),
        }
    }

    /// The same with a window that began then.
    pub(super) fn with(self, begin: Option<Timestamp>) -> Self {
        Self {
            begin: [self.begin, begin].into_iter().flatten().min(),
            ..self
        }
    }

    /// Writes that a resolution has nothing from before.
    pub(super) fn delete(
        &mut self,
        connection: &Connection,
        resolution: Resolution,
        until: Timestamp,
    ) -> rusqlite::Result<()> {
        let deleted = self.deleted[resolution as usize].max(until);
        set_meta(connection, key(resolution), deleted.0.cast_signed())?;
        self.deleted[resolution as usize] = deleted;
        Ok(())
    }

    /// Until when a resolution was deleted.
    pub(super) fn deleted(&self, resolution: Resolution) -> Timestamp {
        self.deleted[resolution as usize]
    }

    /// Since when each resolution has all that went.
    pub(super) fn reaches(&self) -> Reaches {
        self.deleted
            .map(|deleted| self.begin.map(|begin| begin.max(deleted)))
    }

    /// Since when any has.
    pub(super) fn any(&self) -> Option<Timestamp> {
        self.reaches().into_iter().flatten().min()
    }
}

const fn key(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Minute => "deleted_minute",
        Resolution::Hour => "deleted_hour",
        Resolution::Day => "deleted_day",
    }
}
