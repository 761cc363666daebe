//! What a spreadsheet would take for a formula.

use std::borrow::Cow;

/// A name as tables have it, never a formula: a spreadsheet takes what begins so for one, and works it out.
pub fn guarded(name: &str) -> Cow<'_, str> {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_a_formula_is_text_and_all_else_as_it_is() {
        for formula in ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "="] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        for name in ["", "web", "a=1", "'=1", "0.000000", " =1"] {
            assert_eq!(guarded(name), name);
        }
    }
}
