//! Asks a Prometheus-compatible server over HTTP(S).
//!
//! Questions go as POST, as they can be long. An answer is read as it comes, and no further than
//! [`MOST_BYTES`]. Whatever is wrong is said without the credentials.

use std::error::Error;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use reqwest::{Certificate, Client as Http, Response, StatusCode, Url, redirect};
use tokio::runtime::Handle;

use super::dialect::{Dialect, Reading};
use super::gathered::CREATED;
use super::plan::Grid;
use super::reply::{Reply, Sampled};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take: people wait for it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How soon a server that speaks as Prometheus is asked again: another one may have come in its place.
const PROBE_AGAIN: Duration = Duration::from_mins(5);

/// The most that is read of an answer, however well it is compressed.
pub(super) const MOST_BYTES: u64 = 128 << 20;

/// The most that is read of why there is none.
const MOST_REASON_BYTES: u64 = 64 << 10;

/// The most that is told of it.
const MOST_REASON_CHARS: usize = 300;

/// Where the server is, and how it lets us in.
#[derive(Clone)]
pub struct Options {
    /// Its URL, to which `/api/v1/…` is added.
    pub url: Url,
    /// File with a bearer token, read for each question.
    pub token_file: Option<PathBuf>,
    /// Authorities to trust besides the system's, read likewise.
    pub ca_file: Option<PathBuf>,
    /// Further headers of each question.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for Options {
    /// Without the headers' values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("Options")
            .field("url", &self.url.as_str())
            .field("token_file", &self.token_file)
            .field("ca_file", &self.ca_file)
            .field("headers", &names.collect::<Vec<_>>())
            .finish()
    }
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Client {
    options: Options,
    /// Where the rest of the process runs, as who asks may block.
    runtime: Handle,
    /// What the file of authorities said, and the client that was made of it.
    http: Mutex<Option<(Vec<u8>, Http)>>,
    /// How long an answer may take.
    patience: Duration,
    /// What the server understands, once that is known, and when it was asked.
    dialect: Mutex<Option<(Dialect, Instant)>>,
    /// Whose answer is read: one takes tens of megabytes.
    reading: Mutex<()>,
}

/// The series of an answer. No other one is read while there is this one.
#[derive(Debug)]
pub(super) struct Answered<'a> {
    pub(super) series: Vec<Sampled>,
    _reading: Option<MutexGuard<'a, ()>>,
}

/// How much an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Some numbers.
    Short,
    /// All there is.
    Long,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A file cannot be used.
    #[error("{flag} {}: {why}", path.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It cannot be reached.
    #[error("{url} cannot be asked: {why}; see that --prometheus-url is right, and that it runs")]
    Unreachable {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
    /// It did not answer in time.
    #[error("{url} did not answer in time: ask of a shorter time, or by longer steps")]
    TimedOut {
        /// Which.
        url: String,
    },
    /// It refuses.
    #[error("{url} answers {status}{said}: {hint}")]
    Refused {
        /// Which.
        url: String,
        /// The status.
        status: u16,
        /// What it says, in brackets.
        said: String,
        /// What to do.
        hint: &'static str,
    },
    /// Its answer is longer than there is room for.
    #[error(
        "the answer of {url} has more than {} MiB: ask of a shorter time, by longer steps, or of some zones or \
         localities only",
        MOST_BYTES >> 20
    )]
    TooLong {
        /// Which.
        url: String,
    },
    /// It answers with a part only.
    #[error(
        "{url} does not answer with all that there is ({lack}), so nothing is shown: see that all it asks run, \
         or ask of another time"
    )]
    Partial {
        /// Which.
        url: String,
        /// What it lacks, as it says.
        lack: String,
    },
    /// Its answer is none.
    #[error("{url} does not answer as Prometheus does: {why}; is --prometheus-url right?")]
    Foreign {
        /// Which.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl QueryError {
    /// Whether an answer for fewer points may be had.
    pub(super) const fn is_of_length(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. }
                | Self::Refused {
                    status: 400 | 413 | 422,
                    ..
                }
        )
    }

    /// Whether the server takes the query for a mistake.
    fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 400 | 422,
                ..
            }
        )
    }
}

impl Client {
    /// One that asks the server of these options; to be made within the runtime.
    ///
    /// # Errors
    ///
    /// [`QueryError::File`] if one cannot be used.
    pub(super) fn new(options: Options) -> Result<Self, QueryError> {
        Self::patient(options, TIMEOUT)
    }

    /// The same, for answers that may take so long.
    pub(super) fn patient(options: Options, patience: Duration) -> Result<Self, QueryError> {
        // A second installation changes nothing, and fails only because there was a first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Self {
            options,
            runtime: Handle::current(),
            http: Mutex::new(None),
            patience,
            dialect: Mutex::default(),
            reading: Mutex::default(),
        };
        client.http()?;
        client.headers()?;
        Ok(client)
    }

    /// What a query, as it is written for a reading, has at the points of a grid. Blocks.
    ///
    /// They are asked at multiples of the step: who asks others moves them to such ones by himself.
    ///
    /// # Errors
    ///
    /// [`QueryError`], which says why there is no answer.
    pub(super) fn ask(
        &self,
        query: impl Fn(Reading) -> String,
        grid: Grid,
    ) -> Result<Vec<Sampled>, QueryError> {
        let answered = self.ask_as(Length::Short, self.patience, query, grid)?;
        Ok(answered.series)
    }

    /// The same where it is long, by somebody who does not wait for longer than that: one at a time is read, and
    /// held until what is answered is dropped.
    pub(super) fn ask_for(
        &self,
        patience: Duration,
        query: impl Fn(Reading) -> String,
        grid: Grid,
    ) -> Result<Answered<'_>, QueryError> {
        self.ask_as(Length::Long, patience, query, grid)
    }

    fn ask_as(
        &self,
        length: Length,
        patience: Duration,
        query: impl Fn(Reading) -> String,
        grid: Grid,
    ) -> Result<Answered<'_>, QueryError> {
        let patience = patience.min(self.patience);
        let dialect = self.dialect(grid, patience)?;
        let (rounded, later) = grid.rounded();
        let answer = self.answer(
            &query(Reading { dialect, later }),
            rounded,
            patience,
            length,
        );
        if dialect == Dialect::MetricsQl && answer.as_ref().is_err_and(QueryError::is_mistake) {
            // Another server may have come in its place.
            *self.known_dialect() = None;
        }
        let mut answered = answer?;
        let series = answered.series.iter_mut();
        for sample in series.flat_map(|each| &mut each.values) {
            sample.at = sample.at.minus(Duration::from_millis(later));
        }
        Ok(answered)
    }

    /// What the server understands; asked at the end of a grid if that is not known yet.
    fn dialect(&self, grid: Grid, patience: Duration) -> Result<Dialect, QueryError> {
        if let Some((dialect, asked)) = *self.known_dialect()
            && (dialect == Dialect::MetricsQl || asked.elapsed() < PROBE_AGAIN)
        {
            return Ok(dialect);
        }
        let (at, _) = Grid::at(grid.last).rounded();
        let ask = |dialect: Dialect| {
            let reading = Reading { dialect, later: 0 };
            self.answer(&reading.shown(CREATED), at, patience, Length::Short)
        };
        let dialect = match ask(Dialect::MetricsQl) {
            Ok(_) => Dialect::MetricsQl,
            // It may refuse anything for a while: only the word that makes it another dialect is a mistake.
            Err(error) if error.is_mistake() => ask(Dialect::PromQl).map(|_| Dialect::PromQl)?,
            Err(error) => return Err(error),
        };
        *self.known_dialect() = Some((dialect, Instant::now()));
        Ok(dialect)
    }

    fn known_dialect(&self) -> MutexGuard<'_, Option<(Dialect, Instant)>> {
        self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a query has at points in time, as the server answers.
    fn answer(
        &self,
        query: &str,
        grid: Grid,
        patience: Duration,
        length: Length,
    ) -> Result<Answered<'_>, QueryError> {
        let response = self.runtime.block_on(self.send(query, grid, patience))?;
        let turn = || self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = (length == Length::Long).then(turn);
        let body = Body {
            response,
            runtime: &self.runtime,
            chunk: Bytes::new(),
            left: MOST_BYTES,
            failed: None,
        };
        let mut body = BufReader::new(body);
        let read = serde_json::from_reader::<_, Reply>(&mut body);
        if let Some(failed) = body.into_inner().failed {
            return Err(match failed {
                Failed::TooLong => QueryError::TooLong { url: self.url() },
                Failed::Broken(error) => self.unreachable(&error),
            });
        }
        let foreign = |why| QueryError::Foreign {
            url: self.url(),
            why,
        };
        let reply = read.map_err(|error| foreign(error.to_string()))?;
        let lack = reply.lack();
        let series = reply.series().map_err(|why| foreign(shortened(&why)))?;
        match lack {
            // What it lacks would be shown as nothing.
            Some(lack) => Err(QueryError::Partial {
                url: self.url(),
                lack: shortened(&lack),
            }),
            None => Ok(Answered {
                series,
                _reading: reading,
            }),
        }
    }

    /// The server's URL, as it is told to people.
    pub(super) fn url(&self) -> String {
        self.options.url.as_str().trim_end_matches('/').to_owned()
    }

    async fn send(
        &self,
        query: &str,
        grid: Grid,
        patience: Duration,
    ) -> Result<Response, QueryError> {
        let mut url = self.options.url.clone();
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{path}/api/v1/query_range"));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        form.append_pair("start", &seconds(grid.first.0));
        form.append_pair("end", &seconds(grid.last.0));
        form.append_pair("step", &seconds(grid.step));
        // VictoriaMetrics moves what it keeps in its cache to round times.
        form.append_pair("nocache", "1");
        // Who asks others answers with what all of them have, or not at all: Thanos, and VictoriaMetrics.
        form.append_pair("partial_response", "false");
        form.append_pair("deny_partial_response", "1");
        // Thanos makes one series of two replicas and means of samples: which of two is behind is told here
        // by both, and a mean is nothing that a counter ever showed.
        form.append_pair("dedup", "false");
        form.append_pair("max_source_resolution", "0s");
        let request = self.http()?.post(url).headers(self.headers()?);
        let request = request.timeout(patience);
        let sent = request.body(form.finish()).send().await;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    /// The headers of a question.
    fn headers(&self) -> Result<HeaderMap, QueryError> {
        let mut headers = HeaderMap::new();
        let own =
            HeaderValue::from_static(concat!("kubezonnet-server/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, own);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        for (name, value) in &self.options.headers {
            headers.append(name, value.clone());
        }
        if let Some(path) = &self.options.token_file {
            const FLAG: &str = "--prometheus-token-file";
            let bytes = read(FLAG, path)?;
            let token = bytes.trim_ascii();
            let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
            let value = value.ok().filter(|_| !token.is_empty());
            let none = || file(FLAG, path, "holds no token".to_owned());
            let mut value = value.ok_or_else(none)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    /// The client, made anew when the file of authorities changed.
    fn http(&self) -> Result<Http, QueryError> {
        const FLAG: &str = "--prometheus-ca-file";
        let path = self.options.ca_file.as_deref();
        let bytes = path.map(|path| read(FLAG, path)).transpose()?;
        let bytes = bytes.unwrap_or_default();
        let mut known = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, http)) = &*known
            && *of == bytes
        {
            return Ok(http.clone());
        }
        let mut authorities = Vec::new();
        if let Some(path) = path {
            authorities = Certificate::from_pem_bundle(&bytes).unwrap_or_default();
            if authorities.is_empty() {
                let why = "holds no PEM certificate that can be read".to_owned();
                return Err(file(FLAG, path, why));
            }
        }
        let builder = Http::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirected POST would arrive without its body.
            .redirect(redirect::Policy::none())
            // The server is where the flag says, whatever the environment has for other programs.
            .no_proxy()
            // Answers that wait to be read would stop the one that is read if they shared a connection.
            .http1_only();
        let builder = if self.options.url.scheme() == "https" {
            builder.tls_certs_merge(authorities)
        } else {
            // Plain http needs no authorities: do not read hundreds of them into memory.
            builder.tls_certs_only([])
        };
        let http = builder.build().map_err(|error| self.unreachable(&error))?;
        *known = Some((bytes, http.clone()));
        Ok(http)
    }

    fn unreachable(&self, error: &reqwest::Error) -> QueryError {
        let url = self.url();
        if error.is_timeout() && !error.is_connect() {
            return QueryError::TimedOut { url };
        }
        let why = causes(error);
        QueryError::Unreachable { url, why }
    }

    async fn refused(&self, response: Response) -> QueryError {
        let status = response.status();
        let hint = match status {
            _ if status.is_redirection() => {
                "name the address it redirects to with --prometheus-url"
            }
            StatusCode::UNAUTHORIZED => {
                "see that --prometheus-token-file or --prometheus-header says who asks"
            }
            StatusCode::FORBIDDEN => "who asks is not allowed to query it",
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                "there is no Prometheus API below --prometheus-url"
            }
            StatusCode::UNPROCESSABLE_ENTITY => "ask of a shorter time, or by longer steps",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "try again later",
            _ => "its log may say why",
        };
        let said = said(response).await;
        let said = said.map_or(String::new(), |said| format!(" ({})", shortened(&said)));
        QueryError::Refused {
            url: self.url(),
            status: status.as_u16(),
            said,
            hint,
        }
    }
}

/// What a server that refuses says, if it says it as Prometheus does.
async fn said(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > MOST_REASON_BYTES {
            return None;
        }
    }
    serde_json::from_slice::<Reply>(&body).ok()?.series().err()
}

/// An answer as it comes.
struct Body<'a> {
    response: Response,
    runtime: &'a Handle,
    chunk: Bytes,
    left: u64,
    failed: Option<Failed>,
}

enum Failed {
    TooLong,
    Broken(reqwest::Error),
}

impl Read for Body<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.response.chunk()) {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => {
                    self.failed = Some(Failed::Broken(error));
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            let length = self.chunk.len() as u64;
            let Some(left) = self.left.checked_sub(length) else {
                self.failed = Some(Failed::TooLong);
                return Err(io::ErrorKind::FileTooLarge.into());
            };
            self.left = left;
        }
        let count = room.len().min(self.chunk.len());
        room[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

/// Milliseconds as Prometheus takes them.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, QueryError> {
    std::fs::read(path).map_err(|error| file(flag, path, format!("cannot be read: {error}")))
}

fn file(flag: &'static str, path: &Path, why: String) -> QueryError {
    let path = path.to_owned();
    QueryError::File { flag, path, why }
}

/// An error with all its causes on one line; one that repeats what is there already is left out.
fn causes(error: &reqwest::Error) -> String {
    let mut line = String::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let text = match cause.downcast_ref::<reqwest::Error>() {
            // The URL is told beside it.
            Some(_) => "the request failed".to_owned(),
            None => cause.to_string(),
        };
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}

/// What a server says, on one line and not too long.
fn shortened(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST_REASON_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
