//! Reads a `/metrics` page: the classic text format, as a Prometheus server would.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;

/// The longest wait for a page.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest page that is read.
const MAX_PAGE_BYTES: u64 = 64 << 20;

/// The samples of one page.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    samples: Vec<Sample>,
}

/// One series and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, with its suffix such as `_total`.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Scrape {
    /// Fetches and reads `/metrics` of an HTTP server.
    ///
    /// # Errors
    ///
    /// If the server does not answer with a page that can be read.
    pub fn fetch(server: SocketAddr) -> Result<Self, Error> {
        let (status, body) = get(server, "/metrics")?;
        if status != 200 {
            return Err(Error::Invalid(format!(
                "http://{server}/metrics answered {status}"
            )));
        }
        Self::parse(&body)
    }

    /// Reads a page.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the first line that is no sample.
    pub fn parse(page: &str) -> Result<Self, Error> {
        let lines = page
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| {
                Sample::parse(line).ok_or_else(|| Error::Invalid(format!("no sample: {line}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { samples })
    }

    /// Every sample, in the order of the page.
    pub fn all(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// All samples of this name that have at least these labels.
    pub fn samples<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.label(key) == *value)
        })
    }

    /// The sum of those samples; 0 if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).map(|sample| sample.value).sum()
    }
}

impl Sample {
    /// The value of a label; a label that is not there is empty, as for Prometheus.
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    fn parse(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.starts_with('}') {
                let (key, after) = rest.split_once("=\"")?;
                let (value, after) = quoted(after)?;
                labels.insert(key.to_owned(), value);
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest = rest.strip_prefix('}')?;
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            labels,
            value,
        })
    }
}

/// Reads a label's value up to its closing quote; returns it with what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// Fetches a path over HTTP and returns status and body.
///
/// # Errors
///
/// If the server does not answer, or not by HTTP.
pub fn get(server: SocketAddr, path: &str) -> Result<(u16, String), Error> {
    let fetched = (|| {
        let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        // By HTTP/1.0 the body ends where the connection does, and is never in chunks.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {server}\r\nAccept: text/plain\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.take(MAX_PAGE_BYTES).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    })();
    let text = fetched.map_err(Error::io(format!("fetch http://{server}{path}")))?;
    let parts = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parts.ok_or_else(|| Error::Invalid(format!("http://{server}{path} did not answer by HTTP")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels_and_added_up() {
        let page = "# HELP a_total Bytes.\n# TYPE a_total counter\n\
            a_total{pod=\"x, \\\"y\\\"\",zone=\"a\"} 3\na_total{pod=\"z\",zone=\"a\"} 4.5 1700000000\n\
            a_total{pod=\"z\",zone=\"b\"} 1e3\nb 7\n";

        let scrape = Scrape::parse(page).unwrap();

        assert_eq!(scrape.sum("a_total", &[("zone", "a")]).to_string(), "7.5");
        assert_eq!(scrape.sum("a_total", &[]).to_string(), "1007.5");
        assert_eq!(scrape.sum("b", &[]).to_string(), "7");
        let first = scrape.samples("a_total", &[]).next().unwrap();
        assert_eq!(first.label("pod"), "x, \"y\"");
    }

    #[test]
    fn a_line_that_is_no_sample_is_named() {
        for bad in ["a{b=\"c} 1", "a{b} 1", "a one", "a"] {
            let error = Scrape::parse(bad).unwrap_err().to_string();
            assert_eq!(error, format!("no sample: {bad}"));
        }
    }
}
