//! Says plainly whether this process may make network namespaces.

use crate::Error;

/// Checks that this process is root.
///
/// # Errors
///
/// [`Error::NotRoot`] if it is not.
pub fn check_root() -> Result<(), Error> {
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(Error::NotRoot)
    }
}

/// Fails a test that needs root where it is run without: such a test never skips in silence.
///
/// # Panics
///
/// If this process is not root.
pub fn require_root() {
    assert!(
        check_root().is_ok(),
        "this test makes network namespaces and needs root: run it with `sudo make test`"
    );
}
