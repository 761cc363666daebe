use super::*;

const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 66));

fn table(total: usize, per_peer: usize) -> Table {
    Table::new(ConnectionLimits {
        total,
        per_peer,
        ..ConnectionLimits::default()
    })
}

fn honest(number: u8) -> IpAddr {
    IpAddr::from([10, 1, 0, number])
}

fn enter(table: &mut Table, peer: IpAddr) -> Option<Place> {
    table.enter(peer, |_| ())
}

fn is_ended(place: &mut Place) -> bool {
    !matches!(
        place.ended.try_recv(),
        Err(oneshot::error::TryRecvError::Empty)
    )
}

#[tokio::test(start_paused = true)]
async fn an_address_with_too_many_ends_its_own_oldest() {
    let mut table = table(100, 2);
    let mut other = enter(&mut table, honest(1)).unwrap();
    let mut first = enter(&mut table, ATTACKER).unwrap();
    let mut second = enter(&mut table, ATTACKER).unwrap();
    let mut told = Vec::new();

    let third = table.enter(ATTACKER, |reason| told.push(reason));

    assert!(third.is_some());
    assert_eq!(told, [Closed::CrowdedPeer]);
    assert!(is_ended(&mut first));
    assert!(!is_ended(&mut second) && !is_ended(&mut other));
    assert_eq!(table.connections.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_has_the_most_makes_room_for_all_others() {
    let mut table = table(6, 5);
    let mut kept = vec![enter(&mut table, honest(1)).unwrap()];
    tokio::time::advance(Duration::from_mins(1)).await;
    let mut many: Vec<_> = (0..5)
        .map(|_| enter(&mut table, ATTACKER).unwrap())
        .collect();

    for number in 2..=4 {
        kept.push(enter(&mut table, honest(number)).expect("it gets in"));
    }

    let ended = many.iter_mut().map(is_ended).collect::<Vec<_>>();
    assert_eq!(ended, [true, true, true, false, false], "the oldest go");
    assert!(!kept.iter_mut().any(is_ended), "though one is older still");
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_goes_last_and_not_at_once() {
    let mut table = table(2, 2);
    let mut busy = enter(&mut table, honest(1)).unwrap();
    busy.activity.set(Phase::Request);
    let mut also = enter(&mut table, honest(2)).unwrap();
    also.activity.set(Phase::Answer);

    let early = enter(&mut table, honest(3));
    tokio::time::advance(UNDER_WAY).await;
    let late = enter(&mut table, honest(3));

    assert!(early.is_none(), "nobody can go yet");
    assert!(late.is_some());
    assert!(is_ended(&mut busy) && !is_ended(&mut also));
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_before_a_request_of_an_address_with_more() {
    let mut table = table(3, 2);
    let mut requests: Vec<_> = (0..2)
        .map(|_| enter(&mut table, ATTACKER).unwrap())
        .collect();
    for place in &requests {
        place.activity.set(Phase::Request);
    }
    tokio::time::advance(2 * UNDER_WAY).await;
    let mut idle = enter(&mut table, honest(1)).unwrap();

    enter(&mut table, honest(2)).unwrap();

    assert!(is_ended(&mut idle));
    assert!(!requests.iter_mut().any(is_ended));
}

#[tokio::test(start_paused = true)]
async fn who_left_leaves_nothing_behind() {
    let mut table = table(2, 2);
    for number in 0..100 {
        let place = enter(&mut table, honest(number)).unwrap();
        table.leave(place.id);
        table.leave(place.id);
    }

    assert!(table.connections.is_empty() && table.peers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_large_table_makes_room_for_many_at_once_but_only_of_those_who_have_the_most() {
    let mut table = table(640, 640);
    let mut kept: Vec<_> = (0..40)
        .map(|number| enter(&mut table, honest(number)).unwrap())
        .collect();
    let mut many: Vec<_> = (0..600)
        .map(|_| enter(&mut table, ATTACKER).unwrap())
        .collect();
    let mut told = 0;

    table.enter(honest(40), |_| told += 1).unwrap();

    assert_eq!(told, 10);
    assert!(many[..10].iter_mut().all(is_ended), "the oldest of them");
    assert!(!many[10..].iter_mut().any(is_ended));
    assert!(!kept.iter_mut().any(is_ended));
}
