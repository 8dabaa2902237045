//! `ansinh terminal shifts`: what a clerk settles with.

use serde_json::json;

use crate::desk::{ansinh, printed};
use crate::exports::desk_with_payments;

#[test]
fn a_shift_is_shown_with_what_its_cards_have_paid() {
    let desk = desk_with_payments();
    let all = desk.succeed(&["terminal", "shifts", "VNT0000009"]);
    let [shift] = all.as_array().unwrap().as_slice() else {
        panic!("{all}");
    };
    assert_eq!(shift["operator"], "lan");
    assert_eq!(shift["paid"]["number"], 2);
    assert_eq!(shift["handed_over"], json!({ "number": 0, "vnd": 0 }));
    let day = shift["opened"].as_str().unwrap().get(..10).unwrap().to_owned();
    let on = |day: &str| desk.succeed(&["terminal", "shifts", "VNT0000009", "--day", day]);
    assert_eq!(on(&day), all);
    assert_eq!(on("2020-01-01"), json!([]));
    desk.fail(2, &["terminal", "shifts", "VNT0000009", "--day", "22/11/2026"]);
    let unknown = desk.fail(1, &["terminal", "shifts", "VNT9999999"]);
    assert!(unknown.contains("VNT9999999"), "{unknown}");
    let mut text = ansinh(desk.folder.path(), &["terminal", "shifts", "VNT0000009"]);
    assert!(printed(&text.output().unwrap()).contains("thẻ đã trả / paid by cards         2"));
}
