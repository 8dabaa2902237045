//! Sealed key files, with openssl as the outside checker.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ansinh_keys::{KeyError, MasterKeys, Passphrase, Role, SigningKey, TokenPin, public_key_pem};
use card_spec::crypto::{Sign as _, Signature};
use card_spec::scp03::AesKey;

const PASSPHRASE: &str = "mật khẩu dùng thử 79";

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE.to_owned())
}

fn sealed_key(folder: &Path) -> (SigningKey, PathBuf) {
    let key = SigningKey::generate().unwrap();
    let path = folder.join("issuer.key");
    key.seal(&path, &passphrase()).unwrap();
    (key, path)
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl is missing: apt-get install openssl")
}

fn key_check_value(key: &[u8; 16]) -> [u8; 3] {
    AesKey::aes128(*key).key_check_value()
}

fn der_signature(plain: &Signature) -> Vec<u8> {
    p256::ecdsa::Signature::from_slice(plain.as_bytes())
        .unwrap()
        .to_der()
        .as_bytes()
        .to_vec()
}

#[test]
fn openssl_opens_a_sealed_key_with_the_same_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let (key, path) = sealed_key(folder.path());
    let path = path.to_str().unwrap();
    let opened = openssl(&["pkcs8", "-in", path, "-passin", &format!("pass:{PASSPHRASE}")]);
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    let plain = folder.path().join("plain.pem");
    std::fs::write(&plain, opened.stdout).unwrap();
    let public = openssl(&["pkey", "-in", plain.to_str().unwrap(), "-pubout"]);
    assert_eq!(
        String::from_utf8(public.stdout).unwrap(),
        public_key_pem(&key.public_key()).unwrap()
    );
}

#[test]
fn openssl_refuses_another_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sealed_key(folder.path());
    let opened = openssl(&[
        "pkcs8",
        "-in",
        path.to_str().unwrap(),
        "-passin",
        "pass:mật khẩu dùng thử 80",
    ]);
    assert!(!opened.status.success());
}

#[test]
fn a_key_sealed_by_openssl_opens_here() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, sealed) = (folder.path().join("plain.pem"), folder.path().join("sealed.pem"));
    let (plain, sealed_text) = (plain.to_str().unwrap(), sealed.to_str().unwrap());
    assert!(
        openssl(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            plain
        ])
        .status
        .success()
    );
    let passout = format!("pass:{PASSPHRASE}");
    assert!(
        openssl(&[
            "pkcs8",
            "-topk8",
            "-scrypt",
            "-in",
            plain,
            "-out",
            sealed_text,
            "-passout",
            &passout
        ])
        .status
        .success()
    );
    let key = SigningKey::open(&sealed, &passphrase()).unwrap();
    let public = openssl(&["pkey", "-in", plain, "-pubout"]);
    assert_eq!(
        String::from_utf8(public.stdout).unwrap(),
        public_key_pem(&key.public_key()).unwrap()
    );
}

#[test]
fn openssl_verifies_our_signature_and_no_other_message() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sealed_key(folder.path());
    let key = SigningKey::open(&path, &passphrase()).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("issuer.pem"), public_key_pem(&key.public_key()).unwrap()).unwrap();
    std::fs::write(at("signature.der"), der_signature(&key.sign(b"a body").unwrap())).unwrap();
    std::fs::write(at("body"), b"a body").unwrap();
    std::fs::write(at("other"), b"b body").unwrap();
    let verify = |body: &str| {
        openssl(&[
            "dgst",
            "-sha256",
            "-verify",
            &at("issuer.pem"),
            "-signature",
            &at("signature.der"),
            &at(body),
        ])
    };
    assert_eq!(verify("body").stdout, b"Verified OK\n");
    assert!(!verify("other").status.success());
}

#[test]
fn signatures_are_deterministic() {
    let key = SigningKey::generate().unwrap();
    assert_eq!(key.sign(b"x").unwrap(), key.sign(b"x").unwrap());
    assert_ne!(key.sign(b"x").unwrap(), key.sign(b"y").unwrap());
    assert_ne!(
        key.sign(b"x").unwrap(),
        SigningKey::generate().unwrap().sign(b"x").unwrap()
    );
}

#[test]
fn every_wrong_passphrase_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sealed_key(folder.path());
    for wrong in [
        "",
        "mật khẩu dùng thử 7",
        "mật khẩu dùng thử 799",
        "MẬT KHẨU DÙNG THỬ 79",
    ] {
        let result = SigningKey::open(&path, &Passphrase::new(wrong.to_owned()));
        assert!(
            matches!(result, Err(KeyError::WrongPassphrase { .. })),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_line_end_after_the_passphrase_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sealed_key(folder.path());
    assert!(SigningKey::open(&path, &Passphrase::new(format!("{PASSPHRASE}\r\n"))).is_ok());
}

fn parts() -> [String; 3] {
    ["người thứ nhất 1945", "người thứ hai 1954", "người thứ ba 1975"].map(str::to_owned)
}

#[test]
fn openssl_opens_a_key_of_several_people_by_the_documented_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let several = Passphrase::of_several(&parts().map(Passphrase::new));
    let key = SigningKey::generate().unwrap();
    key.seal(&path, &several).unwrap();
    let by_hand = parts().map(|part| format!("{}:{part}", part.len())).concat();
    let path = path.to_str().unwrap();
    let opened = openssl(&["pkcs8", "-in", path, "-passin", &format!("pass:{by_hand}")]);
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
}

#[test]
fn each_of_several_people_is_needed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let open = |parts: &[&String]| {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Passphrase::new((*part).clone()))
            .collect();
        SigningKey::open(&path, &Passphrase::of_several(&parts))
    };
    let [first, second, third] = &parts();
    SigningKey::generate()
        .unwrap()
        .seal(&path, &Passphrase::of_several(&parts().map(Passphrase::new)))
        .unwrap();
    assert!(open(&[first, second, third]).is_ok());
    let joined = format!("{first}{second}");
    for wrong in [
        &[second, third][..],
        &[first, third],
        &[first, second],
        &[first, third, second],
        &[&joined, third],
        &[],
    ] {
        assert!(matches!(open(wrong), Err(KeyError::WrongPassphrase { .. })));
    }
}

#[test]
fn a_sealed_pin_is_no_master_key_and_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    TokenPin::new("1234".to_owned())
        .seal(&at("pin"), &passphrase())
        .unwrap();
    MasterKeys::generate()
        .unwrap()
        .seal(&at("master"), "token-pin", &passphrase())
        .unwrap();
    assert!(TokenPin::open(&at("pin"), &passphrase()).is_ok());
    let taken = TokenPin::open(&at("master"), &passphrase()).err().unwrap();
    assert!(matches!(taken, KeyError::NotAKeyFile { .. }));
    let taken = MasterKeys::open(&at("pin"), "token-pin", &passphrase())
        .err()
        .unwrap();
    assert!(matches!(taken, KeyError::NotAKeyFile { .. }));
    let sealed = std::fs::read(at("pin")).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"1234"));
}

#[test]
fn files_are_private_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sealed_key(folder.path());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = std::fs::read(&path).unwrap();
    let again = SigningKey::generate().unwrap().seal(&path, &passphrase());
    assert!(matches!(again, Err(KeyError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a temporary file was left behind"
    );
}

#[test]
fn a_short_passphrase_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.key");
    let short = Passphrase::new("x".repeat(Passphrase::MINIMUM - 1));
    let result = SigningKey::generate().unwrap().seal(&path, &short);
    assert!(matches!(result, Err(KeyError::PassphraseTooShort { .. })));
    let result = MasterKeys::generate().unwrap().seal(&path, "x", &short);
    assert!(matches!(result, Err(KeyError::PassphraseTooShort { .. })));
    assert!(!path.exists());
}

#[test]
fn other_files_are_not_taken_for_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (key, _) = sealed_key(folder.path());
    let path = folder.path().join("other");
    for content in [
        Vec::new(),
        vec![0xFF; 300],
        public_key_pem(&key.public_key()).unwrap().into_bytes(),
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(
            SigningKey::open(&path, &passphrase()),
            Err(KeyError::NotAKeyFile { .. })
        ));
        assert!(matches!(
            MasterKeys::open(&path, "x", &passphrase()),
            Err(KeyError::NotAKeyFile { .. })
        ));
    }
    let missing = SigningKey::open(&folder.path().join("none"), &passphrase());
    assert!(matches!(missing, Err(KeyError::File { .. })));
}

#[test]
fn master_keys_come_back_only_for_their_purpose_and_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card-master");
    let keys = MasterKeys::generate().unwrap();
    keys.seal(&path, "card-master", &passphrase()).unwrap();
    let opened = MasterKeys::open(&path, "card-master", &passphrase()).unwrap();
    assert_eq!(opened.check_values().unwrap(), keys.check_values().unwrap());
    for (purpose, text) in [
        ("delivery 2026-11-A", PASSPHRASE),
        ("card-master", "not the passphrase"),
    ] {
        let result = MasterKeys::open(&path, purpose, &Passphrase::new(text.to_owned()));
        assert!(matches!(result, Err(KeyError::WrongPassphrase { .. })));
    }
}

#[test]
fn a_changed_byte_anywhere_in_a_master_key_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card-master");
    MasterKeys::generate()
        .unwrap()
        .seal(&path, "card-master", &passphrase())
        .unwrap();
    let sealed = std::fs::read(&path).unwrap();
    // Bytes 9..21 are the cost of the key derivation: left out, because a flipped bit may ask for a gigabyte.
    for position in (0..sealed.len())
        .filter(|position| !(9..21).contains(position))
        .step_by(7)
    {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(
            MasterKeys::open(&path, "card-master", &passphrase()).is_err(),
            "byte {position}"
        );
    }
    for length in [0, 8, 48, 49, 50, sealed.len() - 1] {
        std::fs::write(&path, &sealed[..length]).unwrap();
        assert!(
            MasterKeys::open(&path, "card-master", &passphrase()).is_err(),
            "length {length}"
        );
    }
}

#[test]
fn a_file_that_asks_for_too_much_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card-master");
    MasterKeys::generate()
        .unwrap()
        .seal(&path, "card-master", &passphrase())
        .unwrap();
    let mut sealed = std::fs::read(&path).unwrap();
    sealed[9..13].copy_from_slice(&u32::MAX.to_be_bytes());
    std::fs::write(&path, sealed).unwrap();
    let result = MasterKeys::open(&path, "card-master", &passphrase());
    assert!(matches!(result, Err(KeyError::NotAKeyFile { .. })));
}

#[test]
fn transport_keys_need_their_check_values() {
    let keys = [
        [0x11_u8, 0x22].repeat(8),
        [0x33_u8, 0x44].repeat(8),
        [0x55_u8, 0x66].repeat(8),
    ];
    let keys: [[u8; 16]; 3] = keys.map(|key| key.try_into().unwrap());
    let right = keys.each_ref().map(|key| (key, key_check_value(key)));
    assert!(MasterKeys::from_transport(right).is_ok());
    for (place, name) in ["enc", "mac", "dek"].into_iter().enumerate() {
        let mut wrong = right;
        wrong[place].1[2] ^= 1;
        let refused = MasterKeys::from_transport(wrong).err().unwrap();
        assert!(matches!(refused, KeyError::CheckValue { name: found } if found == name));
    }
}

#[test]
fn cards_get_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card-master");
    let keys = MasterKeys::generate().unwrap();
    keys.seal(&path, "card-master", &passphrase()).unwrap();
    let opened = MasterKeys::open(&path, "card-master", &passphrase()).unwrap();
    let check_value =
        |keys: &MasterKeys, serial| keys.card_keys(&[serial; 10]).unwrap().enc.key_check_value();
    assert_eq!(check_value(&opened, 1), check_value(&keys, 1));
    assert_ne!(check_value(&opened, 1), check_value(&opened, 2));
    assert_ne!(check_value(&opened, 1), opened.check_values().unwrap()[0]);
}

#[test]
fn keys_that_everybody_knows_are_refused() {
    let sample: [u8; 16] = std::array::from_fn(|index| 0x40 + index as u8);
    // Check value of the sample key, as GlobalPlatformPro prints it for AES-128.
    assert_eq!(key_check_value(&sample), [0x50, 0x4A, 0x77]);
    for bad in [sample, [0; 16], [0xFF; 16]] {
        let good: [u8; 16] = std::array::from_fn(|index| 0x80 + 3 * index as u8);
        let keys = [
            (&good, key_check_value(&good)),
            (&bad, key_check_value(&bad)),
            (&good, key_check_value(&good)),
        ];
        assert!(matches!(
            MasterKeys::from_transport(keys).err().unwrap(),
            KeyError::DefaultKey { name: "mac" }
        ));
    }
}

#[test]
fn roles_have_the_names_of_their_files() {
    assert_eq!(Role::ALL.map(Role::name), ["root", "issuer", "terminal-ca"]);
}
