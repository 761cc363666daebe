//! Labels for charge-back that the counters between workloads have too, where they are asked for.

use kubezonnet_topology::{KeptLabel, KeptLabels};

use crate::ledger::Side;

/// Labels that are shown, in the order in which they were asked for; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns(Vec<Column>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// Which of the labels that are kept.
    place: usize,
    /// What the sender's is called in metrics, and what the receiver's.
    names: [String; 2],
}

/// Why a label cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// None of that name is kept.
    #[error(
        "no label is kept as {0:?}: keep it with --extra-label {0}=KEY, or team with --team-label KEY"
    )]
    NotKept(String),
    /// It is asked for twice.
    #[error("{0:?} is asked for twice: two labels of a metric cannot have one name")]
    Twice(String),
}

impl Columns {
    /// These of the labels that are kept, by their names.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if one is not kept, or asked for twice.
    pub fn new(names: &[String], kept: &KeptLabels) -> Result<Self, ColumnError> {
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            let place = kept.names().position(|each| each.as_str() == name);
            let place = place.ok_or_else(|| ColumnError::NotKept(name.clone()))?;
            if columns.iter().any(|column| column.place == place) {
                return Err(ColumnError::Twice(name.clone()));
            }
            columns.push(Column {
                place,
                names: ["src", "dst"].map(|side| label(side, name)),
            });
        }
        Ok(Self(columns))
    }

    /// Which of the labels that are kept.
    pub fn places(&self) -> Vec<usize> {
        self.0.iter().map(|column| column.place).collect()
    }

    /// What each is called, sender's and receiver's, with which of the labels that are kept it is.
    pub fn names(&self) -> impl Iterator<Item = (usize, &[String; 2])> {
        self.0.iter().map(|column| (column.place, &column.names))
    }

    /// The labels of a sample between two sides; empty where a side has none.
    pub(super) fn of<'a>(&'a self, sides: [&'a Side; 2]) -> Vec<(&'a str, &'a str)> {
        let columns = self.0.iter();
        let labels = columns.flat_map(|column| {
            let value = |side: usize| sides[side].labels.get(column.place);
            let value = move |side| value(side).map_or("", |value| value.as_str());
            [0, 1].map(|side| (column.names[side].as_str(), value(side)))
        });
        labels.collect()
    }
}

/// What a label is called in metrics. A name is kept of `a-z`, `0-9` and `_`, as Prometheus wants it, and
/// none of a family's own labels has `label_` in it.
fn label(side: &str, name: &str) -> String {
    match name {
        KeptLabel::TEAM => format!("{side}_{name}"),
        _ => format!("{side}_label_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Result<Columns, ColumnError> {
        let kept = [
            KeptLabel::team("example.com/team").unwrap(),
            KeptLabel::new("app", "app").unwrap(),
            KeptLabel::new("zone", "zone").unwrap(),
        ];
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Columns::new(&names, &KeptLabels::new(kept).unwrap())
    }

    #[test]
    fn labels_are_shown_by_names_that_no_other_label_has() {
        let columns = columns(&["zone", "team"]).unwrap();

        let names: Vec<&str> = columns
            .0
            .iter()
            .flat_map(|column| &column.names)
            .map(String::as_str)
            .collect();
        assert_eq!(
            names,
            ["src_label_zone", "dst_label_zone", "src_team", "dst_team"]
        );
        assert_eq!(columns.places(), [2, 0]);
        let own = crate::metrics::FAMILIES.iter().copied().flatten();
        let own: Vec<&str> = own.flat_map(|family| family.labels).copied().collect();
        assert!(names.iter().all(|name| !own.contains(name)), "{own:?}");
    }

    #[test]
    fn a_label_that_is_not_kept_or_asked_for_twice_is_refused() {
        assert_eq!(columns(&["tier"]), Err(ColumnError::NotKept("tier".into())));
        assert_eq!(
            columns(&["app", "app"]),
            Err(ColumnError::Twice("app".into()))
        );
        assert_eq!(columns(&[]), Ok(Columns::default()));
    }
}
