//! The issuing side: certificates, the objects of a card, and a personalization that goes on wherever it stopped.

use card_spec::certificate::{
    Authorization, Certificate, CertificateKey, Flags, Reference, Role, TrustAnchor,
};
use card_spec::command::{CardStatus, GenerateData, GeneratedKeys, KeyPossession, LifeCycle};
use card_spec::crypto::{Agree as _, PortableP256, PublicKey, SecretKey, Verify as _, sha256};
use card_spec::cso::{Caps, CardSecurityObject, GroupDigests, HolderCheckPolicy};
use card_spec::groups::{
    Holder, Image, Issuance, LinkedNumbers, PORTRAIT, Portrait, ProgrammeEntry, ProgrammeStatus, Programmes,
    Representative, Representatives, Sex,
};
use card_spec::scp03::{
    AesKey, HostHandshake, InitializeUpdateResponse, StaticKeys, encode_put_key, put_key_response,
};
use card_spec::signed::{Body, encode_body, sign};
use card_spec::tlv::{Field, Reader, Writer};
use card_spec::values::{Amount, Ascii, BirthDate, CardNumber, Date, Digits, Period, Programme, Text};

use super::{Card, Failure, Outcome, SELECT, SecureHost, TestRandom, blank_card, date, plain};

pub fn secret(seed: u64) -> SecretKey {
    SecretKey::generate(&mut TestRandom(seed << 32))
}

pub fn issuer_keys(version: u8) -> StaticKeys {
    StaticKeys::new([version; 16], [version ^ 0x55; 16], [version ^ 0x77; 16])
}

pub fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

/// What a certificate is to say.
#[derive(Clone)]
pub struct CertificatePlan {
    pub authority: &'static str,
    pub holder: &'static str,
    pub role: Role,
    pub flags: Flags,
    pub dates: (Date, Date),
}

impl CertificatePlan {
    pub fn sign(&self, signer: &SecretKey, key: PublicKey) -> Vec<u8> {
        let body = Certificate {
            profile: Default::default(),
            authority: reference(self.authority),
            public_key: CertificateKey {
                key,
                with_domain_parameters: self.role == Role::Root,
            },
            holder: reference(self.holder),
            authorization: Authorization {
                role: self.role,
                flags: self.flags,
            },
            effective: self.dates.0,
            expiry: self.dates.1,
        };
        signed(&body, signer)
    }
}

pub fn signed<'a, B: Body<'a>>(body: &B, signer: &SecretKey) -> Vec<u8> {
    let mut buffer = [0; 1024];
    sign(body, signer, &mut buffer).unwrap().to_vec()
}

pub fn encoded<'a>(object: &impl Field<'a>, tag: u16) -> Vec<u8> {
    let mut buffer = [0; Portrait::MAXIMUM_LENGTH];
    let mut writer = Writer::new(&mut buffer);
    object.write(&mut writer, tag).unwrap();
    writer.finish().to_vec()
}

pub const ROOT: &str = "VNROOT00001";
pub const ISSUER: &str = "VNISS7900001";
pub const TERMINAL_CA: &str = "VNTCA00001";

/// The keys that everything hangs on.
pub struct Office {
    pub root: SecretKey,
    pub issuer: SecretKey,
    pub terminal_ca: SecretKey,
}

impl Office {
    pub fn new() -> Self {
        Self {
            root: secret(1),
            issuer: secret(2),
            terminal_ca: secret(3),
        }
    }

    pub fn trust_anchor(&self) -> TrustAnchor {
        TrustAnchor {
            reference: reference(ROOT),
            key: self.root.public_key(),
            effective: date(2026, 1, 1),
            expiry: date(2056, 12, 31),
            authorization: card_spec::certificate::AuthorizationBits(Authorization {
                role: Role::Root,
                flags: Flags::Test,
            }),
        }
    }

    pub fn issuer_plan(&self) -> CertificatePlan {
        CertificatePlan {
            authority: ROOT,
            holder: ISSUER,
            role: Role::Issuer,
            flags: Flags::Test,
            dates: (date(2026, 1, 1), date(2046, 12, 31)),
        }
    }

    pub fn terminal_ca_plan(&self) -> CertificatePlan {
        CertificatePlan {
            holder: TERMINAL_CA,
            role: Role::TerminalAuthority,
            dates: (date(2026, 1, 1), date(2031, 12, 31)),
            ..self.issuer_plan()
        }
    }

    pub fn terminal_plan(&self) -> CertificatePlan {
        CertificatePlan {
            authority: TERMINAL_CA,
            holder: "VNT0000001A00001",
            role: Role::TerminalAgreement,
            flags: Flags::Test,
            dates: (date(2026, 11, 15), date(2026, 12, 19)),
        }
    }
}

/// The person and what the issuer allows.
#[derive(Clone)]
pub struct Plan {
    pub number: CardNumber,
    pub person: [u8; 16],
    pub policy: HolderCheckPolicy,
    pub caps: Caps,
    pub dates: (Date, Date),
    pub programmes: Vec<(Programme, ProgrammeStatus)>,
    pub portrait: Option<Vec<u8>>,
    pub pin: [u8; 6],
}

pub fn programme(code: &[u8; 4]) -> Programme {
    Programme::from_bytes(*code).unwrap()
}

pub fn plan() -> Plan {
    Plan {
        number: CardNumber::new(79, 1).unwrap(),
        person: [0xBE; 16],
        policy: HolderCheckPolicy {
            methods: 3,
            pin_tries: 3,
            orders_per_verify: 5,
        },
        caps: Caps {
            order: Amount::new(5_000_000).unwrap(),
            month: Amount::new(12_000_000).unwrap(),
            order_without_pin: Amount::new(1_000_000).unwrap(),
        },
        dates: (date(2026, 11, 1), date(2036, 10, 31)),
        programmes: vec![
            (programme(b"BTXH"), ProgrammeStatus::Active),
            (programme(b"HTXH"), ProgrammeStatus::Ended),
            (Programme::SUDDEN_RELIEF, ProgrammeStatus::Active),
        ],
        portrait: None,
        pin: *b"271828",
    }
}

/// Everything that STORE DATA loads, object by object.
#[derive(Clone)]
pub struct Objects {
    pub anchor: Vec<u8>,
    pub issuer: Vec<u8>,
    pub cso: Vec<u8>,
    /// `FF31`, `FF32` if there is a portrait, `FF33`, `FF34`, `FF35`, `FF36`.
    pub groups: Vec<Vec<u8>>,
}

impl Objects {
    pub fn concatenated(&self) -> Vec<u8> {
        let head = [&self.anchor, &self.issuer, &self.cso];
        head.into_iter().chain(&self.groups).flatten().copied().collect()
    }

    /// What the CSO has to say of them.
    pub fn digests(&self) -> GroupDigests {
        digests(&self.anchor, &self.groups)
    }
}

pub fn groups(plan: &Plan) -> Vec<Vec<u8>> {
    let entry = |&(programme, status)| ProgrammeEntry {
        programme,
        from: Period::new(2026, 11).unwrap(),
        to: None,
        status,
    };
    let holder = Holder {
        salt: [1; 16],
        name: Text::new("Nguyễn Thị Huỳnh Như").unwrap(),
        birth_date: BirthDate::new(1941, 0, 0).unwrap(),
        sex: Sex::Female,
        personal_id: Ascii::new("079141000001").unwrap(),
        social_security_number: Ascii::new("7900000001").unwrap(),
        province: Digits::from_bytes(*b"79").unwrap(),
        commune: Digits::from_bytes(*b"26734").unwrap(),
    };
    let programmes = Programmes {
        salt: [3; 16],
        entries: plan.programmes.iter().map(entry).collect(),
    };
    let linked = LinkedNumbers {
        salt: [4; 16],
        social_insurance: Ascii::new("7900000001"),
        health_insurance: None,
        tax: None,
    };
    let representative = Representative {
        name: Text::new("Trần Văn Đức").unwrap(),
        personal_id: Ascii::new("079070000002").unwrap(),
        relation: Digits::from_bytes(*b"02").unwrap(),
        expiry: date(2030, 12, 31),
        document: None,
    };
    let representatives = Representatives {
        salt: [5; 16],
        entries: [representative].into_iter().collect(),
    };
    let issuance = Issuance {
        salt: [6; 16],
        agency: Ascii::new("UBND TP HO CHI MINH").unwrap(),
        issued: date(2026, 11, 1),
        home_pay_point: Ascii::new("BD-700000"),
    };
    let portrait = plan.portrait.as_ref().map(|image| Portrait {
        salt: [2; 16],
        image: Image::new(image).unwrap(),
    });
    [
        Some(encoded(&holder, 0xFF31)),
        portrait.map(|portrait| encoded(&portrait, PORTRAIT)),
        Some(encoded(&programmes, 0xFF33)),
        Some(encoded(&linked, 0xFF34)),
        Some(encoded(&representatives, 0xFF35)),
        Some(encoded(&issuance, 0xFF36)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Digests of the trust anchor and of the groups, each by its tag.
fn digests(anchor: &[u8], groups: &[Vec<u8>]) -> GroupDigests {
    let group = |tag: u16| {
        let found = groups.iter().find(|group| group.starts_with(&tag.to_be_bytes()));
        found.map(|group| sha256(&[group]))
    };
    GroupDigests {
        trust_anchor: sha256(&[anchor]),
        holder: group(0xFF31).unwrap(),
        portrait: group(PORTRAIT),
        programmes: group(0xFF33).unwrap(),
        linked_numbers: group(0xFF34).unwrap(),
        representatives: group(0xFF35).unwrap(),
        issuance: group(0xFF36).unwrap(),
    }
}

pub fn cso(plan: &Plan, digests: GroupDigests, keys: &GeneratedKeys) -> CardSecurityObject {
    CardSecurityObject {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        card_number: plan.number,
        version: 1,
        effective: plan.dates.0,
        expiry: plan.dates.1,
        agreement_key: keys.agreement_key,
        signing_key: keys.signing_key,
        person: plan.person,
        policy: plan.policy,
        caps: plan.caps,
        digests,
        issuer_sequence: 1,
        issuer_previous: [0; 32],
    }
}

pub fn objects(office: &Office, plan: &Plan, keys: &GeneratedKeys) -> Objects {
    let groups = groups(plan);
    let anchor = encoded(&office.trust_anchor(), TrustAnchor::TAG);
    let digests = digests(&anchor, &groups);
    Objects {
        anchor,
        issuer: office
            .issuer_plan()
            .sign(&office.root, office.issuer.public_key()),
        cso: signed(&cso(plan, digests, keys), &office.issuer),
        groups,
    }
}

/// An SCP03 session.
pub struct IssuerHost {
    pub secure: SecureHost,
    pub keys: StaticKeys,
    pub key_version: u8,
}

impl IssuerHost {
    /// Selects, finds out which keys the card has, and authenticates.
    pub fn open(card: &mut Card) -> Outcome<Self> {
        plain(card, &SELECT)?;
        let handshake = HostHandshake::new([7; 8]);
        let response = plain(card, &handshake.initialize_update(0))?;
        let response = InitializeUpdateResponse::parse(&response).map_err(|_| Failure::NotGenuine)?;
        let keys = match response.key_version {
            1 => super::transport_keys(),
            version => issuer_keys(version),
        };
        let (channel, apdu) = handshake
            .card_response(&keys, &response)
            .map_err(|_| Failure::NotGenuine)?;
        plain(card, &apdu)?;
        Ok(Self {
            secure: SecureHost { channel },
            keys,
            key_version: response.key_version,
        })
    }

    pub fn card_status(&mut self, card: &mut Card) -> Outcome<CardStatus> {
        let data = self.secure.done(card, [0x80, 0xCA, 0xFF, 0x3F], &[])?;
        CardStatus::read(&mut Reader::new(&data), CardStatus::TAG).map_err(|_| Failure::NotGenuine)
    }

    pub fn put_key(&mut self, card: &mut Card) -> Outcome<()> {
        let version = self.key_version + 1;
        let new = issuer_keys(version);
        let data = encode_put_key(version, &new, &self.keys.dek).unwrap();
        let answer = self.secure.done(card, [0x80, 0xD8, 0x00, 0x81], &data)?;
        assert_eq!(answer, put_key_response(version, &new));
        (self.keys, self.key_version) = (new, version);
        Ok(())
    }

    /// Generates (`p1` 0) or proves (1) the key pairs, and checks both proofs.
    pub fn key_pairs(&mut self, card: &mut Card, p1: u8, number: CardNumber) -> Outcome<GeneratedKeys> {
        let ephemeral = secret(99);
        let request = GenerateData {
            card_number: number,
            nonce: [0x4E; 16],
            ephemeral: ephemeral.public_key(),
        };
        let mut buffer = [0; 256];
        let data = request.encode(&mut buffer).unwrap();
        let answer = self.secure.done(card, [0x80, 0x47, p1, 0x00], data)?;
        let keys = GeneratedKeys::parse(&answer).map_err(|_| Failure::NotGenuine)?;
        let possession = KeyPossession {
            suite: Default::default(),
            card_number: number,
            nonce: request.nonce,
            agreement_key: keys.agreement_key,
            signing_key: keys.signing_key,
        };
        let mut buffer = [0; 256];
        let body = encode_body(&possession, &mut buffer).unwrap();
        PortableP256
            .verify(&keys.signing_key, body, &keys.signature)
            .map_err(|_| Failure::NotGenuine)?;
        let key = sha256(&[ephemeral.agree(&keys.agreement_key).as_bytes(), &[0, 0, 0, 1]]);
        let confirmation = AesKey::from_bytes(&key[..16]).unwrap().cmac(&[body]);
        assert_eq!(confirmation, keys.confirmation);
        Ok(keys)
    }

    /// STORE DATA in blocks of `size` bytes.
    pub fn store(&mut self, card: &mut Card, data: &[u8], size: usize) -> Outcome<()> {
        let blocks: Vec<&[u8]> = data.chunks(size).collect();
        for (number, block) in blocks.iter().enumerate() {
            let p1 = if number + 1 == blocks.len() { 0x80 } else { 0x00 };
            self.secure.done(card, [0x80, 0xE2, p1, number as u8], block)?;
        }
        Ok(())
    }

    pub fn set_pin(&mut self, card: &mut Card, pin: &[u8]) -> Outcome<()> {
        self.secure.done(card, [0x80, 0x24, 0x01, 0x81], pin).map(drop)
    }

    pub fn activate(&mut self, card: &mut Card) -> Outcome<()> {
        self.secure.done(card, [0x80, 0x44, 0x00, 0x00], &[]).map(drop)
    }
}

/// Brings a card in any state of personalization to active.
pub fn personalize(card: &mut Card, office: &Office, plan: &Plan) -> Outcome<()> {
    let mut host = IssuerHost::open(card)?;
    let status = host.card_status(card)?;
    if status.life_cycle == LifeCycle::Active {
        return Ok(());
    }
    if status.life_cycle == LifeCycle::Blank {
        host.put_key(card)?;
    }
    let present = status.flags & CardStatus::KEYS_PRESENT != 0;
    let keys = host.key_pairs(card, u8::from(present), plan.number)?;
    if status.flags & CardStatus::DATA_LOADED == 0 {
        host.store(card, &objects(office, plan, &keys).concatenated(), 223)?;
    }
    if status.flags & CardStatus::PIN_SET == 0 {
        host.set_pin(card, &plan.pin)?;
    }
    host.activate(card)
}

/// A card that is ready to pay.
pub fn active_card(office: &Office, plan: &Plan) -> Card {
    let mut card = super::blank_card();
    personalize(&mut card, office, plan).unwrap();
    card
}

/// A card with issuer keys and key pairs, and the session that made them.
pub fn card_with_keys() -> (Card, IssuerHost, GeneratedKeys) {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    host.put_key(&mut card).unwrap();
    let keys = host.key_pairs(&mut card, 0, plan().number).unwrap();
    (card, host, keys)
}
