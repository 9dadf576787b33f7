//! The quick look and the full one agree.

use larkspur_catalog::{Catalog, EventTypeFacts};
use serde_json::{Value, json};

fn examples() -> impl Iterator<Item = (&'static EventTypeFacts, Value)> {
    Catalog::embedded().iter().map(|facts| (facts, facts.sample()))
}

/// Every place of a payload, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(items) => {
            for (idx, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{idx}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn every_example_fits() {
    for (facts, example) in examples() {
        assert!(facts.fits(&example.to_string()), "{}", facts.event_type);
    }
}

#[test]
fn wherever_a_value_is_replaced_both_looks_say_the_same() {
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("text"),
        json!([]),
        json!([1]),
        json!(["text"]),
        json!({}),
        json!({ "a": 1 }),
        json!([{ "a": "b" }]),
    ];
    let mut compared = 0;
    for (facts, example) in examples() {
        let mut all = Vec::new();
        places(&example, "", &mut all);
        for place in all {
            // Three of them for each, in turn.
            for other in others.iter().cycle().skip(compared % others.len()).take(3) {
                let mut payload = example.clone();
                if let Some(value) = payload.pointer_mut(&place) {
                    *value = other.clone();
                }
                let fits = facts.validate(&payload).is_ok();
                assert_eq!(
                    facts.fits(&payload.to_string()),
                    fits,
                    "{} {place} {other}",
                    facts.event_type
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn what_cannot_be_built_does_not_fit() {
    let facts = Catalog::embedded()
        .find("hire.eco_exam.created_v1")
        .expect("it is there");
    let deep = format!(r#"{{"new":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for payload in [
        r#"{"new":"\ud800"}"#,
        r#"{"new":1e999}"#,
        &deep,
        r#"{"new":1} 2"#,
        "{",
        "[]",
        "null",
    ] {
        let built = serde_json::from_str::<Value>(payload);
        assert!(
            built.is_err() || facts.validate(&built.unwrap_or_default()).is_err(),
            "{payload}"
        );
        assert!(!facts.fits(payload), "{payload}");
    }
}
