//! The fields of every struct against the catalogue's, through what reading a payload does with them.

#[path = "generated/every_type.rs"]
mod every_type;

use every_type::{Each, every_type};
use larkspur_catalog::{Catalog, Field, FieldType};
use larkspur_events::{EventType, Object};
use serde_json::{Value, json};

/// The fields that have a place of their own in the struct: other spellings have not, nor have fields below one that
/// is kept as it comes.
fn own_fields(key: &str) -> Vec<&'static Field> {
    let catalog = Catalog::embedded();
    let fields = &catalog
        .find(key)
        .or_else(|| catalog.callback(key))
        .expect("the struct has its key from there")
        .fields;
    let raw = |path: &str| {
        fields.iter().any(|field| {
            let below = path
                .strip_prefix(field.path.as_str())
                .map(|rest| rest.trim_start_matches("[]"));
            field.wire_ambiguous && below.is_some_and(|rest| rest.starts_with('.'))
        })
    };
    fields
        .iter()
        .filter(|field| field.spelling_of.is_none() && !raw(&field.path))
        .collect()
}

/// Puts a value at a path; lists on the way have one item.
fn put(payload: &mut Value, path: &str, value: Value) {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    let plain = name.trim_end_matches("[]");
    let Some(rest) = rest else {
        payload[plain] = value;
        return;
    };
    let mut inner = &mut payload[plain];
    for _ in 0..name.matches("[]").count() {
        inner = &mut inner[0];
    }
    put(inner, rest, value);
}

/// A value of the type; `idx` makes it different from others.
fn fitting(field_type: &FieldType, idx: usize) -> Value {
    match field_type {
        FieldType::String => json!(format!("text {idx}")),
        FieldType::Int => json!(1_000_000 + idx),
        FieldType::Float => json!(f64::from(u32::try_from(idx).expect("there are few fields")) + 0.5),
        FieldType::Bool => json!(idx.is_multiple_of(2)),
        FieldType::Object => json!({}),
        FieldType::List(item) => json!([fitting(item, idx)]),
        FieldType::Map(item) => json!({ "key": fitting(item, idx) }),
        FieldType::Any => json!([idx, { "any": null }]),
    }
}

/// A value that only a field of another type takes; none for what takes everything.
fn misfit(field_type: &FieldType) -> Option<Value> {
    Some(match field_type {
        FieldType::String | FieldType::Float => json!(true),
        FieldType::Int => json!(1.5),
        FieldType::Bool => json!("true"),
        FieldType::Object | FieldType::Map(_) if is_anything(field_type) => json!([]),
        FieldType::Object => json!([]),
        FieldType::List(item) if is_anything(item) => json!({}),
        FieldType::List(item) => json!([misfit(item)?]),
        FieldType::Map(item) => json!({ "key": misfit(item)? }),
        FieldType::Any => return None,
    })
}

fn is_anything(field_type: &FieldType) -> bool {
    match field_type {
        FieldType::Any => true,
        FieldType::Map(item) => is_anything(item),
        _ => false,
    }
}

#[test]
fn a_payload_with_every_field_leaves_nothing_over_and_comes_back() {
    #[derive(Default)]
    struct Full(usize);
    impl Each for Full {
        fn see<T: EventType + Object>(&mut self) {
            let mut payload = json!({});
            for field in own_fields(T::KEY) {
                let value = if field.wire_ambiguous {
                    json!([self.0])
                } else {
                    fitting(&field.field_type, self.0)
                };
                put(&mut payload, &field.path, value);
                self.0 += 1;
            }
            let event: T = serde_json::from_value(payload.clone()).unwrap();
            assert_eq!(event.unlisted(), Vec::<String>::new(), "{}", T::KEY);
            assert_eq!(serde_json::to_value(&event).unwrap(), payload, "{}", T::KEY);
        }
    }
    let mut full = Full::default();
    every_type(&mut full);
    assert!(full.0 > 3_800, "{} fields", full.0);
}

#[test]
fn each_field_has_the_type_of_the_catalogue() {
    struct Types;
    impl Each for Types {
        fn see<T: EventType + Object>(&mut self) {
            for field in own_fields(T::KEY) {
                let Some(value) = misfit(&field.field_type).filter(|_| !field.wire_ambiguous) else {
                    continue;
                };
                let mut payload = json!({});
                for parent in own_fields(T::KEY) {
                    if field
                        .path
                        .strip_prefix(parent.path.as_str())
                        .is_some_and(|rest| rest.starts_with(['.', '[']))
                    {
                        put(&mut payload, &parent.path, fitting(&parent.field_type, 0));
                    }
                }
                put(&mut payload, &field.path, value);
                let event: T = serde_json::from_value(payload.clone()).unwrap();
                assert_eq!(
                    event.unlisted(),
                    [field.path.replace("[]", "[0]")],
                    "{} {}",
                    T::KEY,
                    field.path
                );
                assert_eq!(
                    serde_json::to_value(&event).unwrap(),
                    payload,
                    "{} {}",
                    T::KEY,
                    field.path
                );
            }
        }
    }
    every_type(&mut Types);
}

#[test]
fn another_spelling_is_read_into_the_same_field() {
    use larkspur_events::contact::v3::DepartmentCreatedV3;

    let leaders = json!({ "object": { "leaders": [{ "leader_type": 1, "leader_id": "ou_1" }] } });
    let event: DepartmentCreatedV3 = serde_json::from_value(leaders).unwrap();
    assert_eq!(event.unlisted(), Vec::<String>::new());
    let leader = event.object.unwrap().leaders.unwrap().remove(0);
    assert_eq!(leader.leader_id.as_deref(), Some("ou_1"));
    assert_eq!(
        serde_json::to_value(leader).unwrap(),
        json!({ "leaderType": 1, "leaderID": "ou_1" })
    );
}

#[test]
fn callbacks_are_answered_with_structs() {
    use larkspur_events::card::{
        ActionTrigger, ActionTriggerReply, ActionTriggerReplyCard, ActionTriggerReplyCardType,
    };

    let trigger: ActionTrigger = serde_json::from_value(json!({ "action": { "value": { "key": "value" } } })).unwrap();
    assert_eq!(trigger.action.unwrap().value.unwrap()["key"], "value");
    let card = ActionTriggerReplyCard {
        r#type: Some(ActionTriggerReplyCardType::Raw),
        data: Some(json!({ "elements": [] })),
        ..ActionTriggerReplyCard::default()
    };
    let reply: <ActionTrigger as EventType>::Reply = ActionTriggerReply {
        card: Some(card),
        ..Default::default()
    };
    let expected = json!({ "card": { "type": "raw", "data": { "elements": [] } } });
    assert_eq!(serde_json::to_value(reply).unwrap(), expected);
}
