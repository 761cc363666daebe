//! Who is shown metrics, and who is answered.
//!
//! Metrics have names and sums, and scrapers expect to read them. The API has addresses, ports and money
//! too, and answers no stranger: without a token only who comes from the server's own host. That is where
//! `kubectl port-forward` comes from, for which the API server has asked who it is. A page of somebody else
//! in the same browser comes from there too, if its name leads there (DNS rebinding): it is told by the
//! name in `Host`, which has to be one that leads here without anybody's word. A name of the cluster does
//! not: whoever runs the network that a laptop is on answers for what the world's registries do not know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};
use ring::digest::{SHA256, digest};

use crate::authenticate::bearer;

/// Lets in everybody, or who has the token. It can be locked anew while requests come.
#[derive(Debug, Clone)]
pub struct Gate {
    token: Arc<RwLock<Option<[u8; 32]>>>,
    /// Whether strangers are answered while there is no token.
    answers_strangers: bool,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// The token is missing, or another.
    WrongToken,
    /// There is none, and who asks is a stranger.
    Stranger,
    /// There is none, and the server is asked for by a name that anybody might have.
    StrangeName,
}

impl Gate {
    /// Lets in everybody.
    pub fn open() -> Self {
        Self {
            token: Arc::default(),
            answers_strangers: true,
        }
    }

    /// Shows metrics to everybody, and answers who comes from this host.
    pub fn local() -> Self {
        Self {
            answers_strangers: false,
            ..Self::open()
        }
    }

    /// Lets in who has this token from now on, and nobody else.
    pub fn lock(&self, token: &str) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(sha256(token));
    }

    /// Whether metrics are shown to a request with these headers.
    pub fn lets_in(&self, headers: &HeaderMap) -> bool {
        match *self.token.read().unwrap_or_else(PoisonError::into_inner) {
            None => true,
            // How long digests take to compare says nothing of the token.
            Some(wanted) => bearer(headers).is_some_and(|token| sha256(token) == wanted),
        }
    }

    /// Whether a question with these headers is answered; `from` is where its connection comes from.
    ///
    /// # Errors
    ///
    /// [`Shut`] that says why not.
    pub fn lets_ask(&self, headers: &HeaderMap, from: Option<SocketAddr>) -> Result<(), Shut> {
        let is_locked = self
            .token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        let is_here = |from: SocketAddr| is_this_host(from.ip());
        if is_locked {
            let has_token = self.lets_in(headers);
            has_token.then_some(()).ok_or(Shut::WrongToken)
        } else if self.answers_strangers {
            Ok(())
        } else if !from.is_some_and(is_here) || is_handed_over(headers) {
            Err(Shut::Stranger)
        } else if headers.get(header::HOST).is_none_or(is_own_name) {
            Ok(())
        } else {
            Err(Shut::StrangeName)
        }
    }
}

/// Whether a proxy beside the server, such as that of a mesh, hands over what somebody else asks.
fn is_handed_over(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded"
            || name.starts_with("x-forwarded-")
            || name.starts_with("x-envoy-")
            || name.starts_with("l5d-")
    })
}

/// Whether it is an address, or the name that every browser knows for this host without asking. Browsers
/// always send one.
fn is_own_name(host: &HeaderValue) -> bool {
    const HERE: &str = "localhost";
    let Ok(Ok(authority)) = host.to_str().map(str::parse::<Authority>) else {
        return false;
    };
    let name = authority
        .host()
        .trim_matches(['[', ']'])
        .to_ascii_lowercase();
    let is_below = |name: &str| {
        let name = name.strip_suffix(HERE);
        name.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    name.parse::<IpAddr>().is_ok() || is_below(&name)
}

/// Whether somebody at this address is on this host. The rest of 127.0.0.0/8 is too, but proxies hand over from
/// there what others ask: Istio's from 127.0.0.6.
fn is_this_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn an_open_gate_lets_in_everybody_and_a_locked_one_who_has_the_token() {
        let gate = Gate::open();
        assert!(gate.lets_in(&HeaderMap::new()));

        gate.lock("first");
        assert!(gate.lets_in(&with("Bearer first")));
        for wrong in [HeaderMap::new(), with("Bearer second"), with("Basic first")] {
            assert!(!gate.lets_in(&wrong), "{wrong:?}");
        }

        gate.lock("second");
        assert!(gate.lets_in(&with("Bearer second")) && !gate.lets_in(&with("Bearer first")));
    }

    #[test]
    fn without_a_token_questions_are_answered_to_this_host_only() {
        let here = ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        let elsewhere = [
            "127.0.0.6:1",
            "10.0.0.1:1",
            "[fd00::1]:1",
            "[::ffff:10.0.0.1]:1",
            "[::127.0.0.1]:1",
        ];
        let parse = |text: &str| Some(text.parse().unwrap());
        let gate = Gate::local();

        for from in here {
            assert_eq!(
                gate.lets_ask(&HeaderMap::new(), parse(from)),
                Ok(()),
                "{from}"
            );
        }
        for from in elsewhere.map(parse).into_iter().chain([None]) {
            let asked = gate.lets_ask(&with("Bearer any"), from);
            assert_eq!(asked, Err(Shut::Stranger), "{from:?}");
            assert!(
                gate.lets_in(&HeaderMap::new()),
                "metrics are another matter"
            );
            assert_eq!(Gate::open().lets_ask(&HeaderMap::new(), from), Ok(()));
        }
        gate.lock("first");
        for from in [here[0], elsewhere[0]].map(parse) {
            assert_eq!(gate.lets_ask(&with("Bearer first"), from), Ok(()));
            let asked = gate.lets_ask(&HeaderMap::new(), from);
            assert_eq!(asked, Err(Shut::WrongToken), "{from:?}");
        }
    }

    #[test]
    fn what_a_proxy_beside_the_server_hands_over_is_not_answered() {
        let here = Some("127.0.0.1:1".parse().unwrap());
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-client-cert",
            "x-envoy-attempt-count",
            "l5d-client-id",
        ] {
            let headers =
                HeaderMap::from_iter([(name.parse::<HeaderName>().unwrap(), "x".parse().unwrap())]);

            assert_eq!(
                Gate::local().lets_ask(&headers, here),
                Err(Shut::Stranger),
                "{name}"
            );
            assert_eq!(Gate::open().lets_ask(&headers, here), Ok(()), "{name}");
        }
    }

    #[test]
    fn by_a_name_that_anybody_may_have_nobody_is_answered() {
        let own = [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:9779",
            "[::1]:8080",
            "10.0.0.1",
            "zonnet.localhost:1",
        ];
        let others = [
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.nip.io",
            "evillocalhost",
            "bench",
            "kubezonnet-server.kubezonnet.svc",
            "a.b.svc.cluster.local",
            "a b",
            "",
        ];
        let here = Some("127.0.0.1:1".parse().unwrap());
        let asked = |gate: &Gate, name: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, name.parse().unwrap())]);
            gate.lets_ask(&headers, here)
        };

        for name in own {
            assert_eq!(asked(&Gate::local(), name), Ok(()), "{name}");
        }
        for name in others {
            assert_eq!(
                asked(&Gate::local(), name),
                Err(Shut::StrangeName),
                "{name}"
            );
            assert_eq!(asked(&Gate::open(), name), Ok(()), "{name}");
        }
    }
}
