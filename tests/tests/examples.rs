//! What pages give to be typed works: each query is one, of metrics and labels that there are, and each
//! command of kubectl-zonnet and each flag is one that is taken.
//!
//! Where promtool is, is told by the variable `PROMTOOL`; `make test` fetches it and sets it.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of other programs that are told of.
const FOREIGN: [&str; 2] = ["--node-ip", "--endpoint-strict"];

/// What scraping adds to every series, and what labels for charge-back are called in examples.
const ADDED: [&str; 6] = ["cluster", "instance", "job", "pod", "src_team", "dst_team"];

/// How kubectl-zonnet ends if it does not know a flag, or what one says.
const USAGE: i32 = 64;

/// How it ends if the server cannot be reached.
const UNREACHABLE: i32 = 69;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Pages with their names.
fn pages() -> Vec<(String, String)> {
    let mut folders = vec![root().join("docs"), root().join("docs/recipes")];
    folders.push(root());
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages: Vec<_> = pages
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    assert!(pages.len() > 15, "pages were not found");
    pages
}

/// A page's blocks, each with what kind it says that it is, and its text without them.
fn blocks(page: &str) -> (Vec<(&str, Vec<&str>)>, String) {
    let (mut blocks, mut text) = (Vec::new(), String::new());
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind, Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => text.extend([line, "\n"]),
        }
    }
    (blocks, text)
}

/// What stands in a text as code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_ours(word: &str) -> bool {
    (word.starts_with("kubezonnet_") && !word.ends_with('_')) || word.starts_with("pod_cross_zone_")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| !word.is_empty())
}

/// The queries of a page: the lines of its blocks of `promql`, and in its text what is more than a name.
fn queries(page: &str) -> Vec<String> {
    let (blocks, text) = blocks(page);
    let mut queries = Vec::new();
    for (kind, lines) in blocks {
        if kind == "promql" {
            let asked = lines.iter().filter(|line| !line.starts_with('#'));
            queries.extend(
                asked
                    .filter(|line| !line.is_empty())
                    .map(|line| (*line).to_owned()),
            );
        } else if kind.is_empty() {
            let is_query = |line: &&str| words(line).any(is_ours) && line.contains('(');
            let asked = lines.into_iter().find(is_query);
            assert_eq!(asked, None, "its block does not say that it is promql");
        }
    }
    let inline = code(&text).filter(|code| words(code).any(is_ours) && words(code).count() > 1);
    queries.extend(inline.map(str::to_owned));
    queries
}

/// The labels of each family that docs/metrics.md lists.
fn families() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().strip_suffix('`')?;
        let kind = cells.next()?.trim();
        let labels = cells.next()?;
        ["counter", "gauge", "histogram"]
            .contains(&kind)
            .then(|| (name.to_owned(), code(labels).map(str::to_owned).collect()))
    });
    rows.collect()
}

/// The labels that a query names of all that it asks for: in braces, and after `by` and `on`.
fn labels(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for matchers in query.split('{').skip(1) {
        let matchers = matchers.split('}').next().unwrap_or_default();
        // Values are in quotes: every other piece is one.
        let names = matchers.split('"').step_by(2).flat_map(words);
        labels.extend(names.map(str::to_owned));
    }
    for word in [" by (", " on ("] {
        for list in query.split(word).skip(1) {
            labels.extend(words(list.split(')').next().unwrap_or_default()).map(str::to_owned));
        }
    }
    labels
}

#[test]
fn every_query_of_a_page_is_one_and_asks_for_metrics_and_labels_that_there_are() {
    let families = families();
    let mut rules = Vec::new();

    for (name, page) in pages() {
        for query in queries(&page) {
            let asked: Vec<_> = words(&query).filter(|word| is_ours(word)).collect();
            let mut known: BTreeSet<_> = ADDED.map(str::to_owned).into();
            for metric in asked {
                let family = families.get(metric);
                let family = family.unwrap_or_else(|| panic!("{name}: no {metric}: {query}"));
                known.extend(family.iter().cloned());
            }
            let unknown: Vec<_> = labels(&query).difference(&known).cloned().collect();
            assert!(unknown.is_empty(), "{name}: no labels {unknown:?}: {query}");
            let record = format!("query:{}", rules.len());
            rules.push(serde_json::json!({ "record": record, "expr": query }));
        }
    }

    assert!(rules.len() > 15, "only these were found: {rules:?}");
    let file = serde_json::json!({ "groups": [{ "name": "pages", "rules": rules }] });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queries.yaml");
    fs::write(&path, file.to_string()).unwrap();
    let program = std::env::var_os("PROMTOOL").expect(
        "PROMTOOL names no program: run the tests by `make test`, or set it to where promtool is",
    );
    let output = Command::new(program)
        .args(["check", "rules"])
        .arg(&path)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}\n{file:#}", said.concat());
}

#[test]
fn queries_and_their_labels_are_found_where_they_stand() {
    let page = "`kubezonnet_a` of `kubezonnet_b == 0`\n```promql\n# What it is.\nsum by (c, d) (kubezonnet_e{f=\"g\",h=~\"i|j\"})\n```\n";

    let found = queries(page);

    let query = "sum by (c, d) (kubezonnet_e{f=\"g\",h=~\"i|j\"})";
    assert_eq!(found, [query, "kubezonnet_b == 0"]);
    let expected = ["c", "d", "f", "h"].map(str::to_owned);
    assert_eq!(labels(query), expected.into());
}

/// The commands of kubectl-zonnet on a page, without its name: lines of blocks, and code in the text.
fn commands(page: &str) -> Vec<String> {
    let (blocks, text) = blocks(page);
    let lines = blocks.into_iter().flat_map(|(_, lines)| lines);
    let lines = lines.map(|line| line.strip_prefix("$ ").unwrap_or(line));
    // A form with brackets is not to be typed.
    let typed = lines.chain(code(&text)).filter(|line| !line.contains('['));
    let all = typed.filter_map(|line| {
        let line = line.strip_prefix("kubectl")?;
        let words = line
            .strip_prefix(" zonnet ")
            .or(line.strip_prefix("-zonnet "))?;
        // Nothing of what a shell would do with it.
        Some(words.split(['#', '>', '|']).next()?.trim().to_owned())
    });
    all.collect()
}

#[test]
fn every_command_of_a_page_is_one_that_is_taken() {
    let program =
        kubezonnet_testkit::binary("kubectl-zonnet").unwrap_or_else(|error| panic!("{error}"));
    let status = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).env_clear();
        // Nobody listens there.
        command.args(["--server", "http://127.0.0.1:1"]);
        command.output().unwrap().status.code().unwrap()
    };
    let mut count = 0;

    for (name, page) in pages() {
        for command in commands(&page) {
            let words: Vec<_> = command.split_whitespace().collect();
            let status = status(&words);
            assert!(
                status == UNREACHABLE || [0, 1].contains(&status),
                "{name}: kubectl zonnet {command} ends with {status}"
            );
            count += 1;
        }
    }

    assert!(count > 8, "only {count} were found");
    assert_eq!(status(&["cost", "--no-such-flag"]), USAGE);
}

#[test]
fn every_flag_that_a_page_tells_of_is_in_the_page_of_flags() {
    let of = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let flags = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let flags = words.filter(|word| word.starts_with("--") && word.len() > 2);
        flags.map(str::to_owned).collect()
    };
    let mut known: BTreeSet<_> = code(&of).flat_map(&flags).collect();
    known.extend(FOREIGN.map(str::to_owned));
    known.extend(["--help", "--version"].map(str::to_owned));

    // Pages for those who build it tell of the flags of compilers and other tools.
    let is_for_builders = |name: &str| {
        ["CONTRIBUTING", "CHANGELOG", "/recipes/"]
            .iter()
            .any(|part| name.contains(part))
    };
    let pages = pages()
        .into_iter()
        .filter(|(name, _)| !is_for_builders(name));
    for (name, page) in pages {
        let (_, text) = blocks(&page);
        let is_foreign = |code: &&str| {
            let is_kubectl = code.starts_with("kubectl ") && !code.starts_with("kubectl zonnet");
            is_kubectl || code.starts_with("cargo ")
        };
        let ours = code(&text).filter(|code| !is_foreign(code));
        for flag in ours.flat_map(&flags) {
            assert!(known.contains(&flag), "{name} tells of {flag}");
        }
    }
    assert!(known.len() > 50, "the page was not understood: {known:?}");
}
