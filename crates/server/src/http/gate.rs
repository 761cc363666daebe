//! Who is shown metrics.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use ring::digest::{SHA256, digest};

use crate::authenticate::bearer;

/// Lets in everybody, or who has the token. It can be locked anew while requests come.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<RwLock<Option<[u8; 32]>>>);

impl Gate {
    /// Lets in everybody.
    pub fn open() -> Self {
        Self::default()
    }

    /// Lets in who has this token from now on, and nobody else.
    pub fn lock(&self, token: &str) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(sha256(token));
    }

    /// Whether a request with these headers is let in.
    pub fn lets_in(&self, headers: &HeaderMap) -> bool {
        match *self.0.read().unwrap_or_else(PoisonError::into_inner) {
            None => true,
            // How long digests take to compare says nothing of the token.
            Some(wanted) => bearer(headers).is_some_and(|token| sha256(token) == wanted),
        }
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use axum::http::header;

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
}
