//! The dashboard as Grafana reads it: its queries, with variables filled in.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The dashboard.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dashboard {
    pub(crate) schema_version: u32,
    pub(crate) panels: Vec<Panel>,
    templating: Templating,
}

#[derive(Debug, Deserialize)]
struct Templating {
    list: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    definition: String,
    #[serde(default)]
    regex: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Panel {
    pub(crate) id: u32,
    pub(crate) title: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) grid_pos: Place,
    pub(crate) datasource: Option<Source>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) w: u32,
    pub(crate) h: u32,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Source {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) uid: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) ref_id: String,
    pub(crate) expr: String,
    pub(crate) datasource: Source,
}

/// A query as Prometheus gets it, by the title of its panel and its letter.
pub(crate) type Queries = BTreeMap<(String, String), String>;

impl Dashboard {
    pub(crate) fn read() -> Self {
        let text = include_str!("../../../deploy/grafana/kubezonnet.json");
        serde_json::from_str(text).unwrap()
    }

    /// Every query, with these values of the variables that have one, and all of the others.
    pub(crate) fn queries(&self, chosen: &[(&str, &str)]) -> Queries {
        let targets = self.panels.iter().flat_map(|panel| {
            let title = panel.title.clone();
            panel
                .targets
                .iter()
                .map(move |target| (title.clone(), target))
        });
        let filled = targets.map(|(title, target)| {
            let expr = self.filled(&target.expr, chosen);
            ((title, target.ref_id.clone()), expr)
        });
        let all: Vec<_> = filled.collect();
        let count = all.len();
        let queries: Queries = all.into_iter().collect();
        assert_eq!(
            queries.len(),
            count,
            "two queries have the same title and letter"
        );
        queries
    }

    /// The queries of the variables, by their names: the values that a label has.
    pub(crate) fn variables(&self) -> BTreeMap<&str, (String, String)> {
        let queries = self
            .templating
            .list
            .iter()
            .filter(|each| each.kind == "query");
        let parts = queries.map(|variable| {
            let inner = variable.definition.strip_suffix(')').unwrap();
            let (query, label) = if let Some(inner) = inner.strip_prefix("label_values(") {
                let (series, label) = inner.rsplit_once(", ").unwrap();
                (format!("group by ({label}) ({series})"), label)
            } else {
                // What a query answers is read as text: a label that is not empty, by a pattern.
                let pattern = variable.regex.strip_prefix('/').unwrap();
                let label = pattern.strip_suffix("=\"([^\"]+)\"/").unwrap();
                let query = inner.strip_prefix("query_result(").unwrap();
                (query.to_owned(), label)
            };
            let query = self.filled(&query, &[]);
            (variable.name.as_str(), (query, label.to_owned()))
        });
        parts.collect()
    }

    /// An expression as Grafana sends it, with all that there is where nothing is chosen.
    fn filled(&self, expr: &str, chosen: &[(&str, &str)]) -> String {
        let mut filled = expr
            .replace("$__rate_interval", "10s")
            .replace("$__range", "10s");
        for variable in &self.templating.list {
            let value = chosen.iter().find(|(name, _)| *name == variable.name);
            let value = value.map_or(".*", |(_, value)| value);
            filled = filled.replace(&format!("${}", variable.name), value);
        }
        assert!(!filled.contains('$'), "a variable is not known: {filled}");
        filled
    }
}
