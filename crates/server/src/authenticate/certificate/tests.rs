use kubezonnet_testkit::pki::{self, Authority, Issued};

use super::*;
use crate::testing::node_name;

fn clock() -> Clock {
    Clock::system()
}

fn peer(issued: &Issued) -> Peer {
    let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    Peer::of(Some(&[der])).unwrap()
}

fn why(result: Result<NodeName, Denied>) -> String {
    match result {
        Err(Denied::InvalidCertificate { why }) => why,
        other => panic!("{other:?}"),
    }
}

struct Desk {
    directory: tempfile::TempDir,
    authority: Authority,
    authorities: ClientAuthorities,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::make("ours").unwrap();
        let path = directory.path().join("ca.crt");
        pki::write(&path, authority.certificate()).unwrap();
        Self {
            authorities: ClientAuthorities::load(&path, clock()).unwrap(),
            authority,
            directory,
        }
    }

    fn file(&self, text: &str) -> std::path::PathBuf {
        let path = self.directory.path().join("other.crt");
        pki::write(&path, text).unwrap();
        path
    }
}

#[test]
fn the_common_name_of_a_certificate_is_the_node() {
    let desk = Desk::new();
    let issued = desk.authority.client("node-1").unwrap();

    let node = desk.authorities.identify(&peer(&issued));

    assert_eq!(node, Ok(node_name("node-1")));
}

#[test]
fn who_has_a_certificate_of_others_or_one_for_something_else_is_refused() {
    let desk = Desk::new();
    let stranger = Authority::make("ours").unwrap().client("node-1").unwrap();
    let hour = Duration::from_hours(1);
    let old = desk.authority.expired_client("node-1", hour).unwrap();
    let server = desk.authority.server(&["node-1"]).unwrap();
    let nameless = desk.authority.client("").unwrap();

    let told = [stranger, old, server, nameless]
        .map(|issued| why(desk.authorities.identify(&peer(&issued))));

    assert!(told[0].contains("invalid peer certificate"), "{told:?}");
    assert!(told[1].contains("expired"), "{told:?}");
    assert!(told[2].contains("certificate"), "{told:?}");
    assert!(told[3].contains("no name of a node"), "{told:?}");
}

#[test]
fn an_authority_that_is_withdrawn_opens_nothing_for_connections_that_are_there() {
    let desk = Desk::new();
    let connected = peer(&desk.authority.client("node-1").unwrap());
    desk.authorities.identify(&connected).unwrap();
    let next = Authority::make("next").unwrap();

    let path = desk.file(next.certificate());
    desk.authorities.reload(&path).unwrap();

    why(desk.authorities.identify(&connected));
    let renewed = peer(&next.client("node-1").unwrap());
    assert_eq!(desk.authorities.identify(&renewed), Ok(node_name("node-1")));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let desk = Desk::new();
    let connected = peer(&desk.authority.client("node-1").unwrap());
    let broken = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";

    for text in ["", "no certificate\n", broken] {
        let path = desk.file(text);
        desk.authorities.reload(&path).unwrap_err();
    }
    desk.authorities
        .reload(Path::new("/nonexistent"))
        .unwrap_err();

    assert!(desk.authorities.identify(&connected).is_ok());
}

#[test]
fn who_shows_no_certificate_is_nobody() {
    assert!(Peer::of(None).is_none());
    assert!(Peer::of(Some(&[])).is_none());
}
