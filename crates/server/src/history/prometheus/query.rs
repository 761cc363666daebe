//! The series that a question is asked of. Pure.

use super::gathered::{BYTES, CREATED, FOLDED, PACKETS, ZONES};
use crate::books::Disposition;
use crate::history::Question;

/// What is asked: all counters that can have part in an answer, and what says whose they are. Of a label
/// that a metric does not have, the empty value is asked for too.
pub(super) fn selector(question: &Question) -> String {
    let filter = &question.filter;
    let localities = filter.localities.iter().map(|each| {
        let disposition = Disposition::from(*each);
        disposition.as_str().to_owned()
    });
    let mut matchers = format!("__name__=~\"{BYTES}|{PACKETS}|{CREATED}|{FOLDED}|{ZONES}\"");
    for (name, values) in [
        ("locality", localities.collect::<Vec<_>>()),
        ("src_zone", filter.source.zones.clone()),
        ("dst_zone", filter.destination.zones.clone()),
    ] {
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| literal(value)).collect();
            matchers = format!("{matchers},{name}=~\"|{}\"", values.join("|"));
        }
    }
    format!("{{{matchers}}}")
}

/// A text as a regular expression within quotes that has nothing but it.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for letter in text.chars() {
        match letter {
            // Each byte that a regular expression or the quotes could take for something else.
            letter if letter.is_alphanumeric() || letter == '_' || letter == '-' => {
                literal.push(letter);
            }
            letter => literal.extend(["\\\\x{", &format!("{:x}", u32::from(letter)), "}"]),
        }
    }
    literal
}
