use kubezonnet_model::Hook;

use super::*;
use crate::testing::{NOW, Report, WINDOW, counters, ip, node_name};

/// The window that ended `seconds` after the first, or before it.
fn window(seconds: i64) -> Window {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let end = if seconds < 0 {
        NOW.minus(distance)
    } else {
        NOW.plus(distance)
    };
    Window::placed(end, Duration::ZERO, WINDOW)
}

/// Admits a window and applies it; `None` for a duplicate.
fn admit_at(agents: &mut Agents, report: &Report, seconds: u64) -> Option<Applied> {
    let batch = &report.0;
    let window = window(seconds.cast_signed());
    let admission = agents
        .admit(&batch.header, &batch.node_addresses, window, window.end)
        .unwrap();
    let duplicate = admission == Admission::Duplicate;
    assert_eq!(agents.has_applied(&batch.header), duplicate);
    (!duplicate).then(|| agents.applied(&batch.header, window))
}

fn admit(agents: &mut Agents, report: &Report) -> Option<Applied> {
    admit_at(agents, report, 0)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what is one or none"
)]
const fn new(missed: u64) -> Option<Applied> {
    Some(Applied {
        missed,
        midway: false,
        uncounted: None,
    })
}

fn covered(agents: &Agents, node: &str, seconds: i64) -> Extent {
    agents.covered(&node_name(node), Family::Ipv4, window(seconds))
}

#[test]
fn a_window_is_new_once() {
    let mut agents = Agents::default();

    assert_eq!(admit(&mut agents, &Report::of("n1", 1)), new(0));
    assert_eq!(admit(&mut agents, &Report::of("n1", 1)), None);
    assert_eq!(admit(&mut agents, &Report::of("n1", 2)), new(0));
    assert_eq!(admit(&mut agents, &Report::of("n1", 1)), None);
}

#[test]
fn a_window_that_did_not_reach_the_ledger_is_still_new() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 1));
    let second = Report::of("n1", 2);

    let admissions = [NOW, NOW].map(|now| agents.admit(&second.0.header, &[], window(0), now));

    let new = Ok(Admission::New { undeclared: 0 });
    assert_eq!(admissions, [new, new]);
}

#[test]
fn a_last_window_that_comes_again_and_again_leaves_what_was_covered_before() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 1));
    let last = Report::of("n1", 2).ends();

    for again in 0..20 {
        // Placed anew each time, by the way that a request takes.
        let mut window = window(10);
        window.end = window.end.plus(Duration::from_millis(10 * again));
        let now = window.end;
        agents.admit(&last.0.header, &[], window, now).unwrap();
    }

    assert_eq!(covered(&agents, "n1", 0), Extent::Whole);
    assert_eq!(covered(&agents, "n1", 10), Extent::Whole);
    assert_eq!(covered(&agents, "n1", 30), Extent::None);
}

#[test]
fn each_node_counts_for_itself() {
    let mut agents = Agents::default();

    assert_eq!(admit(&mut agents, &Report::of("n1", 1)), new(0));
    assert_eq!(admit(&mut agents, &Report::of("n2", 1)), new(0));
}

#[test]
fn a_gap_is_taken_and_told() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 1));

    assert_eq!(admit(&mut agents, &Report::of("n1", 5)), new(3));
    assert_eq!(admit(&mut agents, &Report::of("n1", 3)), None);
}

#[test]
fn what_was_before_this_servers_time_is_no_gap() {
    let mut agents = Agents::default();

    let met_midway = Applied {
        midway: true,
        ..Applied::default()
    };
    assert_eq!(admit(&mut agents, &Report::of("n1", 500)), Some(met_midway));
    assert_eq!(admit(&mut agents, &Report::of("n1", 501)), new(0));
}

#[test]
fn another_epoch_begins_a_new_count() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 7));

    assert_eq!(admit(&mut agents, &Report::of("n1", 1).epoch(2)), new(0));
    assert_eq!(admit(&mut agents, &Report::of("n1", 3).epoch(2)), new(1));
}

#[test]
fn from_an_agent_that_breaks_off_until_the_next_nobody_counts_and_that_is_told_once() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);

    let first = admit_at(&mut agents, &Report::of("n1", 1).epoch(2), 80);
    let second = admit_at(&mut agents, &Report::of("n1", 2).epoch(2), 90);

    let uncounted = first.and_then(|applied| applied.uncounted);
    assert_eq!(uncounted, Some(Duration::from_secs(70)));
    assert_eq!(second, new(0));
}

#[test]
fn an_agent_that_says_that_it_ends_or_is_bypassed_leaves_nothing_uncounted() {
    for last in [Report::of("n1", 2).ends(), Report::of("n1", 2).bypassed()] {
        let mut agents = Agents::default();
        admit_at(&mut agents, &Report::of("n1", 1), 0);
        admit_at(&mut agents, &last, 10);

        let next = admit_at(&mut agents, &Report::of("n1", 1).epoch(2), 80);

        assert_eq!(next, new(0), "{last:?}");
    }
}

#[test]
fn the_first_windows_of_a_new_epoch_are_missed_if_they_never_came() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 7));

    assert_eq!(admit(&mut agents, &Report::of("n1", 3).epoch(2)), new(2));
}

#[test]
fn a_closed_epoch_never_counts_a_window_twice() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 7).epoch(1));
    admit(&mut agents, &Report::of("n1", 1).epoch(2));

    let again = admit(&mut agents, &Report::of("n1", 7).epoch(1));
    let current = admit(&mut agents, &Report::of("n1", 1).epoch(2));

    assert_eq!(again, None);
    assert_eq!(current, None, "the old epoch must not have come back");
}

#[test]
fn the_last_window_of_a_closed_epoch_still_counts_once() {
    let mut agents = Agents::default();
    admit(&mut agents, &Report::of("n1", 7).epoch(1));
    admit(&mut agents, &Report::of("n1", 1).epoch(2));

    let late = admit(&mut agents, &Report::of("n1", 8).epoch(1));
    let again = admit(&mut agents, &Report::of("n1", 8).epoch(1));

    assert_eq!(late, new(0));
    assert_eq!(again, None);
}

#[test]
fn every_epoch_within_memory_stays_closed() {
    let mut agents = Agents::default();
    let last = u8::try_from(CLOSED_EPOCHS).unwrap() + 1;
    for epoch in 1..=last {
        admit(&mut agents, &Report::of("n1", 1).epoch(epoch));
    }

    for epoch in 1..=last {
        let again = admit(&mut agents, &Report::of("n1", 1).epoch(epoch));
        assert_eq!(again, None, "epoch {epoch}");
    }
}

#[test]
fn coverage_begins_with_the_first_window_and_lasts_though_windows_are_late() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 100);

    let ended_when_it_began = covered(&agents, "n1", 90);
    assert_eq!(ended_when_it_began, Extent::None);
    assert_eq!(covered(&agents, "n1", 91), Extent::Part, "by a second");
    assert_eq!(covered(&agents, "n1", 98), Extent::Part, "but two seconds");
    assert_eq!(
        covered(&agents, "n1", 99),
        Extent::Whole,
        "but the tolerance"
    );
    assert_eq!(covered(&agents, "n1", 100), Extent::Whole);
    assert_eq!(covered(&agents, "n1", 100_000), Extent::Whole);
    assert_eq!(covered(&agents, "n2", 100), Extent::None);
}

#[test]
fn coverage_ends_with_the_window_that_says_so_and_begins_again_with_another() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);
    admit_at(&mut agents, &Report::of("n1", 2).ends(), 10);
    admit_at(&mut agents, &Report::of("n1", 1).epoch(2), 60);

    assert_eq!(
        covered(&agents, "n1", 11),
        Extent::Whole,
        "but the tolerance"
    );
    assert_eq!(covered(&agents, "n1", 12), Extent::Part);
    assert_eq!(covered(&agents, "n1", 19), Extent::Part, "by a second");
    assert_eq!(covered(&agents, "n1", 20), Extent::None);
    assert_eq!(covered(&agents, "n1", 50), Extent::None);
    assert_eq!(covered(&agents, "n1", 51), Extent::Part);
    assert_eq!(covered(&agents, "n1", 60), Extent::Whole);
}

#[test]
fn an_agent_replaced_within_a_window_leaves_out_what_lies_between() {
    let window_of_both = |gap: u64| {
        let mut agents = Agents::default();
        admit_at(&mut agents, &Report::of("n1", 1).ends(), 0);
        admit_at(&mut agents, &Report::of("n1", 1).epoch(2), 10 + gap);
        covered(&agents, "n1", 5)
    };

    assert_eq!(window_of_both(0), Extent::Whole);
    assert_eq!(window_of_both(1), Extent::Whole);
    assert_eq!(window_of_both(2), Extent::Part);
}

#[test]
fn an_agent_that_an_earlier_server_knew_was_there_before_its_first_window_here() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 2), 0);
    admit_at(&mut agents, &Report::of("n2", 1), 0);
    admit_at(&mut agents, &Report::of("n2", 3).epoch(2), 60);

    assert_eq!(covered(&agents, "n1", -5), Extent::Whole);
    assert_eq!(covered(&agents, "n2", -5), Extent::Part);
    assert_eq!(
        covered(&agents, "n2", 45),
        Extent::None,
        "its windows are missing"
    );
}

#[test]
fn a_window_without_length_is_covered_if_the_moment_is() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 10);
    let at = |seconds| {
        let moment = NOW.plus(Duration::from_secs(seconds));
        let window = Window {
            start: moment,
            end: moment,
        };
        agents.covered(&node_name("n1"), Family::Ipv4, window)
    };

    // The window of ten seconds that ended at 10 began at 0.
    assert_eq!(at(0), Extent::Whole);
    let before = Window {
        start: NOW.minus(Duration::from_secs(1)),
        end: NOW.minus(Duration::from_secs(1)),
    };
    let before = agents.covered(&node_name("n1"), Family::Ipv4, before);
    assert_eq!(before, Extent::None);
}

#[test]
fn an_agent_that_dies_unheard_covered_until_its_last_window() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);
    let silent = covered(&agents, "n1", 30);
    assert_eq!(silent, Extent::Whole, "nobody knows yet that it died");

    admit_at(&mut agents, &Report::of("n1", 1).epoch(2), 60);

    assert_eq!(covered(&agents, "n1", 0), Extent::Whole);
    assert_eq!(covered(&agents, "n1", 30), Extent::None);
    assert_eq!(covered(&agents, "n1", 60), Extent::Whole);
}

#[test]
fn a_late_window_of_a_closed_epoch_says_nothing_of_now() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1).declares("10.0.0.1"), 0);
    admit_at(
        &mut agents,
        &Report::of("n1", 1).epoch(2).declares("10.0.0.2"),
        60,
    );

    admit_at(&mut agents, &Report::of("n1", 2).ends(), 70);

    assert_eq!(covered(&agents, "n1", 80), Extent::Whole);
    assert!(agents.declarer(ip("10.0.0.1"), &node_name("n1")).is_none());
    assert!(agents.declarer(ip("10.0.0.2"), &node_name("n1")).is_some());
}

#[test]
fn a_hook_that_is_gone_ends_coverage_where_its_window_begins() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);
    let mut blind = Report::of("n1", 2);
    blind.0.header.coverage = kubezonnet_model::Coverage::default();
    blind.0.header.coverage.add(Hook::Postrouting, Family::Ipv6);

    admit_at(&mut agents, &blind, 10);

    assert_eq!(covered(&agents, "n1", 0), Extent::Whole);
    assert_eq!(covered(&agents, "n1", 10), Extent::None);
    let other_family = agents.covered(&node_name("n1"), Family::Ipv6, window(10));
    assert_eq!(other_family, Extent::Whole);
}

#[test]
fn a_node_whose_hooks_are_bypassed_from_its_first_window_on_was_never_covered() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1).bypassed(), 0);

    assert_eq!(covered(&agents, "n1", 0), Extent::Bypassed);
    assert_eq!(covered(&agents, "n1", 100), Extent::Bypassed);
    assert_eq!(covered(&agents, "n1", -10), Extent::None);
}

#[test]
fn a_node_stops_being_covered_when_its_server_is_told_and_is_again_when_it_is_told() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);
    admit_at(&mut agents, &Report::of("n1", 2).bypassed(), 10);
    admit_at(&mut agents, &Report::of("n1", 3).bypassed(), 20);
    let seen = Report::of("n1", 4).uplinks(1_000_000, 1_000_000);
    admit_at(&mut agents, &seen, 30);

    let whole = "receivers that were told of n1 before it was known left the count to it";
    assert_eq!(covered(&agents, "n1", 10), Extent::Whole, "{whole}");
    assert_eq!(covered(&agents, "n1", 15), Extent::Part);
    assert_eq!(covered(&agents, "n1", 20), Extent::Bypassed);
    assert_eq!(covered(&agents, "n1", 30), Extent::Bypassed);
    assert_eq!(covered(&agents, "n1", 35), Extent::Part);
    assert_eq!(covered(&agents, "n1", 40), Extent::Whole);
}

#[test]
fn a_verdict_that_comes_a_moment_after_its_window_turns_no_whole_window_into_a_part() {
    let mut agents = Agents::default();
    let late = |agents: &mut Agents, report: &Report, seconds: u64| {
        let header = &report.0.header;
        let window = window(seconds.cast_signed());
        let now = window.end.plus(TOLERANCE);
        agents.admit(header, &[], window, now).unwrap();
        agents.applied(header, window);
    };
    late(&mut agents, &Report::of("n1", 1), 0);
    late(&mut agents, &Report::of("n1", 2).bypassed(), 10);
    late(
        &mut agents,
        &Report::of("n1", 3).uplinks(5_000_000, 5_000_000),
        20,
    );

    assert_eq!(covered(&agents, "n1", 20), Extent::Bypassed);
    assert_eq!(covered(&agents, "n1", 30), Extent::Whole);
}

#[test]
fn a_window_in_which_little_was_sent_changes_no_verdict() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1).bypassed(), 0);
    admit_at(&mut agents, &Report::of("n1", 2).uplinks(0, 0), 10);
    admit_at(&mut agents, &Report::of("n2", 1), 0);
    admit_at(&mut agents, &Report::of("n2", 2).uplinks(0, 999_999), 10);

    assert_eq!(covered(&agents, "n1", 20), Extent::Bypassed);
    assert_eq!(covered(&agents, "n2", 20), Extent::Whole);
}

#[test]
fn what_left_through_the_uplinks_is_added_up_once_a_window() {
    let mut agents = Agents::default();
    let second = Report::of("n1", 2).uplinks(30, 400);
    admit(&mut agents, &Report::of("n1", 1).bypassed());
    admit(&mut agents, &second);
    admit(&mut agents, &second);
    admit(&mut agents, &Report::of("tells_nothing", 1));

    let expected = NodeUplinks {
        node: node_name("n1"),
        uplinks: Uplinks {
            seen: [counters(1_000_000), counters(30)].into_iter().sum(),
            sent: [counters(10_000_000), counters(400)].into_iter().sum(),
        },
        bypassed: true,
    };
    assert_eq!(agents.uplinks(), [expected]);
}

#[test]
fn declared_addresses_are_those_of_the_last_window() {
    let mut agents = Agents::default();
    admit(
        &mut agents,
        &Report::of("n1", 1)
            .declares("10.0.0.1")
            .declares("10.0.0.2"),
    );
    admit(&mut agents, &Report::of("n1", 2).declares("10.0.0.2"));

    let n2 = node_name("n2");
    assert_eq!(agents.declarer(ip("10.0.0.1"), &n2), None);
    assert_eq!(agents.declarer(ip("10.0.0.2"), &n2), Some(&node_name("n1")));
}

#[test]
fn what_exists_on_every_machine_cannot_be_declared() {
    let common = [
        "127.0.0.1",
        "::1",
        "169.254.20.10",
        "fe80::1",
        "0.0.0.0",
        "ff02::1",
    ];
    let own = ["8.8.8.8", "172.17.0.1"].map(ip);

    let (taken, _) = declared(&[&common.map(ip)[..], &own].concat());

    assert_eq!(taken, own);
}

#[test]
fn one_agent_cannot_declare_without_end() {
    let mut agents = Agents::default();
    let mut report = Report::of("n1", 1);
    for number in 0..=u32::try_from(MAX_DECLARED).unwrap() {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        report.0.node_addresses.push(IpAddr::V4(address));
    }

    let admission = agents.admit(&report.0.header, &report.0.node_addresses, window(0), NOW);

    assert_eq!(admission, Ok(Admission::New { undeclared: 1 }));
    assert_eq!(agents.declared.len(), MAX_DECLARED);
}

#[test]
fn made_up_nodes_find_no_room_and_those_that_are_gone_give_theirs() {
    let mut agents = Agents::with_capacity(3);
    admit_at(&mut agents, &Report::of("gone", 1).declares("10.0.0.1"), 0);
    admit_at(&mut agents, &Report::of("silent", 1), 0);
    admit_at(&mut agents, &Report::of("busy", 1), 100);
    let late = Report::of("late", 1);
    let admit_late = |agents: &mut Agents| agents.admit(&late.0.header, &[], window(100), NOW);

    let refused = admit_late(&mut agents);
    let all = || ["gone", "silent", "busy"].map(node_name).to_vec();
    let reported = agents.forget(all(), NOW);
    assert_eq!(agents.report_ages(NOW).len(), 3, "all have reported since");
    let since = NOW.plus(Duration::from_secs(1));
    let silent = agents.silent(since);
    let gone = agents.forget(vec![node_name("gone")], since);
    let taken = admit_late(&mut agents);

    assert_eq!(reported, []);
    assert_eq!(silent, [node_name("gone"), node_name("silent")]);
    assert_eq!(gone, [node_name("gone")]);
    assert_eq!(refused, Err(TooManyAgents(3)));
    assert_eq!(taken, Ok(Admission::New { undeclared: 0 }));
    assert!(
        agents
            .declarer(ip("10.0.0.1"), &node_name("late"))
            .is_none()
    );
    let known = ["gone", "silent", "busy"].map(|node| agents.knows(&node_name(node)));
    assert_eq!(known, [false, true, true]);
}

#[test]
fn the_age_of_a_report_is_since_the_last_of_any_kind() {
    let mut agents = Agents::default();
    admit_at(&mut agents, &Report::of("n1", 1), 0);
    admit_at(&mut agents, &Report::of("n1", 1), 30);

    let ages = agents.report_ages(NOW.plus(Duration::from_secs(40)));

    assert_eq!(ages, [(node_name("n1"), Duration::from_secs(10))]);
}
