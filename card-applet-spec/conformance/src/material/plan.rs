//! One person's card: what the issuer decides, the data groups and the CSO (SPEC 4, 5), and the load of STORE DATA (6.6).

use card_spec::crypto::PublicKey;

use super::{Certificate, Day, ISSUER, Material, ROOT, bcd, card_number, date, hash, period};
use crate::encoding::tlv;

/// Person and terms.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) number: Vec<u8>,
    pub(crate) person: [u8; 16],
    /// CSO version.
    pub(crate) version: u16,
    /// Holder checks allowed: bit 1 PIN, bit 2 photo document.
    pub(crate) methods: u8,
    pub(crate) tries: u8,
    pub(crate) orders_per_verify: u8,
    /// VND: one order, one month, one order while the PIN is blocked.
    pub(crate) caps: [u64; 3],
    pub(crate) from: Day,
    pub(crate) to: Day,
    /// Programme and status.
    pub(crate) programmes: Vec<([u8; 4], u8)>,
    pub(crate) portrait: Option<Vec<u8>>,
    pub(crate) pin: [u8; 6],
    /// Who signs the CSO.
    pub(crate) issuer: &'static str,
}

impl Plan {
    /// What most cases use: every method, PIN with 3 tries, caps that no other case reaches.
    pub(crate) fn standard() -> Self {
        Self {
            number: card_number(790_000_000_000_001),
            person: [0xBE; 16],
            version: 1,
            methods: 3,
            tries: 3,
            orders_per_verify: 5,
            caps: [5_000_000, 400_000_000, 300_000],
            from: (2026, 11, 1),
            to: (2036, 10, 31),
            programmes: vec![(*b"BTXH", 1), (*b"HTXH", 0), (*b"DXUA", 1)],
            portrait: None,
            pin: *b"271828",
            issuer: ISSUER,
        }
    }

    fn holder(&self) -> Vec<u8> {
        let members = [
            tlv(0x80, &[0x11; 16]),
            tlv(0x5F20, "Nguyễn Thị Huỳnh Như".as_bytes()),
            tlv(0x5F2B, &bcd("19410000")),
            tlv(0x5F35, b"2"),
            tlv(0x81, b"079141000001"),
            tlv(0x82, b"7900000001"),
            tlv(0x83, b"79"),
            tlv(0x84, b"26734"),
        ];
        tlv(0xFF31, &members.concat())
    }

    fn programmes(&self) -> Vec<u8> {
        let entry = |(programme, status): &([u8; 4], u8)| {
            let members = [
                tlv(0x80, programme),
                tlv(0x81, &period((2026, 11))),
                tlv(0x83, &[*status]),
            ];
            tlv(0xA1, &members.concat())
        };
        let entries: Vec<u8> = self.programmes.iter().flat_map(entry).collect();
        tlv(0xFF33, &[tlv(0x80, &[0x33; 16]), entries].concat())
    }

    fn linked_numbers() -> Vec<u8> {
        tlv(
            0xFF34,
            &[tlv(0x80, &[0x44; 16]), tlv(0x81, b"7900000001")].concat(),
        )
    }

    /// One whose authorization lasts, one whose authorization has ended.
    fn representatives() -> Vec<u8> {
        let entry = |name: &str, to: Day| {
            let members = [
                tlv(0x5F20, name.as_bytes()),
                tlv(0x80, b"079070000002"),
                tlv(0x81, b"02"),
                tlv(0x5F24, &date(to)),
            ];
            tlv(0xA1, &members.concat())
        };
        let members = [
            tlv(0x80, &[0x55; 16]),
            entry("Trần Văn Đức", (2030, 12, 31)),
            entry("Lê Thị Hoa", (2026, 11, 21)),
        ];
        tlv(0xFF35, &members.concat())
    }

    fn issuance() -> Vec<u8> {
        let members = [
            tlv(0x80, &[0x66; 16]),
            tlv(0x81, b"UBND TP HO CHI MINH"),
            tlv(0x82, &date((2026, 11, 1))),
            tlv(0x83, b"BD-700000"),
        ];
        tlv(0xFF36, &members.concat())
    }
}

/// Everything that STORE DATA loads, object by object.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) anchor: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) cso: Vec<u8>,
    pub(crate) holder: Vec<u8>,
    pub(crate) portrait: Option<Vec<u8>>,
    pub(crate) programmes: Vec<u8>,
    pub(crate) linked_numbers: Vec<u8>,
    pub(crate) representatives: Vec<u8>,
    pub(crate) issuance: Vec<u8>,
}

impl Objects {
    /// In the order of SPEC 6.6.
    pub(crate) fn in_order(&self) -> Vec<Vec<u8>> {
        let mut objects = vec![
            self.anchor.clone(),
            self.issuer.clone(),
            self.cso.clone(),
            self.holder.clone(),
        ];
        objects.extend(self.portrait.clone());
        objects.extend([
            self.programmes.clone(),
            self.linked_numbers.clone(),
            self.representatives.clone(),
            self.issuance.clone(),
        ]);
        objects
    }

    pub(crate) fn concatenated(&self) -> Vec<u8> {
        self.in_order().concat()
    }

    /// `A9` (SPEC 4.1).
    pub(crate) fn digests(&self) -> Vec<u8> {
        let mut members = vec![tlv(0x80, &hash(&self.anchor)), tlv(0x81, &hash(&self.holder))];
        members.extend(self.portrait.iter().map(|portrait| tlv(0x82, &hash(portrait))));
        members.extend([
            tlv(0x83, &hash(&self.programmes)),
            tlv(0x84, &hash(&self.linked_numbers)),
            tlv(0x85, &hash(&self.representatives)),
            tlv(0x86, &hash(&self.issuance)),
        ]);
        tlv(0xA9, &members.concat())
    }
}

/// The public keys that a card reports (SPEC 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CardKeys {
    pub(crate) agreement: PublicKey,
    pub(crate) signing: PublicKey,
}

impl Material {
    /// The objects of a card, the CSO signed.
    pub(crate) fn objects(&self, plan: &Plan, keys: &CardKeys) -> Objects {
        let mut objects = Objects {
            anchor: self.trust_anchor(ROOT),
            issuer: self.certify(&Certificate {
                holder: plan.issuer,
                ..Certificate::issuer()
            }),
            cso: Vec::new(),
            holder: plan.holder(),
            portrait: plan
                .portrait
                .as_ref()
                .map(|image| tlv(0xFF32, &[tlv(0x80, &[0x22; 16]), tlv(0x5F40, image)].concat())),
            programmes: plan.programmes(),
            linked_numbers: Plan::linked_numbers(),
            representatives: Plan::representatives(),
            issuance: Plan::issuance(),
        };
        self.sign_cso(plan, keys, &mut objects);
        objects
    }

    /// Signs a CSO over the objects as they are now.
    pub(crate) fn sign_cso(&self, plan: &Plan, keys: &CardKeys, objects: &mut Objects) {
        let body = tlv(0xFF21, &self.cso_members(plan, keys, objects).concat());
        objects.cso = self.signed(&body, plan.issuer);
    }

    /// The members of the CSO's body (SPEC 4.1).
    pub(crate) fn cso_members(&self, plan: &Plan, keys: &CardKeys, objects: &Objects) -> Vec<Vec<u8>> {
        let caps: Vec<u8> = plan.caps.iter().flat_map(|cap| cap.to_be_bytes()).collect();
        vec![
            tlv(0x80, &[0x01]),
            tlv(0x81, &[0x01]),
            tlv(0x42, plan.issuer.as_bytes()),
            tlv(0x5A, &plan.number),
            tlv(0x82, &plan.version.to_be_bytes()),
            tlv(0x5F25, &date(plan.from)),
            tlv(0x5F24, &date(plan.to)),
            tlv(0x83, keys.agreement.as_bytes()),
            tlv(0x84, keys.signing.as_bytes()),
            tlv(0x85, &plan.person),
            tlv(0x86, &[plan.methods, plan.tries, plan.orders_per_verify]),
            tlv(0x87, &caps),
            objects.digests(),
            tlv(0x8A, &u64::from(plan.version).to_be_bytes()),
            tlv(0x8B, &[0x8B; 32]),
        ]
    }
}
