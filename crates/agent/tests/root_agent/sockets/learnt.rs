//! What was learnt of a port is not believed for longer than it is true.

use kubezonnet_model::{FlowCounters, Hook, SocketOwner};
use kubezonnet_testkit::{CgroupDriver, wait_for};

use super::{Bench, Books, DEADLINE, FIRST, traffic};

const DATAGRAMS: u64 = 50;

#[test]
fn what_a_process_receives_on_a_port_that_a_deleted_pod_sent_from_is_its_own() {
    let bench = Bench::start("1s", true);
    let [here, there] = bench.sides();
    let pod = bench.pod(CgroupDriver::Cgroupfs, FIRST);
    let system = bench.system();

    traffic::send_from(&pod, &here, &there, 9_999);
    pod.remove().unwrap();
    let receiver = traffic::receive_on(&system, &here, &there, 9_999, DATAGRAMS);

    let datagrams = |count| FlowCounters {
        bytes: count * 100,
        packets: count,
    };
    let expected = Books::from([
        ((FIRST, Hook::Postrouting), datagrams(1)),
        ((SocketOwner::System, Hook::LocalIn), datagrams(DATAGRAMS)),
    ]);
    assert_eq!(bench.books(datagrams(DATAGRAMS + 1)), expected);
    drop(receiver);
}

#[test]
fn a_port_where_nobody_listens_any_more_is_soon_nobodys_whether_its_group_stays_or_goes() {
    let bench = Bench::start("1s", true);
    let [here, there] = bench.sides();
    for (port, stays) in [(8_101, true), (8_102, false)] {
        let pod = bench.pod(CgroupDriver::Cgroupfs, FIRST);
        drop(traffic::serve_one(&pod, &here, &there, port, 1_000));
        let _stays = if stays {
            Some(pod)
        } else {
            pod.remove().unwrap();
            None
        };
        let at = |owner, hook| bench.so_far().get(&(owner, hook)).copied();
        let before = at(SocketOwner::Kernel, Hook::Postrouting);

        wait_for("a reset that is the kernel's own", DEADLINE, || {
            traffic::refused(&here, &there, port);
            (at(SocketOwner::Kernel, Hook::Postrouting) > before).then_some(())
        })
        .unwrap();
        let settled = bench.settled();
        for _ in 0..20 {
            traffic::refused(&here, &there, port);
        }

        let after = bench.books(FlowCounters {
            bytes: super::sum(&settled).bytes + 20 * 100,
            packets: 0,
        });
        let mut expected = settled;
        for (owner, hook, bytes) in [
            (SocketOwner::Unseen, Hook::LocalIn, 60),
            (SocketOwner::Kernel, Hook::Postrouting, 40),
        ] {
            *expected.entry((owner, hook)).or_default() += FlowCounters {
                bytes: 20 * bytes,
                packets: 20,
            };
        }
        assert_eq!(after, expected);
    }
}
