//! Issuer keys: sealed files, signing, card key diversification.
