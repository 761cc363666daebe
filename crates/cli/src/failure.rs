//! Why a command ends without what was asked for, and with which status.

use std::io;

use crate::text::BadMoney;

/// Something was looked at and is not as it should be, or did not work.
pub const FOUND: u8 = 1;

/// Why a command ends without what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked makes no sense: a flag, a variable, a file that one names.
    #[error("{0}")]
    Usage(String),
    /// The server, or the way to it, is not there.
    #[error("{0}")]
    Unavailable(String),
    /// Somebody may not do what is needed.
    #[error("{0}")]
    Permission(String),
    /// Kubernetes does not know who asks: nothing else can be asked of it either.
    #[error("{0}")]
    Stranger(String),
    /// There was an answer, and it is of no use.
    #[error("{0}")]
    Answer(String),
    /// It cannot be printed, or the terminal cannot be used.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
    /// All was printed, and what was looked at is not as it should be.
    #[error("problems were found")]
    Found,
}

impl Failure {
    /// The exit status; those over 1 by the names of `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            // EX_USAGE
            Self::Usage(_) => 64,
            // EX_UNAVAILABLE
            Self::Unavailable(_) => 69,
            // EX_NOPERM
            Self::Permission(_) | Self::Stranger(_) => 77,
            Self::Answer(_) | Self::Print(_) | Self::Found => FOUND,
        }
    }

    /// Whether nobody reads what is printed any more: no failure to speak of.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether it may be over by itself: worth another try.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Answer(_))
    }
}

impl From<BadMoney> for Failure {
    fn from(error: BadMoney) -> Self {
        Self::Answer(format!("the server's answer cannot be understood: {error}"))
    }
}
