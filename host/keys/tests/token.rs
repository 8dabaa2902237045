//! Keys in a real PKCS#11 token: SoftHSM, filled and inspected with opensc's pkcs11-tool.
//!
//! Each test runs in a process of its own, because a PKCS#11 library is initialized and logged in once per process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ansinh_keys::{KeyError, MasterKeys, Passphrase, SigningKey, Token, TokenPin, public_key_pem};
use card_spec::crypto::Sign as _;
use card_spec::scp03::{AesKey, StaticKeys, diversify};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const LABEL: &str = "issuance 79";
const PIN: &str = "79791945";
const OFFICER: &str = "security officer";

/// A folder of tokens of this process.
struct Tokens(PathBuf);

impl Tokens {
    fn init(&self, label: &str) {
        self.softhsm(&[
            "--init-token",
            "--free",
            "--label",
            label,
            "--so-pin",
            OFFICER,
            "--pin",
            PIN,
        ]);
    }

    fn softhsm(&self, arguments: &[&str]) {
        let output = Command::new("softhsm2-util").args(arguments).output();
        let output = output.expect("softhsm2-util is missing: apt-get install softhsm2");
        assert!(output.status.success(), "{output:?}");
    }

    /// opensc's tool, logged in to the token.
    fn tool(&self, arguments: &[&str]) -> Output {
        let output = Command::new("pkcs11-tool")
            .args([
                "--module",
                MODULE,
                "--token-label",
                LABEL,
                "--login",
                "--pin",
                PIN,
            ])
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("pkcs11-tool is missing: apt-get install opensc");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    fn key_pair(&self, label: &str, id: &str, curve: &str) {
        let kind = format!("EC:{curve}");
        self.tool(&[
            "--keypairgen",
            "--key-type",
            &kind,
            "--label",
            label,
            "--id",
            id,
            "--usage-sign",
        ]);
    }

    fn secret_key(&self, label: &str, value: &[u8]) {
        let kind = format!("AES:{}", value.len());
        let file = format!("{label}.bin");
        std::fs::write(self.0.join(&file), value).unwrap();
        self.tool(&[
            "--write-object",
            &file,
            "--type",
            "secrkey",
            "--key-type",
            &kind,
            "--label",
            label,
            "--usage-sign",
            "--sensitive",
        ]);
    }
}

/// Runs a test in a process of its own, with an empty folder of tokens.
fn in_own_process(name: &str, test: impl FnOnce(&Tokens)) {
    const FOLDER: &str = "TOKEN_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return test(&Tokens(folder.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tokens")).unwrap();
    let settings = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    std::fs::write(
        &settings,
        format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        ),
    )
    .unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", settings)
        .status()
        .unwrap();
    assert!(status.success(), "{name}: see its own output above");
}

fn module() -> &'static Path {
    let module = Path::new(MODULE);
    assert!(module.exists(), "{MODULE} is missing: apt-get install softhsm2");
    module
}

fn login() -> Result<Token, KeyError> {
    Token::login(module(), LABEL, &TokenPin::new(PIN.to_owned()))
}

/// openssl's verdict on a signature over a message.
fn openssl_accepts(folder: &Path, key: &SigningKey, message: &[u8], signed: &[u8]) -> bool {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("key.pem"), public_key_pem(&key.public_key()).unwrap()).unwrap();
    let signature = key.sign(signed).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(signature.as_bytes()).unwrap();
    std::fs::write(at("signature.der"), signature.to_der().as_bytes()).unwrap();
    std::fs::write(at("message"), message).unwrap();
    Command::new("openssl")
        .args([
            "dgst",
            "-sha256",
            "-verify",
            &at("key.pem"),
            "-signature",
            &at("signature.der"),
            &at("message"),
        ])
        .output()
        .expect("openssl is missing: apt-get install openssl")
        .status
        .success()
}

#[test]
fn openssl_verifies_what_a_token_signed() {
    in_own_process("openssl_verifies_what_a_token_signed", |tokens| {
        tokens.init(LABEL);
        let token = login().unwrap();
        let key = SigningKey::generate_in_token(&token, "issuer").unwrap();
        assert!(openssl_accepts(&tokens.0, &key, b"a body", b"a body"));
        assert!(!openssl_accepts(&tokens.0, &key, b"a body", b"b body"));
        let again = SigningKey::in_token(&login().unwrap(), "issuer").unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let refused = key.seal(&tokens.0.join("file"), &Passphrase::new("x".repeat(20)));
        assert!(matches!(refused, Err(KeyError::StaysInToken)));
        let listed = tokens.tool(&["--list-objects", "--type", "privkey"]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(
            listed.contains("never extractable") && listed.contains("local"),
            "{listed}"
        );
    });
}

#[test]
fn a_key_pair_that_another_tool_made_signs() {
    in_own_process("a_key_pair_that_another_tool_made_signs", |tokens| {
        tokens.init(LABEL);
        tokens.key_pair("issuer", "01", "prime256v1");
        let key = SigningKey::in_token(&login().unwrap(), "issuer").unwrap();
        assert!(openssl_accepts(&tokens.0, &key, b"a body", b"a body"));
    });
}

#[test]
fn a_token_derives_the_card_keys_that_a_file_would() {
    in_own_process("a_token_derives_the_card_keys_that_a_file_would", |tokens| {
        tokens.init(LABEL);
        let values: [[u8; 16]; 3] =
            [0x11, 0x5A, 0xC3].map(|mark| std::array::from_fn(|place| mark ^ (7 * place) as u8));
        for (name, value) in ["enc", "mac", "dek"].iter().zip(&values) {
            tokens.secret_key(&format!("cards-{name}"), value);
        }
        let [enc, mac, dek] = values;
        let in_memory = StaticKeys::new(enc, mac, dek);
        let in_token = MasterKeys::in_token(&login().unwrap(), "cards").unwrap();
        for serial in [[0; 10], *b"0123456789", [0xFF; 10]] {
            let (ours, theirs) = (
                diversify(&in_memory, &serial),
                in_token.card_keys(&serial).unwrap(),
            );
            assert_eq!(ours.enc.as_bytes(), theirs.enc.as_bytes());
            assert_eq!(ours.mac.as_bytes(), theirs.mac.as_bytes());
            assert_eq!(ours.dek.as_bytes(), theirs.dek.as_bytes());
        }
        let expected = diversify(&in_memory, &[0; 10]);
        let expected = [&expected.enc, &expected.mac, &expected.dek].map(AesKey::key_check_value);
        assert_eq!(in_token.fingerprint().unwrap(), expected);
    });
}

#[test]
fn master_keys_made_in_a_token_stay_there() {
    in_own_process("master_keys_made_in_a_token_stay_there", |tokens| {
        tokens.init(LABEL);
        let token = login().unwrap();
        let keys = MasterKeys::generate_in_token(&token, "cards").unwrap();
        let again = MasterKeys::in_token(&token, "cards").unwrap();
        assert_eq!(keys.fingerprint().unwrap(), again.fingerprint().unwrap());
        let refused = keys.seal(
            &tokens.0.join("file"),
            "card-master",
            &Passphrase::new("x".repeat(20)),
        );
        assert!(matches!(refused, Err(KeyError::StaysInToken)));
        let refused = MasterKeys::generate_in_token(&token, "cards").err().unwrap();
        assert!(matches!(refused, KeyError::ObjectExists { .. }));
        let other = MasterKeys::generate_in_token(&token, "others").unwrap();
        assert_ne!(keys.fingerprint().unwrap(), other.fingerprint().unwrap());
    });
}

#[test]
fn a_wrong_pin_is_called_so_and_tried_once() {
    in_own_process("a_wrong_pin_is_called_so_and_tried_once", |tokens| {
        tokens.init(LABEL);
        for wrong in ["79791946", "", "7979194"] {
            let refused = Token::login(module(), LABEL, &TokenPin::new(wrong.to_owned()))
                .err()
                .unwrap();
            assert!(
                matches!(&refused, KeyError::WrongPin { token } if token == LABEL),
                "{refused}"
            );
            assert!(!refused.to_string().contains("7979194"), "{refused}");
        }
        assert!(login().is_ok());
    });
}

#[test]
fn a_missing_token_library_or_object_is_named() {
    in_own_process("a_missing_token_library_or_object_is_named", |tokens| {
        tokens.init(LABEL);
        let refused = Token::login(module(), "issuance 80", &TokenPin::new(PIN.to_owned()))
            .err()
            .unwrap();
        assert!(
            matches!(&refused, KeyError::TokenMissing { token } if token == "issuance 80"),
            "{refused}"
        );
        let nowhere = Path::new("/nowhere/libpkcs11.so");
        let refused = Token::login(nowhere, LABEL, &TokenPin::new(PIN.to_owned()))
            .err()
            .unwrap();
        assert!(matches!(&refused, KeyError::Module { module, .. } if module == nowhere));
        let token = login().unwrap();
        let refused = SigningKey::in_token(&token, "issuer").err().unwrap();
        assert!(
            matches!(
                &refused,
                KeyError::ObjectMissing {
                    kind: "private key",
                    ..
                }
            ),
            "{refused}"
        );
        let refused = MasterKeys::in_token(&token, "cards").err().unwrap();
        assert!(
            matches!(&refused, KeyError::ObjectMissing { object, .. } if object == "cards-enc"),
            "{refused}"
        );
        tokens.key_pair("issuer", "01", "prime256v1");
        tokens.tool(&["--delete-object", "--type", "pubkey", "--label", "issuer"]);
        let refused = SigningKey::in_token(&token, "issuer").err().unwrap();
        assert!(
            matches!(
                &refused,
                KeyError::ObjectMissing {
                    kind: "public key",
                    ..
                }
            ),
            "{refused}"
        );
    });
}

#[test]
fn two_of_one_label_are_not_guessed_at() {
    in_own_process("two_of_one_label_are_not_guessed_at", |tokens| {
        tokens.init(LABEL);
        tokens.key_pair("issuer", "01", "prime256v1");
        tokens.key_pair("issuer", "02", "prime256v1");
        let token = login().unwrap();
        let refused = SigningKey::in_token(&token, "issuer").err().unwrap();
        assert!(
            matches!(refused, KeyError::ObjectTwice { count: 2, .. }),
            "{refused}"
        );
        let refused = SigningKey::generate_in_token(&token, "issuer").err().unwrap();
        assert!(matches!(refused, KeyError::ObjectExists { .. }), "{refused}");
        for mark in [1, 2] {
            tokens.secret_key("cards-enc", &[mark; 16]);
        }
        let refused = MasterKeys::in_token(&token, "cards").err().unwrap();
        assert!(
            matches!(refused, KeyError::ObjectTwice { count: 2, .. }),
            "{refused}"
        );
        let refused = MasterKeys::generate_in_token(&token, "cards").err().unwrap();
        assert!(matches!(refused, KeyError::ObjectExists { .. }), "{refused}");
    });
}

#[test]
fn two_tokens_of_one_label_get_no_pin() {
    in_own_process("two_tokens_of_one_label_get_no_pin", |tokens| {
        tokens.init(LABEL);
        tokens.init(LABEL);
        let refused = login().err().unwrap();
        assert!(
            matches!(refused, KeyError::TokenTwice { count: 2, .. }),
            "{refused}"
        );
    });
}

#[test]
fn keys_of_another_type_do_not_sign() {
    in_own_process("keys_of_another_type_do_not_sign", |tokens| {
        tokens.init(LABEL);
        tokens.key_pair("p384", "01", "secp384r1");
        tokens.tool(&[
            "--keypairgen",
            "--key-type",
            "rsa:2048",
            "--label",
            "rsa",
            "--id",
            "02",
            "--usage-sign",
        ]);
        let token = login().unwrap();
        make_key_that_may_not_sign("mute");
        for object in ["p384", "rsa", "mute"] {
            let refused = SigningKey::in_token(&token, object).err().unwrap();
            assert!(
                matches!(refused, KeyError::WrongKeyType { .. }),
                "{object}: {refused}"
            );
        }
        for name in ["mac", "dek"] {
            tokens.secret_key(&format!("cards-{name}"), &[7; 16]);
        }
        tokens.secret_key("cards-enc", &[7; 32]);
        let refused = MasterKeys::in_token(&token, "cards").err().unwrap();
        assert!(
            matches!(&refused, KeyError::WrongKeyType { object, .. } if object == "cards-enc"),
            "{refused}"
        );
    });
}

#[test]
fn a_public_key_of_another_pair_is_noticed() {
    in_own_process("a_public_key_of_another_pair_is_noticed", |tokens| {
        tokens.init(LABEL);
        tokens.key_pair("issuer", "01", "prime256v1");
        tokens.tool(&["--delete-object", "--type", "pubkey", "--label", "issuer"]);
        let public = tokens.0.join("other.der");
        let other = SigningKey::generate().unwrap();
        std::fs::write(
            tokens.0.join("other.pem"),
            public_key_pem(&other.public_key()).unwrap(),
        )
        .unwrap();
        let converted = Command::new("openssl")
            .args([
                "pkey",
                "-pubin",
                "-in",
                "other.pem",
                "-outform",
                "DER",
                "-out",
                "other.der",
            ])
            .current_dir(&tokens.0)
            .status();
        assert!(converted.unwrap().success());
        tokens.tool(&[
            "--write-object",
            public.to_str().unwrap(),
            "--type",
            "pubkey",
            "--label",
            "issuer",
            "--id",
            "01",
        ]);
        let refused = SigningKey::in_token(&login().unwrap(), "issuer").err().unwrap();
        assert!(matches!(refused, KeyError::HalvesDiffer { .. }), "{refused}");
    });
}

#[test]
fn a_key_that_can_be_taken_out_is_refused() {
    in_own_process("a_key_that_can_be_taken_out_is_refused", |tokens| {
        tokens.init(LABEL);
        tokens.tool(&[
            "--keypairgen",
            "--key-type",
            "EC:prime256v1",
            "--label",
            "issuer",
            "--id",
            "01",
            "--usage-sign",
            "--extractable",
        ]);
        let refused = SigningKey::in_token(&login().unwrap(), "issuer").err().unwrap();
        assert!(matches!(refused, KeyError::Extractable { .. }), "{refused}");
    });
}

#[test]
fn threads_sign_side_by_side_with_one_login() {
    in_own_process("threads_sign_side_by_side_with_one_login", |tokens| {
        tokens.init(LABEL);
        let token = login().unwrap();
        let key = SigningKey::generate_in_token(&token, "issuer").unwrap();
        let cards = MasterKeys::generate_in_token(&token, "cards").unwrap();
        let alone = cards.card_keys(&[3; 10]).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let signature = key.sign(b"a body").unwrap();
                        let verified = card_spec::crypto::Verify::verify(
                            &card_spec::crypto::PortableP256,
                            &key.public_key(),
                            b"a body",
                            &signature,
                        );
                        assert!(verified.is_ok());
                        let keys = cards.card_keys(&[3; 10]).unwrap();
                        assert_eq!(keys.dek.as_bytes(), alone.dek.as_bytes());
                    }
                });
            }
        });
    });
}

#[test]
fn a_token_that_logs_out_in_the_middle_says_what_it_means_and_comes_back() {
    let name = "a_token_that_logs_out_in_the_middle_says_what_it_means_and_comes_back";
    in_own_process(name, |tokens| {
        tokens.init(LABEL);
        let token = login().unwrap();
        let key = SigningKey::generate_in_token(&token, "issuer").unwrap();
        let cards = MasterKeys::generate_in_token(&token, "cards").unwrap();
        assert!(key.sign(b"a body").is_ok());
        log_out_behind_its_back();
        let refused = key.sign(b"a body").err().unwrap();
        assert!(matches!(refused, KeyError::TokenLost { .. }), "{refused}");
        assert!(refused.to_string().contains("no card, list"), "{refused}");
        let refused = cards.card_keys(&[3; 10]).err().unwrap();
        assert!(matches!(refused, KeyError::TokenLost { .. }), "{refused}");
        // The old handles stay dead; who opens anew logs in anew.
        let again = SigningKey::in_token(&login().unwrap(), "issuer").unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert!(again.sign(b"a body").is_ok());
    });
}

/// A P-256 key pair without CKA_SIGN, in the one token.
fn make_key_that_may_not_sign(label: &str) {
    let library = cryptoki::context::Pkcs11::new(module()).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap().remove(0);
    let session = library.open_rw_session(slot).unwrap();
    let label = || Attribute::Label(label.as_bytes().to_vec());
    let curve = vec![0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    let public = [Attribute::Token(true), Attribute::EcParams(curve), label()];
    let private = [
        Attribute::Token(true),
        Attribute::Sign(false),
        Attribute::Derive(true),
        label(),
    ];
    session
        .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
        .unwrap();
}

/// Logs this process out of all its tokens, as a token that is pulled or restarted does.
fn log_out_behind_its_back() {
    let library = cryptoki::context::Pkcs11::new(module()).unwrap();
    for slot in library.get_slots_with_initialized_token().unwrap() {
        library.open_rw_session(slot).unwrap().logout().unwrap();
    }
}
