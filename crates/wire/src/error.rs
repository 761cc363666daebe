//! Why a body is refused.

use kubezonnet_model::InvalidName;

use crate::FORMAT_VERSION;

/// Why a body is refused. Nothing of a refused body is used.
///
/// [`UnsupportedVersion`](Self::UnsupportedVersion) and [`UnknownCode`](Self::UnknownCode) say that
/// the agent is newer than the server: the same body is good once the server is upgraded. The
/// others do not go away by sending again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or not in the form of the schema.
    #[error("malformed body: {field} at byte {offset}: {problem}")]
    Malformed {
        /// The field it is about, or what stands in its place.
        field: &'static str,
        /// Where in the body the field's value (or what stands in its place) begins.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another format.
    #[error(
        "format version {found} is not supported, only {FORMAT_VERSION}: upgrade the server before \
         the agents"
    )]
    UnsupportedVersion {
        /// The version the body has; 0 where it has none.
        found: u64,
    },
    /// More flows, totals and skipped together than the limit.
    #[error("{found} records are more than the limit of {limit}")]
    TooManyRecords {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// More addresses or shapes than the records of the limit can name.
    #[error("{found} {dictionary} are more than the limit of {limit}")]
    DictionaryTooLarge {
        /// What it holds: `addresses` or `shapes`.
        dictionary: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// A number that stands for nothing this reader knows, and that decides how bytes are booked.
    #[error("{field} has code {code} in row {row}, which is not known: upgrade the server first")]
    UnknownCode {
        /// The column.
        field: &'static str,
        /// The row, from 0.
        row: usize,
        /// The number.
        code: u64,
    },
    /// The node's name is none.
    #[error("inconsistent body: node: {0}")]
    NodeName(InvalidName),
    /// A value of the header that cannot be.
    #[error("inconsistent body: {field} {problem}")]
    Header {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two columns of one table differ in length.
    #[error("inconsistent body: {field} has {found} rows where {other} has {expected}")]
    UnequalColumns {
        /// The one column.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The other column.
        other: &'static str,
        /// The other's length.
        expected: usize,
    },
    /// A row says what cannot be.
    #[error("inconsistent body: {field} in row {row}: {problem}")]
    Row {
        /// The column.
        field: &'static str,
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The counters of the batch together do not fit in 64 bits.
    #[error("inconsistent body: the sum of all {counter} does not fit in 64 bits")]
    Overflow {
        /// Which counter: `bytes` or `packets`.
        counter: &'static str,
    },
}

/// Gives every variant its reason, and lists the reasons, from the same lines: none is forgotten.
macro_rules! reasons {
    ($($variants:pat => $reason:literal,)*) => {
        /// Every reason there is.
        pub const REASONS: &'static [&'static str] = &[$($reason),*];

        /// The reason in metrics and answers.
        pub const fn reason(&self) -> &'static str {
            match self {
                $($variants => $reason,)*
            }
        }
    };
}

impl DecodeError {
    reasons! {
        Self::Malformed { .. } => "malformed",
        Self::UnsupportedVersion { .. } => "unsupported_version",
        Self::TooManyRecords { .. } => "too_many_records",
        Self::DictionaryTooLarge { .. } => "dictionary_too_large",
        Self::UnknownCode { .. } => "unknown_code",
        Self::NodeName(_)
        | Self::Header { .. }
        | Self::UnequalColumns { .. }
        | Self::Row { .. }
        | Self::Overflow { .. } => "inconsistent",
    }
}
