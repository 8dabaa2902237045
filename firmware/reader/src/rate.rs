//! How fast a card can be spoken to.

/// Section 7.3.7: `BRit` and `BRti` of `InPSL`, the chip's highest rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Rate {
    /// 212 kbit/s.
    Double = 0x01,
    /// 424 kbit/s.
    Fourfold = 0x02,
}

/// ISO/IEC 14443-4, 5.2.3: format byte T0, TA1 follows.
const T0_TA1: u8 = 0x10;
/// ISO/IEC 14443-4, 5.2.4: a card whose TA1 has this bit set has no other rate than 106 kbit/s.
const TA1_RESERVED: u8 = 0x08;

impl Rate {
    /// The highest rate that card and chip have in both directions, from what follows SEL_RES in the answer to
    /// `InListPassiveTarget` (section 7.3.5): the length of NFCID1, NFCID1, ATS. None: 106 kbit/s only.
    pub(crate) fn after_sel_res(rest: &[u8]) -> Option<Self> {
        let (&length, rest) = rest.split_first()?;
        // TL counts itself.
        let [(3..), t0, ta1, ..] = *rest.get(usize::from(length)..)? else {
            return None;
        };
        if t0 & T0_TA1 == 0 || ta1 & TA1_RESERVED != 0 {
            return None;
        }
        // Bits 7 to 5: from the card, 848, 424, 212 kbit/s; bits 3 to 1: to the card. Bit 8, "only the same in both", is met.
        let both = ta1 & (ta1 >> 4);
        match both {
            _ if both & 0x02 != 0 => Some(Self::Fourfold),
            _ if both & 0x01 != 0 => Some(Self::Double),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}
