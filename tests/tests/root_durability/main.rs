//! What is killed, cut off or lost, at any instant: in the end the counters hold what the uplinks
//! carried, to the byte, and none has ever fallen.
//!
//! `TEST_KILLS` is how often each is killed (10 unless it is set). Instants are random: the seed is
//! printed, and `TEST_SEED` takes one.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod kills;
mod losses;
mod stage;
