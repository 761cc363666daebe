//! A small HTTP server that says what it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::Options;
use super::super::dialect::Dialect;

/// What it says.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// 200 with this.
    Body(String),
    /// Another status with this.
    Status(u16, String),
    /// 200, and this again and again, for ever.
    Endless(String),
    /// 200 with half of this.
    Half(String),
    /// What this says of what it was asked.
    Asked(fn(&str) -> Said),
    /// Nothing, for longer than anybody waits.
    Nothing,
}

/// A small HTTP server.
pub(super) struct Server {
    pub(super) runtime: Runtime,
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that understands what Prometheus does.
    pub(super) fn saying(said: Said) -> Self {
        Self::of(Dialect::PromQl, said)
    }

    /// One that understands that.
    pub(super) fn of(dialect: Dialect, said: Said) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let said = Arc::new(Mutex::new(said));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (saying, noting) = (Arc::clone(&said), Arc::clone(&asked));
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let said = saying.lock().unwrap().clone();
                let noting = Arc::clone(&noting);
                thread::spawn(move || serve(stream, dialect, &said, &noting));
            }
        });
        Self {
            runtime: Runtime::new().unwrap(),
            address,
            said,
            asked,
        }
    }

    /// From now on.
    pub(super) fn say(&self, said: Said) {
        *self.said.lock().unwrap() = said;
    }

    /// All it was asked of what it has, head and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn options(&self) -> Options {
        Options {
            url: format!("http://{}", self.address).parse().unwrap(),
            token_file: None,
            ca_file: None,
            headers: Vec::new(),
        }
    }
}

/// An answer with these series.
pub(super) fn answer(series: &[&str]) -> String {
    let series = series.join(",");
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
}

fn serve(mut stream: TcpStream, dialect: Dialect, said: &Said, asked: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let is_foreign = dialect == Dialect::PromQl && request.contains("default_rollup");
    let said = match said {
        _ if is_foreign => &Said::Status(400, "unknown function".to_owned()),
        Said::Asked(said) => &said(&request),
        said => said,
    };
    if !is_foreign {
        asked.lock().unwrap().push(request);
    }
    let head = |status: u16, length: usize| {
        format!(
            "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    // Who asked may have gone.
    match said {
        Said::Body(body) => write(&mut stream, &(head(200, body.len()) + body)),
        Said::Status(status, body) => write(&mut stream, &(head(*status, body.len()) + body)),
        Said::Half(body) => {
            write(
                &mut stream,
                &(head(200, body.len()) + &body[..body.len() / 2]),
            );
        }
        Said::Endless(body) => {
            let head = "HTTP/1.1 200 X\r\nconnection: close\r\n\r\n";
            write(&mut stream, head);
            let body = body.repeat(10_000);
            while stream.write_all(body.as_bytes()).is_ok() {}
        }
        Said::Asked(_) => unreachable!("nobody says twice what depends on what is asked"),
        Said::Nothing => {
            let patience = Some(Duration::from_mins(1));
            stream.set_read_timeout(patience).unwrap();
            // Until who asked goes.
            while matches!(stream.read(&mut buffer), Ok(1..)) {}
        }
    }
}

fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).ok();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let lines = head.lines().map(str::to_lowercase);
    let mut lengths = lines.filter_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= lengths.next().unwrap_or(0)
}
