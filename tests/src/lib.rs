//! What crosses crates is tested in `tests/`; this library holds what those tests share.

use std::path::PathBuf;

/// Finds a binary of this workspace, as built beside the running test: `make test` builds them.
///
/// # Panics
///
/// If it has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/<test>
    let profile = test
        .ancestors()
        .nth(2)
        .expect("tests are built into target/<profile>/deps");
    let path = profile.join(name);
    assert!(
        path.exists(),
        "{} is not there: run cargo build --workspace --bins",
        path.display()
    );
    path
}
