//! The files, one by one: what is not listed is not served.

/// A file that the browser asks for.
pub(super) struct File {
    /// Its name below `/dashboard/`.
    pub(super) name: &'static str,
    pub(super) content: &'static [u8],
}

impl File {
    /// What it is, by the end of its name.
    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

macro_rules! file {
    ($name:literal) => {
        File {
            name: $name,
            content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard/", $name)),
        }
    };
}

/// The page itself.
pub(super) const PAGE: File = file!("index.html");

/// What it is made of, by name.
pub(super) const FILES: &[File] = &[
    file!("app.js"),
    file!("ask.js"),
    file!("doubts.js"),
    file!("filters.js"),
    file!("flows.js"),
    file!("graph.js"),
    file!("head.js"),
    file!("health.js"),
    file!("icon.svg"),
    file!("matrix.js"),
    file!("pairs.js"),
    file!("panels.css"),
    file!("parts.js"),
    file!("ranking.js"),
    file!("style.css"),
    file!("summary.js"),
    file!("table.js"),
    file!("theme.js"),
    file!("timeline.js"),
    file!("units.js"),
    file!("vendor/README.md"),
    file!("vendor/htm-preact.js"),
    file!("vendor/htm.LICENSE"),
    file!("vendor/preact.LICENSE"),
    file!("vendor/uplot.LICENSE"),
    file!("vendor/uplot.css"),
    file!("vendor/uplot.js"),
    file!("view.js"),
    file!("ways.js"),
    file!("words.js"),
];
