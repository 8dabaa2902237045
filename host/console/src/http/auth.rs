//! The token of a request.

use ansinh_store::operators::Token;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::refusal::{Code, Refusal};

/// The token in `Authorization: Bearer` (RFC 6750, 2.1). Whose it is, the store says, which looks for its SHA-256: how long that
/// takes tells nothing about a token of 256 random bits.
pub(super) fn token(headers: &HeaderMap) -> Result<Token, Refusal> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refusal::new(
            Code::NoToken,
            "no operator's token was sent (Authorization: Bearer …); nothing was changed",
        ));
    }
    Ok(Token::new(token))
}
