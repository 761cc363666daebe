//! What reaches the agent: flags, the kernel, the server's answers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use kubezonnet_agent::answer::{Answer, Outcome};
use kubezonnet_model::Epoch;

/// The window that is answered.
const EPOCH: Epoch = Epoch([0xab; 16]);
const SEQUENCE: u64 = 7;

/// Two bytes of status, a line of `Retry-After`, the body. Only an answer that names the window
/// acknowledges it, and what is logged of it is one short line.
pub fn answer(bytes: &[u8]) {
    let Some((status, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, body) = rest.split_at(end.unwrap_or(0));
    let retry_after = std::str::from_utf8(line).ok();
    let status = u16::from_le_bytes(*status);

    let answer = Answer::read(EPOCH, SEQUENCE, status, retry_after, body);

    if matches!(answer.outcome, Outcome::Acknowledged | Outcome::Duplicate) {
        let body = String::from_utf8_lossy(body);
        assert_eq!(status, 200);
        // The number may be written otherwise (70e-1 is none of ours), the name may be escaped.
        assert!(
            body.contains(&SEQUENCE.to_string()) && body.contains("epoch") || body.contains('\\')
        );
    }
    assert!(!answer.detail.contains(char::is_control));
    assert!(answer.detail.chars().count() <= 400);
}

/// One argument a line. Neither program panics, and what is wrong is said in one line.
pub fn flags(bytes: &[u8]) {
    let arguments = || {
        let lines = bytes.split(|byte| *byte == b'\n').take(8);
        let arguments = lines.map(|line| OsString::from_vec(line.to_vec()));
        std::iter::once(OsString::from("program")).chain(arguments)
    };
    if let Err(kubezonnet_agent::config::Stop::Wrong(line)) =
        kubezonnet_agent::config::Config::read(arguments())
    {
        assert_eq!(line.lines().count(), 1, "{line:?}");
    }
    if let Err(kubezonnet_server::config::Stop::Wrong(line)) =
        kubezonnet_server::config::Config::read(arguments())
    {
        assert_eq!(line.lines().count(), 1, "{line:?}");
    }
}

/// A key, then a value, as the maps may hold them; too short ones too.
pub fn map_entries(bytes: &[u8]) {
    kubezonnet_capture::fuzzing::entries(bytes);
}

/// A datagram. It comes to its end, and no message is made of nothing.
pub fn netlink(bytes: &[u8]) {
    let messages = kubezonnet_agent::links::fuzzing::messages(bytes);
    assert!(messages <= bytes.len() / 16 + 1);
}
