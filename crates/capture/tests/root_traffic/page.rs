//! docs/accuracy.md: what the tests measured, a section for each test.
//!
//! With `ACCURACY_DIR` set, a section is left there, for `make accuracy` to make the page of. Without,
//! its cells are held against those of the page, so that no cell comes or goes unseen. What was
//! measured in a cell may differ from run to run: TCP acknowledges and repeats as it likes.

use std::fmt::Write as _;
use std::path::Path;

use kubezonnet_model::FlowCounters;

/// The sections in their order on the page, each with what it shows.
const SECTIONS: [(&str, &str); 14] = [
    ("Pods of two nodes", "Without a tunnel."),
    (
        "VXLAN with checksum offload",
        "The tunnels' devices leave checksums and segmentation to the uplinks.",
    ),
    (
        "VXLAN without checksum offload",
        "The tunnels' devices do both themselves.",
    ),
    (
        "WireGuard",
        "By a stand-in in user space that puts packets into datagrams as WireGuard does, without \
         the encryption: this kernel has none. Over IPv6 20 bytes of each datagram are charged to \
         the nodes, and the rest to the pods.",
    ),
    ("Packets above 64 KiB", "BIG TCP."),
    ("Smaller MTUs", "Of the pod's link, and of the path."),
    (
        "Receive offload",
        "Packets that the receiving uplink has put together.",
    ),
    (
        "Segments above the path's MTU",
        "Which are fragmented after they are cut.",
    ),
    ("Nodes", "What two nodes send each other themselves."),
    (
        "A pod and its own node",
        "Which never leaves the node: the bytes are those that were sent, with their headers.",
    ),
    (
        "A node and itself",
        "By its loopback device, once; what it receives of that is left out as looped.",
    ),
    (
        "NodePort",
        "Through a node that has neither end; by its one uplink it comes and goes.",
    ),
    (
        "NodePort on an overlay",
        "The same where the way from the node to the pod is a VXLAN tunnel.",
    ),
    (
        "Multicast and broadcast",
        "Between nodes, with and without a member on the sending node.",
    ),
];

const TITLES: &str = "\
| traffic | family | network | way | bytes on the wire | counted leaving | counted arriving | packets on the wire | counted leaving | counted arriving |
|---|---|---|---|---:|---:|---:|---:|---:|---:|
";

/// How many of a row's columns say which cell it is.
const KEY_COLUMNS: usize = 4;

/// One section as it is measured.
pub(crate) struct Section {
    /// Its place in [`SECTIONS`].
    number: usize,
    rows: String,
}

/// What was measured in one cell, one way.
pub(crate) struct Cell<'a> {
    pub(crate) traffic: &'a str,
    pub(crate) family: &'a str,
    pub(crate) network: &'a str,
    pub(crate) way: &'a str,
    /// What the interfaces say, where there is one.
    pub(crate) wire: Option<FlowCounters>,
    /// What the hooks of the sending node say, where it counts.
    pub(crate) leaving: Option<FlowCounters>,
    /// What those of the receiving node say, where it does.
    pub(crate) arriving: Option<FlowCounters>,
}

impl Section {
    pub(crate) fn new(title: &str) -> Self {
        let number = SECTIONS.iter().position(|(known, _)| *known == title);
        Self {
            number: number.expect("the page has a section of this title"),
            rows: String::new(),
        }
    }

    pub(crate) fn add(&mut self, cell: &Cell<'_>) {
        let all = [cell.wire, cell.leaving, cell.arriving];
        let column = |read: fn(FlowCounters) -> u64| {
            all.map(|counters| counters.map_or_else(|| "–".to_owned(), |all| read(all).to_string()))
                .join(" | ")
        };
        writeln!(
            self.rows,
            "| {} | {} | {} | {} | {} | {} |",
            cell.traffic,
            cell.family,
            cell.network,
            cell.way,
            column(|counters| counters.bytes),
            column(|counters| counters.packets),
        )
        .expect("a string takes everything");
    }

    /// Leaves the section where it is asked for, or holds its cells against the page's.
    pub(crate) fn finish(self) {
        let (title, what) = SECTIONS[self.number];
        if let Some(dir) = std::env::var_os("ACCURACY_DIR") {
            let path = Path::new(&dir).join(format!("{:02}.md", self.number));
            let text = format!("### {title}\n\n{what}\n\n{TITLES}{}\n", self.rows);
            std::fs::write(path, text).expect("ACCURACY_DIR is a directory to write to");
            return;
        }
        let page = page();
        let section = page
            .split("\n### ")
            .find(|section| section.starts_with(title));
        let section = section.unwrap_or_else(|| panic!("docs/accuracy.md has no section {title}"));
        let shown = section.lines().filter(|line| line.starts_with("| "));
        let shown: Vec<_> = shown.skip(1).map(key).collect();
        let measured: Vec<_> = self.rows.lines().map(key).collect();
        assert_eq!(
            measured, shown,
            "the cells of {title:?} are not those of docs/accuracy.md: run make accuracy"
        );
    }
}

/// The columns that say which cell a row is of.
fn key(row: &str) -> Vec<&str> {
    row.split('|')
        .skip(1)
        .take(KEY_COLUMNS)
        .map(str::trim)
        .collect()
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/accuracy.md");
    std::fs::read_to_string(path).expect("docs/accuracy.md is there")
}

#[test]
fn the_page_has_the_sections_that_are_measured_and_no_others() {
    let page = page();

    let shown: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();

    assert_eq!(shown, SECTIONS.map(|(title, _)| title));
}
