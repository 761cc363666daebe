//! Sections of text, cut to what a terminal has room for. Pure.

/// Lines that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// What comes first; all of it is shown, or nothing of the section.
    pub(super) head: Vec<String>,
    /// What is cut from its end.
    pub(super) rows: Vec<String>,
    /// What comes last, as the head.
    pub(super) foot: Vec<String>,
    /// How important it is: 0 is the most. Sections of less importance go first.
    pub(super) rank: u8,
}

/// Rows that a section has at least, if it has as many: two, and that there are more.
const FEW: usize = 3;

impl Section {
    /// A section without rows, which is shown as a whole.
    pub(super) fn whole(lines: Vec<String>, rank: u8) -> Self {
        Self {
            head: lines,
            rows: Vec::new(),
            foot: Vec::new(),
            rank,
        }
    }

    /// Lines with this many of the rows, and with the line that keeps it from the one before.
    fn height(&self, rows: usize) -> usize {
        self.head.len() + rows + self.foot.len() + 1
    }

    /// As much as is in this many rows. If there are more, the last one says so.
    fn lines(self, rows: usize) -> Vec<String> {
        let Self {
            mut head,
            rows: mut all,
            foot,
            ..
        } = self;
        if rows < all.len() {
            let shown = rows.saturating_sub(1);
            let more = format!("  and {} more", all.len() - shown);
            all.truncate(shown);
            all.push(more);
        }
        head.append(&mut all);
        head.extend(foot);
        head
    }
}

/// The sections in their order, an empty line between two, in at most so many lines and columns.
pub(super) fn fit(sections: Vec<Section>, height: usize, width: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|at| sections[*at].rank);
    // The first section has no empty line before it.
    let mut left = height + 1;
    let mut rows = vec![None; sections.len()];
    for &at in &order {
        let few = sections[at].rows.len().min(FEW);
        if let Some(rest) = left.checked_sub(sections[at].height(few)) {
            (left, rows[at]) = (rest, Some(few));
        }
    }
    for &at in &order {
        if let Some(shown) = &mut rows[at] {
            let more = left.min(sections[at].rows.len() - *shown);
            (left, *shown) = (left - more, *shown + more);
        }
    }
    let shown = sections.into_iter().zip(rows);
    let parts: Vec<_> = shown
        .filter_map(|(section, rows)| Some(section.lines(rows?)))
        .collect();
    let lines = parts.join(&String::new());
    let cut = |line: String| line.chars().take(width).collect();
    lines.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn sections() -> Vec<Section> {
        let table = |name: &str, rank| Section {
            head: vec![name.to_owned()],
            rows: (1..=5).map(|row| format!("{name} {row}")).collect(),
            foot: vec![format!("{name} all")],
            rank,
        };
        vec![
            Section::whole(strings(&["headline"]), 0),
            table("pods", 1),
            table("zones", 2),
            Section::whole(strings(&["how to end it"]), 0),
        ]
    }

    #[test]
    fn all_is_shown_where_there_is_room() {
        let lines = fit(sections(), 100, 80);

        assert_eq!(lines.len(), 1 + 1 + 7 + 1 + 7 + 1 + 1);
        assert!(!lines.iter().any(|line| line.contains("more")), "{lines:?}");
    }

    #[test]
    fn what_is_cut_is_said_and_the_more_important_keeps_more() {
        let lines = fit(sections(), 16, 80);

        let expected = [
            "headline",
            "",
            "pods",
            "pods 1",
            "pods 2",
            "pods 3",
            "  and 2 more",
            "pods all",
            "",
            "zones",
            "zones 1",
            "zones 2",
            "  and 3 more",
            "zones all",
            "",
            "how to end it",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_section_that_does_not_fit_is_left_out_before_a_more_important_one() {
        let lines = fit(sections(), 9, 80);

        let expected = [
            "headline",
            "",
            "pods",
            "pods 1",
            "pods 2",
            "  and 3 more",
            "pods all",
            "",
            "how to end it",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn no_size_is_ever_exceeded() {
        for height in 0..30 {
            for width in 0..20 {
                let lines = fit(sections(), height, width);

                assert!(lines.len() <= height, "{height}: {lines:?}");
                assert!(lines.iter().all(|line| line.chars().count() <= width));
            }
        }
    }
}
