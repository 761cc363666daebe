//! The flags that say which labels are kept for charge-back.

use clap::Args;
use kubezonnet_topology::{KeptLabel, KeptLabels, LabelError};

use crate::metrics::{ColumnError, Columns};

/// Which labels are kept.
#[derive(Debug, Clone, Args)]
pub struct LabelFlags {
    /// Label that says who pays, kept as `team`.
    ///
    /// A pod's own counts, or else its namespace's.
    #[arg(long, env = "KUBEZONNET_TEAM_LABEL", value_parser = KeptLabel::team, value_name = "KEY")]
    team_label: Option<KeptLabel>,

    /// Another label to keep, by a name of its own; can be given several times.
    ///
    /// A pod's own counts, or else its namespace's. Like app=app.kubernetes.io/name; in the variable
    /// with commas between them. At most eight labels are kept, with --team-label.
    #[arg(
        long,
        env = "KUBEZONNET_EXTRA_LABEL",
        value_delimiter = ',',
        value_name = "NAME=KEY"
    )]
    extra_label: Vec<KeptLabel>,

    /// Kept labels that /metrics tells workloads apart by, too; several with commas between them.
    ///
    /// By the names they are kept by. The counters between workloads have `src_team` and `dst_team` then,
    /// and `src_label_NAME` and `dst_label_NAME`.
    #[arg(
        long,
        env = "KUBEZONNET_METRICS_LABELS",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    metrics_labels: Vec<String>,
}

impl LabelFlags {
    /// The labels that are kept, the team's first.
    ///
    /// # Errors
    ///
    /// [`LabelError`] if they are too many, or two have one name.
    pub fn kept(&self) -> Result<KeptLabels, LabelError> {
        let team = self.team_label.iter();
        KeptLabels::new(team.chain(&self.extra_label).cloned())
    }

    /// Those of the kept labels that metrics have.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if one is not kept, or asked for twice.
    pub fn columns(&self, kept: &KeptLabels) -> Result<Columns, ColumnError> {
        Columns::new(&self.metrics_labels, kept)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::config::{Config, Stop};

    fn read(arguments: &[&str]) -> Result<Config, Stop> {
        let arguments = ["kubezonnet-server"].iter().chain(arguments);
        Config::read(arguments.map(OsString::from))
    }

    fn names(arguments: &[&str]) -> Vec<String> {
        let kept = read(arguments).unwrap().labels.kept().unwrap();
        kept.names().map(ToString::to_string).collect()
    }

    #[test]
    fn labels_are_kept_in_the_order_given_the_teams_first() {
        let two = [
            "--extra-label=app=app.kubernetes.io/name",
            "--extra-label=tier=tier",
        ];

        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&two), ["app", "tier"]);
        assert_eq!(names(&["--extra-label=app=app,tier=tier"]), ["app", "tier"]);
        let [app, tier] = two;
        assert_eq!(
            names(&[app, tier, "--team-label=example.com/team"]),
            ["team", "app", "tier"]
        );
    }

    #[test]
    fn a_label_that_cannot_be_is_refused_with_its_flag() {
        for (argument, expected) in [
            ("--extra-label=app", "expected a name, '='"),
            ("--extra-label=App=app", "is no name"),
            ("--team-label=-", "is no key"),
        ] {
            let Err(Stop::Wrong(line)) = read(&[argument]) else {
                panic!("{argument} was taken");
            };

            let flag = argument.split('=').next().unwrap();
            assert!(line.contains(expected) && line.contains(flag), "{line}");
        }
    }

    #[test]
    fn metrics_have_those_of_the_kept_labels_that_are_asked_for() {
        let columns = |arguments: &[&str]| {
            let flags = read(arguments).unwrap().labels;
            flags.columns(&flags.kept().unwrap())
        };
        let kept = ["--team-label=team", "--extra-label=app=app,tier=tier"];

        assert_eq!(columns(&kept).unwrap().places(), [0; 0]);
        let asked = [&kept[..], &["--metrics-labels=tier,team"]].concat();
        assert_eq!(columns(&asked).unwrap().places(), [2, 0]);
        let error = columns(&["--metrics-labels=team"]).unwrap_err();
        assert!(error.to_string().contains("--team-label KEY"), "{error}");
    }

    #[test]
    fn two_labels_of_one_name_are_refused() {
        let config = read(&["--team-label=team", "--extra-label=team=other"]).unwrap();

        let error = config.labels.kept().unwrap_err();

        assert!(error.to_string().contains("two labels are called team"));
    }
}
