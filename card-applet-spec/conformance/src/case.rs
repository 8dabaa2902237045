//! What a case is.

use std::fmt;

use crate::bench::Bench;

/// How far a card is in its life when a case begins. Each stage is reached from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Transport keys only (SPEC 14: blank).
    Blank,
    /// Issuer's keys, nothing else (personalizing).
    Personalizing,
    /// Key pairs, too (personalizing).
    Keyed,
    /// Data and PIN, too: ACTIVATE would succeed (personalizing).
    Loaded,
    /// Ready to pay.
    Active,
    /// Blocked by the issuer.
    Blocked,
    /// Out of use for ever.
    Terminated,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "blank",
            Self::Personalizing => "personalizing, with issuer keys",
            Self::Keyed => "personalizing, with key pairs",
            Self::Loaded => "personalizing, complete but for ACTIVATE",
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Terminated => "terminated",
        })
    }
}

/// What a case needs beside a card in its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it leaves the card as the next case of the stage may find it.
    Any,
    /// A card of its own, which is of no use for other cases afterwards.
    OwnCard,
    /// Such a card, and a power cut at a chosen write into its memory.
    PowerCuts,
    /// Such a card, and a receipt counter that is near its end: nobody pays four thousand million times.
    CounterSet,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "every card",
            Self::OwnCard => "a blank card for this case alone",
            Self::PowerCuts => "a blank card for this case alone, and power cuts inside a command",
            Self::CounterSet => "a blank card for this case alone, and a receipt counter that can be set",
        })
    }
}

/// Why a case ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The card did something else than the clause says.
    #[error("{0}")]
    Failed(String),
    /// The card gave no answer.
    #[error("no answer: {0}")]
    Gone(String),
    /// The kit could not put together what it meant to send.
    #[error("a fault of the kit, not of the card: {0}")]
    Kit(String),
}

/// What the steps of a case come to.
pub type Outcome<T = ()> = Result<T, Stop>;

/// Fails the case unless the condition holds.
pub(crate) fn check(condition: bool, complaint: &str) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Stop::Failed(complaint.to_owned()))
    }
}

/// Takes what the kit itself has made.
pub(crate) trait Own<T> {
    /// The value, or [`Stop::Kit`].
    fn own(self, what: &str) -> Outcome<T>;
}

impl<T, E: fmt::Debug> Own<T> for Result<T, E> {
    fn own(self, what: &str) -> Outcome<T> {
        self.map_err(|error| Stop::Kit(format!("{what}: {error:?}")))
    }
}

impl<T> Own<T> for Option<T> {
    fn own(self, what: &str) -> Outcome<T> {
        self.ok_or_else(|| Stop::Kit(what.to_owned()))
    }
}

type Steps = Box<dyn Fn(&mut Bench) -> Outcome>;

/// One statement of one clause, tested.
pub struct Case {
    id: &'static str,
    stage: Stage,
    needs: Needs,
    purpose: String,
    expected: String,
    steps: Steps,
}

impl Case {
    /// A case that any card may run.
    pub(crate) fn new(
        id: &'static str,
        stage: Stage,
        purpose: impl Into<String>,
        expected: impl Into<String>,
        steps: impl Fn(&mut Bench) -> Outcome + 'static,
    ) -> Self {
        Self {
            id,
            stage,
            needs: Needs::Any,
            purpose: purpose.into(),
            expected: expected.into(),
            steps: Box::new(steps),
        }
    }

    /// The case uses its card up.
    pub(crate) fn alone(self) -> Self {
        Self {
            needs: Needs::OwnCard,
            ..self
        }
    }

    /// The case cuts the power inside commands.
    pub(crate) fn with_power_cuts(self) -> Self {
        Self {
            needs: Needs::PowerCuts,
            ..self
        }
    }

    /// The case sets the card's receipt counter.
    pub(crate) fn with_counter_set(self) -> Self {
        Self {
            needs: Needs::CounterSet,
            ..self
        }
    }

    /// Runs the steps on a card that is in the stage.
    pub(crate) fn run(&self, bench: &mut Bench) -> Outcome {
        (self.steps)(bench)
    }

    /// Clause and number: `6.4-03`. Never given to another case.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The clause of SPEC.md.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(clause, _)| clause)
    }

    /// The stage in which it starts.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What it needs: its profile.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// What it is to find out.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// What a conforming card does.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Which cases to run: an ID (`6.4-03`), a clause (`6.4`, `6`), or either with `*` for any characters.
#[derive(Clone, Debug)]
pub struct Pattern(String);

impl Pattern {
    /// Takes it as it was typed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Is the case meant?
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        let clauses = id.match_indices(['.', '-']).filter_map(|(end, _)| id.get(..end));
        glob(&self.0, id) || clauses.into_iter().any(|clause| glob(&self.0, clause))
    }
}

/// `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| glob(rest, text)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_ids_and_clauses() {
        for (pattern, id, matches) in [
            ("6.4-03", "6.4-03", true),
            ("6.4", "6.4-03", true),
            ("6", "6.4-03", true),
            ("6.1", "6.10-01", false),
            ("6.*-01", "6.10-01", true),
            ("*-04", "9.3-03", false),
            ("", "9.3-03", false),
            ("*", "9.3-03", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(id), matches, "{pattern} {id}");
        }
    }
}
