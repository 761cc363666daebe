//! Points at which a test kills the agent, between any two steps that must survive it.
//!
//! Compiled in with debug assertions only. `KUBEZONNET_FAULT_POINT=name` kills the process (as
//! `kill -9` does) the first time it comes to that point, `name:3` the third time.

/// Every point, in the order in which an agent comes to them.
pub const POINTS: [&str; 19] = [
    "set-half-pinned",
    "set-pinned",
    "programs-pinned",
    "slots-half-filled",
    "slots-filled",
    "first-link-pinned",
    "links-pinned",
    "closing-written",
    "switched",
    "read",
    "closed-written",
    "sent",
    "settled-written",
    "half-cleared",
    "cleared",
    "collecting-written",
    "links-removed",
    "programs-removed",
    "state-removed",
];

/// Kills this process if the environment says so.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static TIMES: AtomicU32 = AtomicU32::new(0);

    debug_assert!(POINTS.contains(&name), "{name} is in no list");
    let Ok(wanted) = std::env::var("KUBEZONNET_FAULT_POINT") else {
        return;
    };
    let (wanted, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted == name && TIMES.fetch_add(1, Ordering::Relaxed) + 1 >= time.parse().unwrap_or(1) {
        die();
    }
}

/// Does nothing: this is no build for tests.
#[cfg(not(debug_assertions))]
pub fn point(_name: &'static str) {}

#[cfg(debug_assertions)]
#[expect(unsafe_code, reason = "no destructor may run, as with kill -9")]
fn die() -> ! {
    // SAFETY: a signal to this very process touches no memory of it.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}
