//! Records whose owner is not known yet.

use kubezonnet_model::UnknownReason;

use super::*;
use crate::testing::pipeline_expecting_reports;

/// How many records found no room, by what they wanted and why, of those that there are.
fn turned_away(pipeline: &Pipeline) -> Vec<(&'static str, &'static str, u64)> {
    let counts = pipeline.turned_away_records().into_iter();
    counts
        .filter(|each| each.records > 0)
        .map(|each| (each.wanted.as_str(), each.reason.as_str(), each.records))
        .collect()
}

/// A window of that node with so many records that wait for an owner.
fn flood(node: &str, from: &str, records: u8) -> Report {
    (1..=records).fold(Report::of(node, 1), |report, host| {
        report.record(from, &format!("10.99.0.{host}"), OUT, 1)
    })
}

#[test]
fn a_new_pods_bytes_wait_until_the_topology_tells_of_it() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.9", "10.67.2.1", OUT, 1000)
        .record("10.67.1.1", "10.67.2.1", OUT, 1);

    apply(&pipeline, &report);
    assert_eq!(
        (
            pending(&pipeline),
            booked(&pipeline, Disposition::CrossZone)
        ),
        (1000, 1)
    );
    settle_at(&pipeline, 1);
    assert_eq!(pending(&pipeline), 1000, "nothing has changed yet");

    tell_of_pod(&pipeline, "new", 1, 9);
    settle_at(&pipeline, 5);

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(left_zone(&pipeline, "shop", "new"), Some(1000));
}

#[test]
fn a_new_pod_with_a_public_address_is_waited_for_behind_its_interface_only() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("9.9.9.9", "10.67.2.1", OUT, 1000)
        .record("10.67.1.1", "9.9.9.9", OUT, 20)
        .record("10.67.2.1", "9.9.9.9", IN, 3);

    apply(&pipeline, &report);

    assert_eq!(pending(&pipeline), 1003);
    assert_eq!(booked(&pipeline, Disposition::Internet), 20);
}

#[test]
fn only_the_records_whose_owner_came_stop_waiting() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.9", "10.67.2.1", OUT, 1000)
        .record("10.67.1.8", "10.67.2.1", OUT, 20);
    apply(&pipeline, &report);

    tell_of_pod(&pipeline, "new", 1, 9);
    settle_at(&pipeline, 5);
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (20, 1));

    tell_of_pod(&pipeline, "newer", 1, 8);
    settle_at(&pipeline, 6);
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(left_zone(&pipeline, "shop", "newer"), Some(20));
}

#[test]
fn bytes_of_an_address_that_an_agent_declares_later_stop_waiting() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "192.168.7.2", OUT, 1000),
    );
    apply_at(&pipeline, &Report::of("n2", 1), 1);
    settle_at(&pipeline, 1);
    assert_eq!(pending(&pipeline), 1000);

    apply_at(&pipeline, &Report::of("n2", 2).declares("192.168.7.2"), 2);
    settle_at(&pipeline, 2);

    assert_eq!(pending(&pipeline), 0);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 1000);
}

#[test]
fn who_waits_too_long_is_counted_as_it_is() {
    let pipeline = pipeline(&cluster());
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.9.9.9", OUT, 1000),
    );

    settle_at(&pipeline, 59);
    assert_eq!(pending(&pipeline), 1000);
    settle_at(&pipeline, 60);

    assert_eq!(pending(&pipeline), 0);
    let unknown = pipeline.snapshot().totals.unknown;
    assert_eq!(unknown[UnknownReason::UnlistedAddress as usize].bytes, 1000);
}

#[test]
fn a_window_that_comes_late_does_not_wait_at_all() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1).record("10.67.1.1", "10.9.9.9", OUT, 1000);

    pipeline
        .apply(&report.decoded(), Duration::from_mins(1), NOW)
        .unwrap();

    assert_balanced(&pipeline);
    assert_eq!(
        (pending(&pipeline), booked(&pipeline, Disposition::Unknown)),
        (0, 1000)
    );
}

#[test]
fn what_finds_no_room_to_wait_is_counted_at_once() {
    let pipeline = pipeline(&cluster()).with_room(10, 1);
    apply(
        &pipeline,
        &Report::of("n1", 1).record("10.67.1.1", "10.9.9.1", OUT, 1000),
    );
    apply(
        &pipeline,
        &Report::of("n1", 2).record("10.67.1.1", "10.9.9.2", OUT, 20),
    );

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (1000, 1));
    assert_eq!(booked(&pipeline, Disposition::Unknown), 20);
    assert_eq!(turned_away(&pipeline), [("owner", "full", 1)]);

    settle_at(&pipeline, 60);
    apply_at(
        &pipeline,
        &Report::of("n1", 3).record("10.67.1.1", "10.9.9.3", OUT, 3),
        60,
    );
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (3, 1));
}

#[test]
fn what_the_sender_may_have_counted_is_not_counted_again_though_there_is_no_room_to_wait() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60)).with_room(10, 1);
    let received = Report::of("n1", 1)
        .record("10.67.2.1", "10.67.1.1", IN, 700)
        .record("10.67.3.1", "10.67.1.1", IN, 700);
    let sent = Report::of("n2", 9).record("10.67.2.1", "10.67.1.1", OUT, 700);
    let sent_too = Report::of("n3", 9).record("10.67.3.1", "10.67.1.1", OUT, 700);

    for report in [received, sent, sent_too] {
        apply(&pipeline, &report);
    }
    settle_at(&pipeline, 1);

    assert_eq!(turned_away(&pipeline), [("report", "full", 1)]);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 700);
    assert_eq!(booked(&pipeline, Disposition::CrossRegion), 700);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 700);
    assert_eq!(booked(&pipeline, Disposition::PartlyCovered), 700);
}

#[test]
fn a_node_whose_records_all_wait_takes_no_room_from_another_nodes_new_pod() {
    let pipeline = pipeline(&cluster()).with_room(100, 8);
    apply(&pipeline, &flood("n1", "10.67.1.1", 8));

    let of_new_pod = Report::of("n2", 1).record("10.67.2.9", "10.67.1.1", OUT, 700);
    apply(&pipeline, &of_new_pod);
    tell_of_pod(&pipeline, "new", 2, 9);
    settle_at(&pipeline, 6);

    assert_eq!(left_zone(&pipeline, "shop", "new"), Some(700));
    assert_eq!(turned_away(&pipeline), [("owner", "share", 7)]);
}

#[test]
fn a_node_whose_records_all_wait_has_no_byte_counted_twice() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60)).with_room(100, 4);
    apply(&pipeline, &flood("n3", "10.67.3.1", 4));

    let received = Report::of("n1", 7).record("10.67.2.1", "10.67.1.1", IN, 700);
    let sent = Report::of("n2", 9).record("10.67.2.1", "10.67.1.1", OUT, 700);
    apply(&pipeline, &received);
    apply(&pipeline, &sent);
    settle_at(&pipeline, 61);

    assert_eq!(booked(&pipeline, Disposition::CrossZone), 700);
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 700);
}

#[test]
fn a_nodes_share_is_free_again_once_its_records_are_settled() {
    let pipeline = pipeline(&cluster()).with_room(100, 8);
    for (sequence, seconds) in [(1, 0), (2, 60), (3, 120)] {
        let mut report = flood("n1", "10.67.1.1", 2);
        report.0.header.sequence = sequence;
        settle_at(&pipeline, seconds);

        apply_at(&pipeline, &report, seconds);

        assert_eq!(pipeline.pending_records(), 1, "window {sequence}");
    }
}

#[test]
fn what_comes_too_late_to_wait_is_not_turned_away() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1).record("10.67.1.1", "10.9.9.9", OUT, 1000);

    pipeline
        .apply(&report.decoded(), Duration::from_mins(1), NOW)
        .unwrap();

    assert_eq!(turned_away(&pipeline), []);
}

#[test]
fn a_young_server_leaves_the_count_to_a_sender_that_it_has_not_heard_of_yet() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60));
    let received = Report::of("n1", 7).record("10.67.2.1", "10.67.1.1", IN, 700);
    let sent = Report::of("n2", 9).record("10.67.2.1", "10.67.1.1", OUT, 700);

    apply(&pipeline, &received);
    settle_at(&pipeline, 1);
    assert_eq!(pending(&pipeline), 700);
    apply_at(&pipeline, &sent, 2);
    settle_at(&pipeline, 2);

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 700);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 700);
    assert_eq!(left_zone(&pipeline, "shop", "p2"), Some(700));
}

#[test]
fn a_sender_whose_hooks_are_bypassed_waits_for_the_receivers_first_report() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60));
    let sent = Report::of("n2", 9)
        .bypassed()
        .record("10.67.2.1", "10.67.1.1", OUT, 700)
        .record("10.67.2.1", "10.67.3.1", OUT, 50);
    let received = Report::of("n1", 7).record("10.67.2.1", "10.67.1.1", IN, 700);

    apply(&pipeline, &sent);
    assert_eq!(pending(&pipeline), 750);
    apply_at(&pipeline, &received, 1);
    settle_at(&pipeline, 1);
    assert_eq!(booked(&pipeline, Disposition::CountedByReceiver), 700);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 700);
    settle_at(&pipeline, 60);

    assert_eq!(pending(&pipeline), 0);
    assert_eq!(booked(&pipeline, Disposition::CrossRegion), 50);
}

#[test]
fn a_sender_that_never_reports_is_counted_by_the_receiver_once_all_agents_should_have() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60));
    let received = Report::of("n1", 1).record("10.67.2.1", "10.67.1.1", IN, 700);
    apply(&pipeline, &received);

    settle_at(&pipeline, 59);
    assert_eq!(pending(&pipeline), 700);
    settle_at(&pipeline, 60);

    assert_eq!(
        (pending(&pipeline), left_zone(&pipeline, "shop", "p2")),
        (0, Some(700))
    );
    let again = Report::of("n1", 2).record("10.67.2.1", "10.67.1.1", IN, 5);
    apply_at(&pipeline, &again, 61);
    assert_eq!(
        (pending(&pipeline), left_zone(&pipeline, "shop", "p2")),
        (0, Some(705))
    );
}

#[test]
fn who_waited_for_its_owner_waits_on_for_the_senders_first_report() {
    let pipeline = pipeline_expecting_reports(&cluster(), later(60));
    let received = Report::of("n1", 7).record("10.67.2.9", "10.67.1.1", IN, 700);
    let sent = Report::of("n2", 9).record("10.67.2.9", "10.67.1.1", OUT, 700);

    apply(&pipeline, &received);
    tell_of_pod(&pipeline, "new", 2, 9);
    settle_at(&pipeline, 5);
    assert_eq!((pending(&pipeline), pipeline.pending_records()), (700, 1));
    apply_at(&pipeline, &sent, 6);
    settle_at(&pipeline, 6);

    assert_eq!((pending(&pipeline), pipeline.pending_records()), (0, 0));
    assert_eq!(booked(&pipeline, Disposition::CountedBySender), 700);
    assert_eq!(booked(&pipeline, Disposition::CrossZone), 700);
}
