//! What goes between workloads: named, added up, forgotten and folded, and never lost.

use kubezonnet_model::{InterfaceClass, ObservationPoint, SocketOwner};

use super::*;
use crate::ledger::{Labels, SeriesLimits, Side, Workloads};
use crate::testing::{add_host_pod, add_service, host_uid, to_port};

/// From a socket of the node to the uplink.
const FROM_HOST: ObservationPoint = ObservationPoint {
    hook: Hook::Postrouting,
    input: InterfaceClass::Host,
    output: InterfaceClass::Uplink,
};

fn minutes(minutes: u64) -> Timestamp {
    NOW.plus(Duration::from_mins(minutes))
}

/// The pairs of workloads as metrics have them, with their bytes.
fn workloads(pipeline: &Pipeline) -> Vec<String> {
    let snapshot = pipeline.snapshot();
    let text = |(names, zone): Labels<'_>| format!("{} {zone}", names.join("/"));
    let text = |side: &Side| text(side.shown());
    let all = Workloads::of(&snapshot, &[]);
    let all = all.iter(&snapshot).map(|(from, to, locality, counters)| {
        let (from, to) = (text(from), text(to));
        format!("{from} > {to}: {} {}", locality.as_str(), counters.bytes)
    });
    all.collect()
}

fn zones(pipeline: &Pipeline) -> Vec<String> {
    let snapshot = pipeline.snapshot();
    let zones = snapshot.zones().into_iter();
    zones
        .map(|((from, to), counters)| format!("{from} > {to}: {}", counters.bytes))
        .collect()
}

#[test]
fn pods_of_one_workload_are_one_side_of_an_edge() {
    let pipeline = pipeline(&cluster());
    tell_of_pod(&pipeline, "p9", 1, 9);
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 100)
        .record("10.67.1.9", "10.67.2.1", OUT, 20)
        .record("10.67.1.2", "10.67.2.1", OUT, 3)
        .record("10.67.3.1", "10.67.2.1", IN, 4000);

    apply(&pipeline, &report);

    assert_eq!(
        workloads(&pipeline),
        [
            "shop/Deployment/p a > shop/Deployment/p b: cross_zone 120",
            "shop/Deployment/q a > shop/Deployment/p b: cross_zone 3",
            "/Node/n1 a > shop/Deployment/p b: cross_zone 4000",
        ]
    );
    let snapshot = pipeline.snapshot();
    let transit = snapshot.edges.iter().find(|edge| edge.origin.is_some());
    let origin = transit.and_then(|edge| edge.origin).unwrap();
    assert_eq!(
        snapshot.sides[origin].who.labels(),
        ["shop", "Deployment", "p"]
    );
}

#[test]
fn a_pair_of_which_one_is_gone_goes_after_the_retention_and_its_bytes_stay_in_the_sums() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 100)
        .record("10.67.1.2", "10.67.2.1", OUT, 10);
    apply(&pipeline, &report);
    // The only pod of workload q.
    pipeline.topology().write().delete_pod("pod-q1", later(30));
    let before = zones(&pipeline);

    pipeline.forget(minutes(15));
    assert_eq!(workloads(&pipeline).len(), 2);

    pipeline.forget(minutes(16));
    assert_balanced(&pipeline);
    assert_eq!(
        workloads(&pipeline),
        ["shop/Deployment/p a > shop/Deployment/p b: cross_zone 100"]
    );
    assert_eq!(zones(&pipeline), before);
}

#[test]
fn a_pair_stays_whole_when_who_sent_what_it_forwards_is_gone() {
    let pipeline = pipeline(&cluster());
    tell_of_pod(&pipeline, "r9", 3, 9);
    let report = Report::of("n1", 1)
        .record("10.67.3.1", "10.67.2.1", IN, 4000)
        .record("10.67.3.9", "10.67.2.1", IN, 100);
    apply(&pipeline, &report);
    pipeline.topology().write().delete_pod("pod-r9", later(30));

    pipeline.forget(minutes(16));

    assert_balanced(&pipeline);
    assert_eq!(
        workloads(&pipeline),
        ["/Node/n1 a > shop/Deployment/p b: cross_zone 4100"]
    );
    let origins = pipeline.snapshot().edges.into_iter();
    let origins: Vec<_> = origins.map(|edge| edge.origin.is_some()).collect();
    assert_eq!(origins, [false, true], "nothing is kept of who is gone");
}

#[test]
fn a_pair_of_which_one_is_gone_goes_whole_once_all_of_it_is_idle() {
    let pipeline = pipeline(&cluster());
    add_service(
        pipeline.topology(),
        "db",
        "10.96.0.1",
        &[("10.67.2.1", "n2")],
    );
    let by_service = Report::of("n1", 1).record("10.67.1.2", "10.67.2.1", OUT, 10_000);
    let direct = Report::of("n1", 2);
    let direct = direct.key("10.67.1.2", "10.67.2.1", OUT, Some(to_port(80)), 5000);
    apply(&pipeline, &by_service);
    apply_at(&pipeline, &direct, 14 * 60);
    assert_eq!(pipeline.snapshot().edges.len(), 2);
    pipeline
        .topology()
        .write()
        .delete_pod("pod-q1", minutes(15));

    pipeline.forget(minutes(16));
    assert_eq!(
        workloads(&pipeline),
        ["shop/Deployment/q a > shop/Deployment/p b: cross_zone 15000"]
    );

    pipeline.forget(minutes(30));
    assert_eq!(workloads(&pipeline), [""; 0]);
    assert_eq!(zones(&pipeline), ["a > b: 15000"]);
}

#[test]
fn a_pair_is_folded_whole_and_by_its_sum() {
    let limits = SeriesLimits {
        edges: 4,
        ..SeriesLimits::default()
    };
    let pipeline = pipeline(&cluster()).with_limits(limits);
    add_service(
        pipeline.topology(),
        "db",
        "10.96.0.1",
        &[("10.67.2.1", "n2")],
    );
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 200)
        .key("10.67.1.1", "10.67.2.1", OUT, Some(to_port(80)), 200)
        .record("10.67.1.1", "10.67.3.1", OUT, 300)
        .record("10.67.1.2", "10.67.3.1", OUT, 500);
    apply(&pipeline, &report);
    assert_eq!(pipeline.snapshot().edges.len(), 4);

    pipeline.forget(later(30));

    assert_eq!(
        workloads(&pipeline),
        [
            "shop/Deployment/p a > shop/Deployment/p b: cross_zone 400",
            "shop/Deployment/q a > shop/Deployment/p c: cross_region 500",
            "/other/other a > /other/other c: cross_region 300",
        ]
    );
}

#[test]
fn a_workload_that_comes_back_begins_again_and_nothing_is_counted_twice() {
    let pipeline = pipeline(&cluster());
    let report = |sequence| Report::of("n1", sequence).record("10.67.1.2", "10.67.2.1", OUT, 10);
    apply(&pipeline, &report(1));
    pipeline.topology().write().delete_pod("pod-q1", later(30));
    // Twice more, so that its names are retired too.
    for minute in [16, 17, 18] {
        pipeline.forget(minutes(minute));
    }

    tell_of_pod(&pipeline, "q2", 1, 2);
    let ended = minutes(20);
    pipeline
        .apply(&report(2).decoded(), Duration::ZERO, ended)
        .unwrap();

    assert_balanced(&pipeline);
    assert_eq!(
        workloads(&pipeline),
        ["shop/Deployment/q a > shop/Deployment/p b: cross_zone 10"]
    );
    assert_eq!(zones(&pipeline), ["a > b: 20"]);
}

#[test]
fn past_the_limit_new_pairs_are_one_between_the_same_zones_until_the_smallest_make_room() {
    let limits = SeriesLimits {
        edges: 3,
        ..SeriesLimits::default()
    };
    let pipeline = pipeline(&cluster()).with_limits(limits);
    let first = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000)
        .record("10.67.1.2", "10.67.2.1", OUT, 2)
        .record("10.67.1.1", "10.67.3.1", OUT, 300);
    let second = |sequence| {
        let report = Report::of("n1", sequence);
        report.record("10.67.1.2", "10.67.3.1", OUT, 40)
    };
    apply(&pipeline, &first);
    assert_eq!(workloads(&pipeline).len(), 3);

    apply(&pipeline, &second(2));
    assert_eq!(
        workloads(&pipeline),
        [
            "shop/Deployment/p a > shop/Deployment/p b: cross_zone 1000",
            "shop/Deployment/p a > shop/Deployment/p c: cross_region 300",
            "shop/Deployment/q a > shop/Deployment/p b: cross_zone 2",
            "/other/other a > /other/other c: cross_region 40",
        ]
    );

    pipeline.forget(later(30));
    assert_balanced(&pipeline);
    assert_eq!(
        workloads(&pipeline),
        [
            "shop/Deployment/p a > shop/Deployment/p b: cross_zone 1000",
            "/other/other a > /other/other b: cross_zone 2",
            "/other/other a > /other/other c: cross_region 340",
        ]
    );
    assert_eq!(pipeline.snapshot().totals.folded.edges, 2);
}

#[test]
fn windows_that_came_at_once_with_too_many_pairs_are_folded_at_once() {
    let limits = SeriesLimits {
        edges: 2,
        ..SeriesLimits::default()
    };
    let pipeline = pipeline(&cluster()).with_limits(limits);
    let report = Report::of("n1", 1)
        .record("10.67.1.1", "10.67.2.1", OUT, 1000)
        .record("10.67.1.2", "10.67.2.1", OUT, 2)
        .record("10.67.1.2", "10.67.3.1", OUT, 40)
        .record("10.67.1.2", "8.8.8.8", OUT, 5);

    apply(&pipeline, &report);

    assert_balanced(&pipeline);
    assert_eq!(
        workloads(&pipeline),
        [
            "shop/Deployment/p a > shop/Deployment/p b: cross_zone 1000",
            "/other/other a > /Internet/ : internet 5",
            "/other/other a > /other/other b: cross_zone 2",
            "/other/other a > /other/other c: cross_region 40",
        ]
    );
}

#[test]
fn the_series_of_a_pod_on_the_nodes_network_stays_while_the_pod_does() {
    let pipeline = pipeline(&cluster());
    add_host_pod(pipeline.topology(), "proxy", "n1", 1);
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 100)
        .socket(SocketOwner::Pod(host_uid(1)));
    apply(&pipeline, &report);

    pipeline.forget(minutes(30));
    assert_eq!(left_zone(&pipeline, "kube-system", "proxy"), Some(100));

    let uid = host_uid(1).to_string();
    pipeline.topology().write().delete_pod(&uid, minutes(31));
    pipeline.forget(minutes(60));
    assert_eq!(left_zone(&pipeline, "kube-system", "proxy"), None);
}

#[test]
fn what_sockets_on_the_nodes_network_sent_is_told_by_whose_they_are() {
    let pipeline = pipeline(&cluster());
    let report = Report::of("n1", 1)
        .record("10.66.0.1", "10.67.2.1", FROM_HOST, 100)
        .socket(SocketOwner::System)
        .record("10.66.0.1", "10.67.3.1", FROM_HOST, 20)
        .socket(SocketOwner::Kernel)
        .record("10.67.1.1", "10.67.3.1", OUT, 3);

    apply(&pipeline, &report);

    let totals = pipeline.snapshot().totals;
    let host = totals.host.columns().map(|(owner, sum)| (owner, sum.bytes));
    let host: Vec<_> = host.filter(|(_, bytes)| *bytes > 0).collect();
    assert_eq!(host, [("system", 100), ("kernel", 20)]);
}
