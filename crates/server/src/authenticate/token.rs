//! A token as it came: where it is in a request, and what it says of itself.
//!
//! What it says is not proven here. It is read to refuse what cannot be right without asking
//! Kubernetes, and to know when its time is over.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubezonnet_model::Timestamp;
use serde::Deserialize;

use super::Denied;

/// The longest token that is looked at, in bytes: those of service accounts have one to two
/// thousand.
const LONGEST: usize = 16 * 1024;

/// The token that a request brings.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Denied::NoToken);
    };
    let text = value.to_str().map_err(|_| Denied::InvalidToken)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Denied::NoToken),
    }
}

/// What a token says of itself, unproven.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Whom it is for.
    #[serde(rename = "aud", default)]
    audiences: Audiences,
    /// When its time is over, in seconds since 1970.
    #[serde(rename = "exp", default)]
    expiry: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Claims {
    /// Reads them out of a JSON web token (RFC 7519), as those of service accounts are.
    ///
    /// # Errors
    ///
    /// [`Denied::InvalidToken`] if it is none.
    pub fn read(token: &str) -> Result<Self, Denied> {
        if token.len() > LONGEST {
            return Err(Denied::InvalidToken);
        }
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Denied::InvalidToken);
        };
        let json = URL_SAFE_NO_PAD.decode(claims);
        let json = json.map_err(|_| Denied::InvalidToken)?;
        serde_json::from_slice(&json).map_err(|_| Denied::InvalidToken)
    }

    /// When its time is over.
    pub fn expiry(&self) -> Timestamp {
        Timestamp(self.expiry.saturating_mul(1000))
    }

    /// Whether it is for that audience.
    pub fn is_for(&self, audience: &str) -> bool {
        match &self.audiences {
            Audiences::One(one) => one == audience,
            Audiences::Many(many) => many.iter().any(|each| each == audience),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn audience_and_expiry_are_read_as_one_word_or_many() {
        for audiences in [r#""kubezonnet""#, r#"["other","kubezonnet"]"#] {
            let claims = Claims::read(&token(&format!(
                r#"{{"aud":{audiences},"exp":1800000000,"sub":"x"}}"#
            )));

            let claims = claims.unwrap();
            assert!(claims.is_for("kubezonnet") && !claims.is_for("kube"));
            assert_eq!(claims.expiry(), Timestamp(1_800_000_000_000));
        }
    }

    #[test]
    fn what_is_no_token_is_invalid() {
        let long = "a".repeat(LONGEST + 1);
        for text in [
            "",
            "a",
            "a.b",
            "a.b.c.d",
            "e30.!.e30",
            &long,
            &token("1"),
            &token("{"),
        ] {
            assert_eq!(Claims::read(text), Err(Denied::InvalidToken), "{text:.20}");
        }
    }

    #[test]
    fn a_token_without_time_is_over() {
        let claims = Claims::read(&token(r#"{"aud":"a"}"#)).unwrap();

        assert_eq!(claims.expiry(), Timestamp(0));
    }

    #[test]
    fn only_one_bearer_token_is_taken() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            headers
        };

        assert_eq!(bearer(&headers(&["Bearer a.b.c"])), Ok("a.b.c"));
        assert_eq!(bearer(&headers(&["bearer a.b.c"])), Ok("a.b.c"));
        for wrong in [
            &[][..],
            &["Basic YTpi"],
            &["Bearer"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(bearer(&headers(wrong)), Err(Denied::NoToken), "{wrong:?}");
        }
    }
}
