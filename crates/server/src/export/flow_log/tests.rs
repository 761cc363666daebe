use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use kubezonnet_model::{PortSide, Protocol, ServicePort, Transport};

use super::*;
use crate::export::Exporters;
use crate::pipeline::{Pipeline, Settings};
use crate::resolve::Party;
use crate::testing::{IN, NOW, OUT, Report, cluster, to_port};

const PATIENCE: Duration = Duration::from_secs(10);

/// A writer whose reader reads when it likes: each write waits until it is received.
struct Pipe(SyncSender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pipe() -> (Pipe, Receiver<Vec<u8>>) {
    let (writer, reader) = sync_channel(0);
    (Pipe(writer), reader)
}

fn pipeline(log: FlowLog) -> Pipeline {
    let settings = Settings {
        pending_timeout: Duration::ZERO,
        reports_due: kubezonnet_model::Timestamp(0),
        series_retention: Duration::ZERO,
        limits: crate::ledger::SeriesLimits::default(),
    };
    Pipeline::new(cluster(), Exporters::of(vec![Box::new(log)]), settings)
}

/// Logs one report and returns the lines.
fn lines(report: &Report, selection: Selection, format: Format) -> Vec<String> {
    let (writer, reader) = pipe();
    let pipeline = pipeline(FlowLog::to(writer, selection, format, Vec::new()));
    let reading = std::thread::spawn(move || reader.iter().flatten().collect::<Vec<u8>>());
    pipeline
        .apply(&report.decoded(), Duration::ZERO, NOW)
        .unwrap();

    pipeline.exporters().close(PATIENCE);

    let [(name, counts)] = pipeline.exporters().counts()[..] else {
        panic!("one exporter");
    };
    drop(pipeline);
    let text = String::from_utf8(reading.join().unwrap()).unwrap();
    assert_eq!(name, "flow_log");
    assert_eq!(counts.written, u64::try_from(text.lines().count()).unwrap());
    assert_eq!(counts.dropped, 0);
    text.lines().map(str::to_owned).collect()
}

fn report() -> Report {
    let answer = Transport {
        protocol: Protocol::TCP,
        service: Some(ServicePort {
            number: 443,
            side: PortSide::Source,
        }),
        client_port: Some(40_123),
    };
    Report::of("n1", 1)
        .key("10.67.1.1", "10.67.2.1", OUT, Some(to_port(5432)), 1000)
        .key("10.67.1.1", "10.67.1.2", OUT, Some(to_port(80)), 200)
        .key("fd67:1::1", "fd67:4::1", OUT, Some(answer), 30)
        .key("10.67.1.1", "8.8.8.8", OUT, None, 4)
        .key("10.67.3.1", "10.67.2.1", IN, Some(to_port(80)), 5)
}

#[test]
fn a_line_says_who_where_when_and_how_much() {
    let lines = lines(&report(), Selection::All, Format::Json);

    insta::assert_snapshot!("json", lines.join("\n"));
    for line in lines {
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(parsed["bytes"].is_u64(), "{line}");
    }
}

#[test]
fn a_line_of_text_is_for_people() {
    insta::assert_snapshot!(
        "text",
        lines(&report(), Selection::All, Format::Text).join("\n")
    );
}

#[test]
fn by_default_only_what_leaves_its_zone_is_logged() {
    let lines = lines(&report(), Selection::CrossZone, Format::Text);

    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("cross_zone")),
        "{lines:?}"
    );
}

#[test]
fn what_the_sender_counted_is_not_logged_again() {
    let (writer, reader) = pipe();
    let pipeline = pipeline(FlowLog::to(
        writer,
        Selection::All,
        Format::Text,
        Vec::new(),
    ));
    let reading = std::thread::spawn(move || reader.iter().flatten().collect::<Vec<u8>>());
    for report in [
        Report::of("n2", 1),
        Report::of("n1", 1).record("10.67.2.1", "10.67.1.1", IN, 1000),
    ] {
        pipeline
            .apply(&report.decoded(), Duration::ZERO, NOW)
            .unwrap();
    }

    pipeline.exporters().close(PATIENCE);
    drop(pipeline);

    assert_eq!(reading.join().unwrap(), b"");
}

#[test]
fn a_reader_that_stops_reading_costs_lines_and_never_holds_up_ingest() {
    let (writer, reader) = pipe();
    let log = FlowLog::to(writer, Selection::All, Format::Json, Vec::new());
    let shared = Arc::clone(&log.shared);
    let pipeline = pipeline(log);
    // Nobody reads: more batches than the queue takes, and the one that is being written.
    let batches = u64::try_from(MAX_BATCHES).unwrap() + 100;

    for sequence in 1..=batches {
        let report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, 1);
        pipeline
            .apply(&report.decoded(), Duration::ZERO, NOW)
            .unwrap();
    }

    let dropped = shared.dropped.load(Ordering::Relaxed);
    assert!(
        (98..=100).contains(&dropped),
        "{dropped} lines were dropped"
    );
    let reading = std::thread::spawn(move || reader.iter().flatten().collect::<Vec<u8>>());
    pipeline.exporters().close(PATIENCE);
    drop(pipeline);
    let text = String::from_utf8(reading.join().unwrap()).unwrap();
    let written = u64::try_from(text.lines().count()).unwrap();
    assert_eq!(
        written + dropped,
        batches,
        "every line is written or counted as dropped"
    );
}

#[test]
fn closing_does_not_wait_for_ever_for_a_reader() {
    let (writer, _reader) = pipe();
    let pipeline = pipeline(FlowLog::to(
        writer,
        Selection::All,
        Format::Json,
        Vec::new(),
    ));
    pipeline
        .apply(&report().decoded(), Duration::ZERO, NOW)
        .unwrap();
    let begun = Instant::now();

    pipeline.exporters().close(Duration::from_millis(10));

    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_reader_that_went_away_costs_every_line_after_it() {
    let (writer, reader) = pipe();
    drop(reader);
    let pipeline = pipeline(FlowLog::to(
        writer,
        Selection::All,
        Format::Json,
        Vec::new(),
    ));
    for sequence in 1..=3 {
        let report = Report::of("n1", sequence).record("10.67.1.1", "10.67.2.1", OUT, 1);
        pipeline
            .apply(&report.decoded(), Duration::ZERO, NOW)
            .unwrap();
    }

    pipeline.exporters().close(PATIENCE);

    let counts = pipeline.exporters().counts()[0].1;
    assert_eq!((counts.written, counts.dropped), (0, 3));
}

#[test]
fn one_large_batch_is_taken_and_many_wait_their_turn() {
    let (writer, reader) = pipe();
    let log = FlowLog::to(writer, Selection::All, Format::Json, Vec::new());
    let shared = Arc::clone(&log.shared);
    shared.held_bytes.store(MAX_HELD_BYTES, Ordering::Release);
    let pipeline = pipeline(log);

    pipeline
        .apply(&report().decoded(), Duration::ZERO, NOW)
        .unwrap();
    let dropped_when_full = shared.dropped.load(Ordering::Relaxed);
    shared.held_bytes.store(0, Ordering::Release);
    let reading = std::thread::spawn(move || reader.iter().flatten().count());
    let next = Report::of("n1", 2).record("10.67.1.1", "10.67.2.1", OUT, 1);
    pipeline
        .apply(&next.decoded(), Duration::ZERO, NOW)
        .unwrap();
    pipeline.exporters().close(PATIENCE);
    drop(pipeline);

    assert_eq!(dropped_when_full, 5);
    assert!(reading.join().unwrap() > 0);
    assert_eq!(shared.dropped.load(Ordering::Relaxed), 5);
    assert_eq!(shared.written.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_not_logged_takes_room_too_while_it_waits_with_what_is() {
    let (writer, _reader) = pipe();
    let log = FlowLog::to(writer, Selection::CrossZone, Format::Json, Vec::new());
    let shared = Arc::clone(&log.shared);
    let pipeline = pipeline(log);
    let mut report = Report::of("n1", 1).record("10.67.1.1", "10.67.2.1", OUT, 1);
    for host in 0..100 {
        report = report.record("10.67.1.1", &format!("8.8.8.{host}"), OUT, 1);
    }

    pipeline
        .apply(&report.decoded(), Duration::ZERO, NOW)
        .unwrap();

    let held = 101 * size_of::<ResolvedFlow>() + 102 * size_of::<Party>();
    assert_eq!(shared.held_bytes.load(Ordering::Acquire), held);
    assert_eq!(shared.queued_lines.load(Ordering::Acquire), 1);
}
