//! Waits for a condition with a deadline, so that no test ever sleeps and hopes.

use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// How long to pause between two looks: short against anything a test waits for, long enough not
/// to take the processor from what it waits for.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until `look` finds something, and returns that.
///
/// # Errors
///
/// [`Error::Timeout`], naming `what`, if nothing was found by the deadline.
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, Error> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(Error::Timeout {
                what: what.to_owned(),
                deadline,
            });
        }
        thread::sleep(PAUSE);
    }
}

/// Looks again and again until `same` returns an equal value for `quiet` long, and returns it.
///
/// # Errors
///
/// [`Error::Timeout`] if the value still changes at the deadline; the first error of `same`.
pub fn wait_until_steady<T: PartialEq>(
    what: &str,
    quiet: Duration,
    deadline: Duration,
    mut same: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let end = Instant::now() + deadline;
    let mut last = same()?;
    let mut since = Instant::now();
    loop {
        thread::sleep(PAUSE);
        let now = same()?;
        if now != last {
            last = now;
            since = Instant::now();
        } else if since.elapsed() >= quiet {
            return Ok(last);
        }
        if Instant::now() >= end {
            return Err(Error::Timeout {
                what: what.to_owned(),
                deadline,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_is_named_when_the_deadline_passes() {
        let error = wait_for("a blue moon", Duration::from_millis(20), || None::<()>).unwrap_err();

        assert_eq!(
            error.to_string(),
            "a blue moon did not happen within 0.02 s"
        );
    }

    #[test]
    fn a_steady_value_is_returned_only_after_it_stopped_changing() {
        let mut looks = 0;

        let value = wait_until_steady(
            "steadiness",
            Duration::from_millis(30),
            Duration::from_secs(10),
            || {
                looks += 1;
                Ok(looks.min(7))
            },
        );

        assert_eq!(value.unwrap(), 7);
    }
}
