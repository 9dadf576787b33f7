//! The rules of reading and writing, on structs made for it.

use serde_json::json;

use crate::{Extra, Object};

#[derive(Clone, Debug, Default, PartialEq)]
struct Outer {
    text: Option<String>,
    int: Option<i64>,
    float: Option<f64>,
    kind: Option<Kind>,
    level: Option<Level>,
    inner: Option<Vec<Inner>>,
    extra: Extra,
}
crate::object::object!(Outer {
    text = "text" | "Text",
    int = "int",
    float = "float",
    kind = "kind",
    level = "level",
    inner = "inner",
});

#[derive(Clone, Debug, Default, PartialEq)]
struct Inner {
    id: Option<String>,
    extra: Extra,
}
crate::object::object!(Inner { id = "id" });

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Group,
    Unlisted(String),
}
crate::open_enum::open_enum!(Kind: String { Group = "group" });

#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Low,
    Unlisted(i64),
}
crate::open_enum::open_enum!(Level: i64 { Low = -1 });

fn read(value: serde_json::Value) -> Outer {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn comes_back(value: serde_json::Value) -> Outer {
    let outer = read(value.clone());
    assert_eq!(serde_json::to_value(&outer).unwrap(), value);
    outer
}

#[test]
fn unlisted_members_are_kept_at_every_level() {
    let outer = comes_back(json!({ "text": "a", "new": [1], "inner": [{ "id": "x" }, { "id": "y", "grade": 3 }] }));
    assert_eq!(outer.unlisted(), ["new", "inner[1].grade"]);
    assert_eq!(outer.inner.unwrap()[1].extra["grade"], 3);
}

#[test]
fn unlisted_values_of_enums_are_kept() {
    let outer = comes_back(json!({ "kind": "crowd", "level": 7 }));
    assert_eq!(
        (outer.kind, outer.level),
        (Some(Kind::Unlisted("crowd".into())), Some(Level::Unlisted(7)))
    );
    let outer = comes_back(json!({ "kind": "group", "level": -1 }));
    assert_eq!((outer.kind, outer.level), (Some(Kind::Group), Some(Level::Low)));
}

#[test]
fn null_is_nothing_and_comes_back() {
    let outer = comes_back(json!({ "text": null, "Text": null, "int": null }));
    assert_eq!((&outer.text, outer.int), (&None, None));
    let filled = Outer {
        text: Some("a".into()),
        ..comes_back(json!({ "text": null }))
    };
    assert_eq!(serde_json::to_value(filled).unwrap(), json!({ "text": "a" }));
}

#[test]
fn numbers_and_their_text_stand_for_each_other() {
    let outer = read(json!({ "text": 5, "int": "-7", "float": "1.5", "level": "-1" }));
    let expected = Outer {
        text: Some("5".into()),
        int: Some(-7),
        float: Some(1.5),
        level: Some(Level::Low),
        ..Outer::default()
    };
    assert_eq!(outer, expected);
    assert_eq!(
        serde_json::to_value(outer).unwrap(),
        json!({ "text": "5", "int": -7, "float": 1.5, "level": -1 })
    );
}

#[test]
fn members_of_another_type_are_kept_and_come_back() {
    let odd = json!({
        "text": [1], "int": "07", "float": true, "kind": {}, "level": 1.5, "inner": [{ "id": "x" }, "text", null],
    });
    let outer = comes_back(odd);
    assert_eq!(
        outer,
        Outer {
            extra: outer.extra.clone(),
            ..Outer::default()
        }
    );
    assert_eq!(outer.extra.len(), 6);
    let huge = comes_back(json!({ "int": u64::MAX }));
    assert_eq!(huge.extra["int"], u64::MAX);
    let precise = comes_back(json!({ "float": 9_007_199_254_740_993_i64 }));
    assert_eq!(precise.float, None);
}

#[test]
fn a_field_is_read_by_any_of_its_names_and_written_by_the_first() {
    let outer = read(json!({ "Text": "a" }));
    assert_eq!(serde_json::to_value(outer).unwrap(), json!({ "text": "a" }));
    let both = comes_back(json!({ "text": "a", "Text": "b" }));
    assert_eq!(both.text.as_deref(), Some("a"));
}

#[test]
fn a_field_wins_over_an_unlisted_member_of_its_name() {
    let mut outer = read(json!({ "text": [1] }));
    outer.text = Some("a".into());
    assert_eq!(serde_json::to_value(outer).unwrap(), json!({ "text": "a" }));
}

#[test]
fn what_has_no_place_is_counted_at_every_level() {
    let json = r#"{"text":"a","new":1,"int":"x","inner":[{"id":"x","grade":3,"id2":null},{"id":5}],"kind":null}"#;
    let (outer, drift): (Outer, usize) = crate::object::read(json).unwrap();
    assert_eq!(drift, 4);
    assert_eq!(outer.unlisted(), ["int", "new", "inner[0].grade", "inner[0].id2"]);
    assert!(
        crate::object::read::<Outer>("{} {}").is_err(),
        "there is something behind it"
    );
}

#[test]
fn escapes_are_read_and_the_last_of_two_wins() {
    let (outer, drift): (Outer, usize) =
        crate::object::read(r#"{"t\u0065xt":"a\nb","text":"c","x":1,"x":"\u80cc"}"#).unwrap();
    assert_eq!((outer.text.as_deref(), drift), (Some("c"), 2));
    assert_eq!(outer.extra["x"], "背");
}

#[test]
fn what_is_no_object_is_refused() {
    for value in [json!(null), json!([]), json!("text")] {
        assert!(serde_json::from_value::<Outer>(value.clone()).is_err(), "{value}");
    }
}
