//! What a station does in a ceremony: it makes keys, asks for certificates and takes them in.
//!
//! A key that waits for its certificate is written down in `requests/<CHR>.json` before it is made, so that a crash at any
//! moment leaves a station that works as before, and the same command goes on where it ended.

use std::path::{Path, PathBuf};

use ansinh_keys::{KeyError, Passphrase, Role, SigningKey, Token, TokenPin, public_key_pem};
use ansinh_payout::{TERMINAL_ISSUERS, issuer_certificates};
use ansinh_store::Store;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use card_spec::certificate::{Certificate, CertificateKey, Certified, Reference, Request};
use card_spec::crypto::{Digest, PortableP256, Sign as _};
use card_spec::signed::{SignError, Signed, sign};
use card_spec::values::Constant;
use jiff::civil;
use serde::{Deserialize, Serialize};

use super::authority::{date, holder_role, role_of};
use super::root::{parse, prove, read};
use crate::home::{Home, Station, create_whole, replace};
use crate::keyring::{KeyPlace, TokenObject};

/// Builds a station beside its place and moves it there when it is complete: a crash leaves no half station.
///
/// # Errors
/// If the folder is not new or empty, or whatever `fill` reports.
pub fn set_up<T>(
    folder: &Path,
    station: &Station,
    fill: impl FnOnce(&Home, &Store) -> Result<T>,
) -> Result<T> {
    create_whole(folder, |draft| {
        let home = Home::new(draft);
        for name in ["keys", "keys/deliveries", "certificates", "requests"] {
            std::fs::create_dir(draft.join(name))?;
        }
        home.save_station(station)?;
        let store = Store::create(&home.store_file())?;
        fill(&home, &store)
    })
}

/// Takes a root's certificate into a new station. People compare its fingerprint with the root's before.
///
/// # Errors
/// If it is no self-signed root certificate.
pub fn take_root(home: &Home, store: &Store, encoding: &[u8]) -> Result<()> {
    trust(encoding)?;
    keep_certificate(home, store, Role::Root, encoding)
}

/// A root's certificate, taken on the word of the caller.
///
/// # Errors
/// If it is no self-signed root certificate.
pub fn trust(encoding: &[u8]) -> Result<Certified> {
    let certificate = parse(encoding)?;
    let key = certificate.claimed().public_key.key;
    Certified::trust_root(&PortableP256, &certificate, &key).context("not a root's certificate")
}

/// SHA-256 of a certificate's body.
///
/// # Errors
/// If it is no certificate.
pub fn fingerprint(encoding: &[u8]) -> Result<Digest> {
    parse(encoding).map(|certificate| certificate.hash())
}

/// Where a new key is to live.
pub enum Wanted {
    /// In a sealed file.
    Sealed,
    /// In a token.
    Token(WantedToken),
}

/// A token for a new key, with its PIN, which is sealed beside the other keys.
pub struct WantedToken {
    /// The token's PKCS#11 library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the new key; default: its name.
    pub object: Option<String>,
    /// The token's PIN.
    pub pin: TokenPin,
}

impl Wanted {
    /// The place of a key of this name.
    pub fn place(&self, name: &str) -> KeyPlace {
        match self {
            Self::Sealed => KeyPlace::Sealed(format!("keys/{name}.key").into()),
            Self::Token(wanted) => KeyPlace::Pkcs11(TokenObject {
                module: wanted.module.clone(),
                token: wanted.token.clone(),
                object: wanted.object.clone().unwrap_or_else(|| name.to_owned()),
                pin: format!("keys/{name}.pin").into(),
            }),
        }
    }

    /// Seals the PIN that goes with the place, if there is one.
    ///
    /// # Errors
    /// Of [`TokenPin::seal`].
    pub fn seal_pin(&self, home: &Home, place: &KeyPlace, passphrase: &Passphrase) -> Result<()> {
        match (self, place) {
            (Self::Token(wanted), KeyPlace::Pkcs11(place)) => {
                seal_pin(&home.in_folder(&place.pin), &wanted.pin, passphrase)
            }
            _ => Ok(()),
        }
    }
}

/// Whether a key is the first of its role or follows another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The first.
    First,
    /// A new key with cards in the field.
    Rekey,
}

/// A key that waits for its certificate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    key: KeyPlace,
}

/// A request as it goes to the root.
pub struct MadeRequest {
    /// The name asked for.
    pub holder: Reference,
    /// The request.
    pub encoding: Vec<u8>,
    /// SHA-256 of its body, to be read aloud at the root.
    pub fingerprint: Digest,
}

/// Makes a key and a request for its certificate; while that waits, the same request again, for the same key.
///
/// # Errors
/// If the role has a certificate already ([`Occasion::First`]) or none yet ([`Occasion::Rekey`]); if a key waits elsewhere; if
/// the passphrase is not that of the station's other keys; if the key cannot be made.
pub fn request(
    home: &Home,
    role: Role,
    occasion: Occasion,
    wanted: &Wanted,
    passphrase: &Passphrase,
) -> Result<MadeRequest> {
    // A key under another passphrase than the others could not be opened together with them.
    home.card_master_keys(passphrase)?;
    let holder = name_to_ask_for(home, role, occasion)?;
    let folder = home.in_folder(Path::new("requests"));
    std::fs::create_dir_all(&folder)?;
    let record = waiting_file(home, &holder);
    let place = wanted.place(holder.as_str());
    let key = if record.exists() {
        let waiting = read_waiting(&record)?.key;
        ensure!(
            waiting == place,
            "a key for {holder} waits already: {waiting}. Nothing was made. Ask for the same place, or delete {} to begin anew",
            record.display()
        );
        wanted.seal_pin(home, &place, passphrase)?;
        open_or_make(home, &place, passphrase)?
    } else {
        replace(
            &record,
            &serde_json::to_vec_pretty(&Waiting { key: place.clone() })?,
        )?;
        wanted.seal_pin(home, &place, passphrase)?;
        home.make_signing_key(&place, passphrase)?
    };
    let encoding = signed_request(&key, holder)?;
    replace(&record.with_extension("request"), &encoding)?;
    let fingerprint = prove(&encoding)?.hash();
    Ok(MadeRequest {
        holder,
        encoding,
        fingerprint,
    })
}

fn name_to_ask_for(home: &Home, role: Role, occasion: Occasion) -> Result<Reference> {
    ensure!(
        role != Role::Root,
        "a root asks nobody for a certificate: ansinh ceremony root"
    );
    let present = home.station()?.reference(role)?;
    let has_certificate = home.certificate_file(present.as_str()).exists();
    match occasion {
        Occasion::First if has_certificate => {
            bail!("{present} has its certificate already. For a new key: ansinh ceremony rekey")
        }
        Occasion::First => Ok(present),
        Occasion::Rekey if !has_certificate => {
            bail!("{present} has no certificate yet. For its first key: ansinh ceremony request")
        }
        Occasion::Rekey => successor(&present),
    }
}

/// The same holder's next name: its sequence number plus one (SPEC 3.1).
fn successor(present: &Reference) -> Result<Reference> {
    let next = format!(
        "VN{}{:05}",
        present.mnemonic(),
        present.sequence().saturating_add(1)
    );
    Reference::new(&next).with_context(|| format!("{present} was the last of 99,999 names"))
}

fn signed_request(key: &SigningKey, holder: Reference) -> Result<Vec<u8>> {
    let body = Request {
        profile: Constant,
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: false,
        },
        holder,
    };
    let mut buffer = [0; 512];
    match sign(&body, key, &mut buffer) {
        Ok(encoding) => Ok(encoding.to_vec()),
        Err(SignError::Key(error)) => Err(error.into()),
        Err(SignError::Encoding(error)) => Err(anyhow!("a request cannot be encoded: {error}")),
    }
}

/// The key that an earlier run made, or a new one if it did not come so far.
fn open_or_make(home: &Home, place: &KeyPlace, passphrase: &Passphrase) -> Result<SigningKey> {
    let error = match home.open_signing_key(place, passphrase) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    match error.downcast_ref() {
        Some(KeyError::ObjectMissing { .. }) => home.make_signing_key(place, passphrase),
        Some(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            home.make_signing_key(place, passphrase)
        }
        _ => Err(error),
    }
}

/// A certificate that was taken in.
pub struct Accepted {
    /// Its role.
    pub role: Role,
    /// Its holder.
    pub holder: Reference,
    /// The holder before, whose cards stay valid.
    pub before: Option<Reference>,
}

/// Takes in the certificate for a key that waits for it. From then on the station signs with that key. The same certificate
/// again changes nothing.
///
/// # Errors
/// If nobody waits for it; if it does not verify under the station's root today, has another role than its name says, or
/// another key than the one that waits; if cards are unfinished under the issuer before; if it begins while as many keys of the
/// issuer are valid as a terminal holds. Then everything is as before.
pub fn accept(
    home: &Home,
    store: &Store,
    encoding: &[u8],
    passphrase: &Passphrase,
    today: civil::Date,
) -> Result<Accepted> {
    let mut station = home.station()?;
    let (role, certified) = verify(home, &station, encoding, today)?;
    let holder = certified.holder();
    let present = station.reference(role)?;
    let record = waiting_file(home, &holder);
    if !record.exists() {
        let known = home.certificate_file(holder.as_str());
        ensure!(
            known.exists() && read(&known)? == encoding,
            "no key of this station waits for a certificate of {holder}. Nothing was changed"
        );
        return Ok(Accepted {
            role,
            holder,
            before: None,
        });
    }
    let waiting = read_waiting(&record)?;
    let key = home.open_signing_key(&waiting.key, passphrase)?;
    ensure!(
        key.public_key() == *certified.key(),
        "the certificate of {holder} is for another key than {}. Nothing was changed: ask the root to sign this station's request",
        waiting.key
    );
    let before = (present != holder).then_some(present);
    if role == Role::Issuer && before.is_some() {
        demand_finished_cards(store)?;
        demand_room_at_terminals(store, &certified)?;
    }
    keep_certificate(home, store, role, encoding)?;
    match role {
        Role::TerminalCa => station.terminal_ca = holder.as_str().to_owned(),
        Role::Issuer => station.issuer = holder.as_str().to_owned(),
        Role::Root => bail!("a root is taken only into a new station"),
    }
    *station.keys.signing_mut(role) = waiting.key;
    home.save_station(&station)?;
    std::fs::remove_file(&record).with_context(|| record.display().to_string())?;
    Ok(Accepted { role, holder, before })
}

fn verify(home: &Home, station: &Station, encoding: &[u8], today: civil::Date) -> Result<(Role, Certified)> {
    let certificate = parse(encoding)?;
    let root = trust(&home.certificate(&station.reference(Role::Root)?)?)?;
    let certified = root.certify(&PortableP256, &certificate).with_context(|| {
        format!(
            "the certificate of {} does not verify under this station's root {}; nothing was changed",
            certificate.claimed().holder,
            root.holder()
        )
    })?;
    certified.valid_on(date(today)?)?;
    let holder = certified.holder();
    let role = role_of(&holder).with_context(|| format!("{holder}: no name of a station's key"))?;
    certified.require_role(holder_role(role))?;
    Ok((role, certified))
}

/// A card whose CSO the issuer before has signed can be finished only under that issuer.
fn demand_finished_cards(store: &Store) -> Result<()> {
    let unfinished = store.unfinished_cards()?;
    ensure!(
        unfinished == 0,
        "{unfinished} card(s) were begun under the issuer's present key. Nothing was changed: finish them in a reader, or give \
         them up with `ansinh issue --give-up`, then accept the certificate"
    );
    Ok(())
}

/// A terminal takes the newest key only if it has room for it, and only the newest key speaks to it (DATA 8.5): a terminal without
/// room would be lost. Whether an older certificate has ended it learns from the day on which the new one begins.
fn demand_room_at_terminals(store: &Store, new: &Certified) -> Result<()> {
    let mut valid = Vec::new();
    for encoding in issuer_certificates(store, new.holder(), new.effective())? {
        let body = *parse(&encoding)?.claimed();
        // Its own is there if the power went while it was taken in.
        if body.holder != new.holder() {
            valid.push((body.expiry, body.holder));
        }
    }
    let Some((last_day, first)) = valid.iter().min().filter(|_| valid.len() >= TERMINAL_ISSUERS) else {
        return Ok(());
    };
    bail!(
        "{holder} begins on {}, while {TERMINAL_ISSUERS} keys of the issuer before it are valid. A terminal holds no more: it would \
         take no list, no time and no acknowledgement any more. Nothing was changed, the present key works on. After {last_day}, \
         the last day of {first}: take {holder}.cvc out of the root's folder `issued`, have the root sign the same request again, \
         and accept that certificate",
        new.effective(),
        holder = new.holder(),
    );
}

/// Seals another PIN for the token of a key, after a login with it: a token's PIN was changed with the token's own tool.
///
/// # Errors
/// If the key lives in no token; if the passphrase does not open the PIN before; if the token refuses the new one, which is
/// then not kept.
pub fn change_pin(home: &Home, place: &KeyPlace, pin: &TokenPin, passphrase: &Passphrase) -> Result<()> {
    let KeyPlace::Pkcs11(place) = place else {
        bail!("{place}: this key lives in no token and has no PIN");
    };
    TokenPin::open(&home.in_folder(&place.pin), passphrase)?;
    Token::login(&place.module, &place.token, pin)?;
    seal_pin(&home.in_folder(&place.pin), pin, passphrase)
}

fn seal_pin(path: &Path, pin: &TokenPin, passphrase: &Passphrase) -> Result<()> {
    let fresh = path.with_extension("pin.new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    pin.seal(&fresh, passphrase)?;
    std::fs::rename(&fresh, path).with_context(|| path.display().to_string())
}

/// Puts a certificate, checked by the caller, where a station keeps it: folder, ledger, and its key in PEM.
///
/// # Errors
/// Of the file system and the ledger; if another certificate has the name.
pub fn keep_certificate(home: &Home, store: &Store, role: Role, encoding: &[u8]) -> Result<()> {
    let certificate: Signed<'_, Certificate> = parse(encoding)?;
    let body = certificate.claimed();
    store.add_certificate(body.holder.as_str(), body.authority.as_str(), encoding)?;
    replace(&home.certificate_file(body.holder.as_str()), encoding)?;
    replace(
        &home.public_key_file(role),
        public_key_pem(&body.public_key.key)?.as_bytes(),
    )
}

fn waiting_file(home: &Home, holder: &Reference) -> PathBuf {
    home.in_folder(Path::new("requests"))
        .join(format!("{holder}.json"))
}

fn read_waiting(path: &Path) -> Result<Waiting> {
    serde_json::from_slice(&read(path)?)
        .with_context(|| format!("{}: not readable; delete it and ask anew", path.display()))
}
