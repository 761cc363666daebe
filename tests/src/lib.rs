//! What crosses crates is tested in `tests/`; this library holds what those tests share.
