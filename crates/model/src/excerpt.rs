//! Texts of others in messages of ours.

/// So many characters of a message's begin and as many of its end are shown: enough for the mistake, and
/// for what to do about it.
const SHOWN: usize = 300;

/// A message with what somebody wrote in it, however long that is: cut in its middle to a few lines.
#[must_use]
pub fn excerpt(message: String) -> String {
    let count = message.chars().count();
    if count <= 2 * SHOWN {
        return message;
    }
    let begin: String = message.chars().take(SHOWN).collect();
    let end: String = message.chars().skip(count - SHOWN).collect();
    let left_out = count - 2 * SHOWN;
    format!("{begin}… ({left_out} characters) …{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_keeps_its_begin_and_its_end() {
        let long = format!("begin {} end", "é".repeat(1_000_000));

        let shown = excerpt(long);

        assert!(shown.starts_with("begin é"), "{shown}");
        assert!(shown.ends_with("é end"), "{shown}");
        assert!(shown.contains("… (999410 characters) …"), "{shown}");
        assert!(shown.chars().count() < 3 * SHOWN, "{shown}");
    }

    #[test]
    fn a_message_of_a_few_lines_stays_as_it_is() {
        let message = "é".repeat(2 * SHOWN);

        assert_eq!(excerpt(message.clone()), message);
    }
}
