//! SPEC 3.6 and 7.8: link certificates, and at most two trust anchors.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::material::{Certificate, NEXT_ROOT, ROOT, THIRD_ROOT};
use crate::terminal::{LAST, MORE, READ_CSO, Terminal, TerminalSession, present};

/// Shows a link certificate.
fn link(bench: &mut Bench, certificate: &Certificate) -> Outcome<u16> {
    bench.select()?;
    let link = bench.material.certify(certificate);
    Ok(present(bench, MORE, &link)?.status)
}

/// A terminal CA under a root: its own certificate, and a terminal under it.
fn under(root: &'static str) -> Terminal {
    Terminal {
        authority: Certificate {
            authority: root,
            from: Certificate::link(ROOT, NEXT_ROOT).from,
            ..Certificate::terminal_ca()
        },
        ..Terminal::standard()
    }
}

/// A link certificate that must be refused: the next root's chain stays unknown.
fn refused(id: &'static str, purpose: &str, certificate: fn() -> Certificate, signer: &'static str) -> Case {
    let expected = "6982; a chain under the new root stays unknown (6A88)";
    Case::new(id, Stage::Active, purpose, expected, move |bench| {
        bench.select()?;
        let link = bench.material.certify_by(&certificate(), signer);
        present(bench, MORE, &link)?.refused(0x6982)?;
        bench.select()?;
        let authority = bench.material.certify(&under(certificate().holder).authority);
        present(bench, MORE, &authority)?.refused(0x6A88)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "7.8-01",
            Stage::Active,
            "a link certificate makes the next root a trust anchor, and the first one stays",
            "9000; sessions under either root",
            |bench| {
                check(
                    link(bench, &Certificate::link(ROOT, NEXT_ROOT))? == 0x9000,
                    "the link certificate was refused",
                )?;
                under(NEXT_ROOT).open(bench)?;
                TerminalSession::open(bench).map(drop)
            },
        )
        .alone(),
        Case::new(
            "7.8-02",
            Stage::Active,
            "the same link certificate again",
            "9000; both roots stay",
            |bench| {
                for _ in 0..2 {
                    check(
                        link(bench, &Certificate::link(ROOT, NEXT_ROOT))? == 0x9000,
                        "the link certificate was refused",
                    )?;
                }
                under(NEXT_ROOT).open(bench)?;
                TerminalSession::open(bench).map(drop)
            },
        )
        .alone(),
        Case::new(
            "7.8-03",
            Stage::Active,
            "a second handover: the oldest root goes away",
            "sessions under the second and the third; 6A88 under the first",
            |bench| {
                for certificate in [
                    Certificate::link(ROOT, NEXT_ROOT),
                    Certificate::link(NEXT_ROOT, THIRD_ROOT),
                ] {
                    check(
                        link(bench, &certificate)? == 0x9000,
                        "a link certificate was refused",
                    )?;
                }
                under(NEXT_ROOT).open(bench)?;
                under(THIRD_ROOT).open(bench)?;
                bench.select()?;
                let authority = bench.material.certify(&Certificate::terminal_ca());
                present(bench, MORE, &authority)?.refused(0x6A88)
            },
        )
        .alone(),
        Case::new(
            "7.8-04",
            Stage::Active,
            "a link certificate under the older of two trust anchors",
            "6982; the third root stays unknown",
            |bench| {
                check(
                    link(bench, &Certificate::link(ROOT, NEXT_ROOT))? == 0x9000,
                    "the link certificate was refused",
                )?;
                check(
                    link(bench, &Certificate::link(ROOT, THIRD_ROOT))? == 0x6982,
                    "the link certificate was not refused with 6982",
                )?;
                bench.select()?;
                let authority = bench.material.certify(&under(THIRD_ROOT).authority);
                present(bench, MORE, &authority)?.refused(0x6A88)
            },
        )
        .alone(),
        Case::new(
            "7.8-05",
            Stage::Active,
            "a link certificate between the CA's and the terminal's leaves the chain as it was",
            "the terminal's certificate is accepted",
            |bench| {
                bench.select()?;
                let authority = bench.material.certify(&Certificate::terminal_ca());
                present(bench, MORE, &authority)?.expect(0x9000)?;
                let link = bench.material.certify(&Certificate::link(ROOT, NEXT_ROOT));
                present(bench, MORE, &link)?.expect(0x9000)?;
                let own = bench.material.certify(&Certificate::terminal());
                present(bench, LAST, &own)?.expect(0x9000)?;
                bench.command(READ_CSO, &[])?.expect(0x9000).map(drop)
            },
        )
        .alone(),
        Case::new(
            "7.8-06",
            Stage::Active,
            "a trust anchor outlasts the power",
            "a session under the new root",
            |bench| {
                check(
                    link(bench, &Certificate::link(ROOT, NEXT_ROOT))? == 0x9000,
                    "the link certificate was refused",
                )?;
                bench.power_cycle()?;
                under(NEXT_ROOT).open(bench).map(drop)
            },
        )
        .alone(),
        refused(
            "3.6-01",
            "a link certificate that the root did not sign",
            || Certificate::link(ROOT, NEXT_ROOT),
            NEXT_ROOT,
        ),
        refused(
            "3.6-02",
            "a link certificate of another role",
            || Certificate {
                role: 0x81,
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
        refused(
            "3.6-03",
            "a link certificate without domain parameters",
            || Certificate {
                domain_parameters: false,
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
        refused(
            "3.6-04",
            "a production link certificate under a TEST root",
            || Certificate {
                flags: 0x00,
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
        refused(
            "3.6-05",
            "a link certificate for another mnemonic",
            || Certificate::link(ROOT, "VNROOTX00002"),
            ROOT,
        ),
        refused(
            "3.6-06",
            "a link certificate for a lower sequence",
            || Certificate::link(ROOT, "VNROOT00000"),
            ROOT,
        ),
        refused(
            "3.6-07",
            "a link certificate that begins after the root has ended",
            || Certificate {
                from: (2057, 1, 1),
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
        refused(
            "3.6-08",
            "a link certificate that begins before its root",
            || Certificate {
                from: (2025, 12, 31),
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
        refused(
            "3.6-09",
            "a link certificate that ended before the remembered date",
            || Certificate {
                to: (2026, 10, 31),
                ..Certificate::link(ROOT, NEXT_ROOT)
            },
            ROOT,
        ),
    ]
}
