//! Small pictures of one line: bars and trends.

/// Eighths of a cell, by how many of them are full from the left.
const FROM_LEFT: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Eighths of a cell, from the bottom.
const FROM_BELOW: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar of exactly `room` cells, full as far as `part` is of `most`. What is not nothing is seen.
pub fn bar(part: u128, most: u128, room: usize) -> String {
    let cells = room as u128;
    let exact = part.min(most).saturating_mul(cells * 8).checked_div(most);
    let eighths = exact.map_or(0, |exact| exact.max(u128::from(part > 0)));
    let full = usize::try_from(eighths / 8).unwrap_or(room).min(room);
    let mut bar = "█".repeat(full);
    if full < room {
        let rest = usize::try_from(eighths % 8).unwrap_or_default();
        bar.push(FROM_LEFT[rest]);
        bar.push_str(&" ".repeat(room - full - 1));
    }
    bar
}

/// A line of at most `room` cells that shows how much each part of a time had, against the most of
/// them. Nothing is blank; several are added up where there are more than cells.
pub fn sparkline(parts: &[u64], room: usize) -> String {
    if parts.is_empty() || room == 0 {
        return String::new();
    }
    let cells = parts.len().min(room);
    let sums: Vec<u128> = (0..cells)
        .map(|cell| {
            let (from, to) = (cell * parts.len() / cells, (cell + 1) * parts.len() / cells);
            // Of different lengths if they cannot be cut evenly: the mean is what compares.
            let sum: u128 = parts[from..to].iter().copied().map(u128::from).sum();
            sum * 60 / (to - from) as u128
        })
        .collect();
    let most = sums.iter().copied().max().unwrap_or_default();
    let step = |sum: u128| match sum {
        0 => ' ',
        sum => FROM_BELOW[usize::try_from((sum * 8 - 1) / most).unwrap_or(7).min(7)],
    };
    sums.into_iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::width;

    #[test]
    fn a_bar_is_as_full_as_its_part() {
        assert_eq!(bar(0, 100, 4), "    ");
        assert_eq!(bar(50, 100, 4), "██  ");
        assert_eq!(bar(100, 100, 4), "████");
        assert_eq!(bar(1, 1_000_000, 4), "▏   ");
        assert_eq!(bar(5, 0, 4), "    ");
        assert_eq!(bar(5, 8, 1), "▋");
    }

    #[test]
    fn a_trend_rises_with_what_it_shows() {
        assert_eq!(sparkline(&[0, 1, 2, 4, 8], 5), " ▁▂▄█");
        assert_eq!(sparkline(&[1, 1, 2, 2], 2), "▄█");
        assert_eq!(sparkline(&[], 5), "");
        assert_eq!(sparkline(&[0, 0], 5), "  ");
    }

    proptest! {
        #[test]
        fn pictures_fit(part: u64, most: u64, parts in prop::collection::vec(any::<u64>(), 0..70), room in 0_usize..40) {
            prop_assert_eq!(width(&bar(part.into(), most.into(), room)), room);
            prop_assert!(width(&sparkline(&parts, room)) <= room);
        }
    }
}
