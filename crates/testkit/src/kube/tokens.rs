//! Tokens of service accounts, and what reviews of them are answered: in the shapes that a real API
//! server was recorded in (`recorded/tokenreview-*.json`).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A service account's token, as somebody has it.
#[derive(Debug, Clone)]
pub struct Token {
    /// The user that it is of.
    pub user: String,
    /// Whom it is for.
    pub audience: String,
    /// The node, and the pod's name and uid, as far as it is bound to them.
    pub extra: BTreeMap<String, String>,
    /// For how long it is valid; nothing: it has expired.
    pub life: Duration,
}

impl Token {
    /// That of the agent on a node, as newer API servers make it.
    pub fn of_agent(node: &str) -> Self {
        Self {
            user: "system:serviceaccount:default:kubezonnet-agent".to_owned(),
            audience: "kubezonnet".to_owned(),
            extra: [
                ("node-name", node.to_owned()),
                ("pod-name", format!("agent-{node}")),
                ("pod-uid", format!("uid-of-agent-{node}")),
            ]
            .map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), value))
            .into(),
            life: Duration::from_hours(1),
        }
    }

    /// The same without what `key` says, as older API servers make them.
    pub fn without(mut self, key: &str) -> Self {
        self.extra
            .remove(&format!("authentication.kubernetes.io/{key}"));
        self
    }

    /// Of another user.
    pub fn of_user(self, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            ..self
        }
    }

    /// For another audience.
    pub fn for_audience(self, audience: &str) -> Self {
        Self {
            audience: audience.to_owned(),
            ..self
        }
    }

    /// Valid for so long.
    pub fn living(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// As text: a JSON web token, with a signature that only the fake knows. `serial` tells it from
    /// others that say the same.
    pub(super) fn text(&self, serial: usize) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let expiry = (now + self.life).as_secs();
        let claims = json!({
            "aud": [self.audience],
            "exp": expiry,
            "sub": self.user,
        });
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let [head, claims] =
            [r#"{"alg":"RS256"}"#.to_owned(), claims.to_string()].map(|part| encode(&part));
        format!("{head}.{claims}.{}", encode(&format!("signature {serial}")))
    }

    /// What a review is answered with.
    pub(super) fn reviewed(&self, spec: &Value) -> Value {
        let wanted = spec["audiences"].as_array();
        let wanted: Vec<_> = wanted
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if self.life.is_zero() {
            return failed("[invalid bearer token, service account token has expired]");
        }
        if !wanted.contains(&self.audience.as_str()) {
            return failed(&format!(
                "[invalid bearer token, token audiences [\"{}\"] is invalid for the target audiences {wanted:?}]",
                self.audience
            ));
        }
        let extra: BTreeMap<_, _> = self
            .extra
            .iter()
            .map(|(key, value)| (key, [value]))
            .collect();
        json!({
            "authenticated": true,
            "user": {
                "username": self.user,
                "uid": "4d48ec71-f4c0-47e2-9ad8-9c9db000a025",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "extra": extra,
            },
            "audiences": [self.audience],
        })
    }
}

/// The answer to a token that the fake never gave.
pub(super) fn unknown() -> Value {
    failed("[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]")
}

fn failed(error: &str) -> Value {
    json!({ "user": {}, "error": error })
}
