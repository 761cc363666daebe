//! The relay: forwards from a node's loopback to a server outside, over no uplink, until it is cut.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kubezonnet_testkit::{Cluster, Netns, NodeSpec, Place, Relay, Way, require_root};

/// Asks an echo server, and returns the connection with the answer.
fn ask(cluster: &Cluster, relay: &Relay, question: &str) -> io::Result<(TcpStream, String)> {
    let netns = cluster.node("node-a").netns();
    let mut stream = netns
        .run(|| TcpStream::connect(relay.address()))
        .expect("a namespace")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(question.as_bytes())?;
    let mut answer = vec![0; question.len()];
    stream.read_exact(&mut answer)?;
    Ok((
        stream,
        String::from_utf8(answer).expect("what was asked comes back"),
    ))
}

/// Both ends of a connection through a relay.
fn connect(netns: &Netns, relay: &Relay, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let near = netns.run(|| TcpStream::connect(relay.address()));
    let near = near.expect("a namespace").expect("the relay listens");
    (near, listener.accept().expect("the relay connects on").0)
}

/// A server that sends back what it gets, on a port of its own, for so many connections.
fn echo_server(connections: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().take(connections).flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

#[test]
fn a_relay_forwards_is_cut_and_is_restored_on_the_same_port_and_no_uplink_sees_it() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .build()
        .unwrap();
    let netns = cluster.node("node-a").netns();
    let mut relay = Relay::start(netns, 0, echo_server(2)).unwrap();
    let address = relay.address();

    let (mut open, answer) = ask(&cluster, &relay, "are you there?").unwrap();
    assert_eq!(answer, "are you there?");

    relay.cut();
    assert!(
        matches!(open.read(&mut [0]), Ok(0) | Err(_)),
        "the open connection lived on"
    );
    let refused = ask(&cluster, &relay, "and now?").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    relay.restore().unwrap();
    assert_eq!(relay.address(), address);
    let (_, answer) = ask(&cluster, &relay, "again?").unwrap();
    assert_eq!(answer, "again?");
    assert_eq!(cluster.settled_uplink("node-a").unwrap().tx_packets, 0);
}

#[test]
fn a_connection_ends_at_once_while_the_server_is_away() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .build()
        .unwrap();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let relay = Relay::start(cluster.node("node-a").netns(), 0, nobody).unwrap();

    let error = ask(&cluster, &relay, "anybody?").unwrap_err();

    assert_ne!(
        error.kind(),
        ErrorKind::WouldBlock,
        "it waited for its timeout"
    );
}

#[test]
fn a_relay_that_loses_one_way_is_silent_until_it_is_restored() {
    require_root();
    let cluster = Cluster::builder()
        .node(NodeSpec::new("node-a"))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let netns = cluster.node("node-a").netns();
    let mut relay = Relay::start(netns, 0, listener.local_addr().unwrap()).unwrap();

    let (mut near, mut far) = connect(netns, &relay, &listener);
    relay.lose(Way::FromServer);
    near.write_all(b"question").unwrap();
    let mut question = [0; 8];
    far.read_exact(&mut question).unwrap();
    far.write_all(b"answer").unwrap();
    drop(far);

    assert_eq!(&question, b"question", "the other way still goes");
    assert_eq!(near.read(&mut [0]).unwrap(), 0, "the answer is lost");
    relay.restore().unwrap();
    let (mut near, mut far) = connect(netns, &relay, &listener);
    far.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    near.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}
