//! Cases without a session: APDUs and the answers to them, as data.

use serde::Deserialize;

use crate::bench::Bench;
use crate::case::{Case, Outcome, Own as _, Stage, Stop};

/// A file of cases.
#[derive(Deserialize)]
struct File<'j> {
    #[serde(borrow)]
    cases: Vec<ScriptCase<'j>>,
}

#[derive(Deserialize)]
struct ScriptCase<'j> {
    id: &'j str,
    stage: ScriptStage,
    purpose: &'j str,
    #[serde(borrow)]
    steps: Vec<Exchange<'j>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScriptStage {
    Blank,
    Personalizing,
    Active,
    Blocked,
    Terminated,
}

/// One command and its answer: hexadecimal, spaces free. In `expect`, `..` stands for any one octet and a final `*`, before
/// the status word, for any more of them. `"send": "reset"` takes the power away and gives it back.
#[derive(Clone, Deserialize)]
struct Exchange<'j> {
    send: &'j str,
    #[serde(default)]
    expect: &'j str,
}

/// The cases of a file. What is malformed becomes a case that fails, with the reason.
pub(crate) fn cases(json: &'static str) -> Vec<Case> {
    match serde_json::from_str::<File<'static>>(json) {
        Ok(file) => file.cases.into_iter().map(case).collect(),
        Err(error) => {
            let reason = error.to_string();
            vec![Case::new(
                "0-01",
                Stage::Blank,
                "the kit's scripts can be read",
                "",
                move |_| Err(Stop::Kit(reason.clone())),
            )]
        }
    }
}

fn case(script: ScriptCase<'static>) -> Case {
    let stage = match script.stage {
        ScriptStage::Blank => Stage::Blank,
        ScriptStage::Personalizing => Stage::Personalizing,
        ScriptStage::Active => Stage::Active,
        ScriptStage::Blocked => Stage::Blocked,
        ScriptStage::Terminated => Stage::Terminated,
    };
    let expected: Vec<&str> = script.steps.iter().map(|step| step.expect).collect();
    let steps = script.steps.clone();
    Case::new(
        script.id,
        stage,
        script.purpose,
        expected.join(" · "),
        move |bench| {
            bench.power_cycle()?;
            steps.iter().try_for_each(|step| run(bench, step))
        },
    )
}

fn run(bench: &mut Bench, step: &Exchange<'_>) -> Outcome {
    if step.send == "reset" {
        return bench.power_cycle();
    }
    let octets = hex::decode(step.send.replace(' ', "")).own("hexadecimal digits of a script")?;
    let answer = bench.transmit("", &octets)?;
    if matches(step.expect, &answer) {
        return Ok(());
    }
    let status = answer
        .split_last_chunk::<2>()
        .map(|(_, status)| hex::encode_upper(status));
    Err(Stop::Failed(format!(
        "the card answered {} octets of data and {}; right is {}",
        answer.len().saturating_sub(2),
        status.unwrap_or_default(),
        step.expect
    )))
}

/// Does the answer fit the pattern?
fn matches(pattern: &str, answer: &[u8]) -> bool {
    let digits = pattern.replace(' ', "").to_uppercase();
    let answer = hex::encode_upper(answer);
    let same = |pattern: &str, text: &str| {
        pattern.len() == text.len() && pattern.chars().zip(text.chars()).all(|(p, t)| p == '.' || p == t)
    };
    match digits.split_once('*') {
        None => same(&digits, &answer),
        Some((start, end)) => {
            answer.len() >= start.len() + end.len()
                && answer.get(..start.len()).is_some_and(|text| same(start, text))
                && answer
                    .get(answer.len() - end.len()..)
                    .is_some_and(|text| same(end, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_they_say() {
        for (pattern, answer, fits) in [
            ("9000", &[0x90, 0x00][..], true),
            ("90 00", &[0x90, 0x00], true),
            ("9000", &[0x69, 0x82], false),
            ("9000", &[1, 0x90, 0x00], false),
            ("..9000", &[1, 0x90, 0x00], true),
            ("..9000", &[1, 2, 0x90, 0x00], false),
            ("01 * 9000", &[1, 2, 3, 0x90, 0x00], true),
            ("01 * 9000", &[2, 2, 3, 0x90, 0x00], false),
            ("*9000", &[0x00], false),
        ] {
            assert_eq!(matches(pattern, answer), fits, "{pattern}");
        }
    }
}
