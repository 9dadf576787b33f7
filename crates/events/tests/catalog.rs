//! Every struct against the catalogue: the examples, and payloads that have every field.

#[path = "generated/every_type.rs"]
mod every_type;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use every_type::{Each, every_type};
use larkspur_catalog::{Catalog, EventTypeFacts};
use larkspur_events::{EventType, Object, Schema};
use serde_json::Value;

fn facts(key: &str) -> &'static EventTypeFacts {
    let catalog = Catalog::embedded();
    catalog
        .find(key)
        .or_else(|| catalog.callback(key))
        .unwrap_or_else(|| panic!("no `{key}` in the catalogue"))
}

/// The example's payload; schema 1.0 has more of them.
fn example(key: &str) -> Option<Value> {
    let mut envelope: Value = serde_json::from_str(facts(key).example()?).expect("it is JSON");
    Some(envelope["event"].take())
}

/// The types whose examples contradict their own field list.
fn exceptions() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/exceptions.json");
    let text = std::fs::read_to_string(path).expect("the catalogue has the file");
    let exceptions: BTreeMap<String, Value> = serde_json::from_str(&text).expect("it is JSON");
    exceptions.into_keys().collect()
}

#[test]
fn every_event_type_and_callback_has_one_struct_with_its_key_and_schema() {
    #[derive(Default)]
    struct Keys(BTreeMap<&'static str, Schema>);
    impl Each for Keys {
        fn see<T: EventType + Object>(&mut self) {
            assert!(self.0.insert(T::KEY, T::SCHEMA).is_none(), "`{}` has two", T::KEY);
        }
    }
    let mut keys = Keys::default();
    every_type(&mut keys);
    let catalog = Catalog::embedded();
    let expected = catalog.iter().chain(catalog.callbacks()).map(|facts| {
        let schema = match facts.schema {
            larkspur_catalog::Schema::V1 => Schema::V1,
            larkspur_catalog::Schema::V2 => Schema::V2,
        };
        (facts.event_type.as_str(), schema)
    });
    assert_eq!(keys.0, expected.collect());
    assert_eq!(keys.0.len(), 252 + 4);
}

#[test]
fn all_examples_come_back_without_loss() {
    #[derive(Default)]
    struct Examples(usize);
    impl Each for Examples {
        fn see<T: EventType + Object>(&mut self) {
            let Some(payload) = example(T::KEY) else { return };
            let event: T = serde_json::from_value(payload.clone()).unwrap();
            assert_eq!(serde_json::to_value(&event).unwrap(), payload, "{}", T::KEY);
            assert_eq!(
                serde_json::from_str::<Value>(&event.pretty()).unwrap(),
                payload,
                "{}",
                T::KEY
            );
            self.0 += 1;
        }
    }
    let mut examples = Examples::default();
    every_type(&mut examples);
    assert_eq!(examples.0, 214 + 2, "event types and callbacks");
}

#[test]
fn nothing_in_an_example_that_agrees_is_unlisted() {
    struct Agreeing {
        exceptions: BTreeSet<String>,
        seen: usize,
    }
    impl Each for Agreeing {
        fn see<T: EventType + Object>(&mut self) {
            let Some(payload) = example(T::KEY) else { return };
            if self.exceptions.contains(T::KEY) {
                return;
            }
            let event: T = serde_json::from_value(payload).unwrap();
            assert_eq!(event.unlisted(), Vec::<String>::new(), "{}", T::KEY);
            // The same, by what a person sees.
            let shown = format!("{event:?}");
            assert_eq!(
                shown.matches("extra: {").count(),
                shown.matches("extra: {}").count(),
                "{shown}"
            );
            self.seen += 1;
        }
    }
    let exceptions = exceptions();
    let expected = 214 + 2 - exceptions.len();
    let mut agreeing = Agreeing { exceptions, seen: 0 };
    every_type(&mut agreeing);
    assert_eq!(agreeing.seen, expected);
}

#[test]
fn no_listed_field_of_an_example_that_contradicts_itself_is_unlisted() {
    struct Odd(BTreeSet<String>);
    impl Each for Odd {
        fn see<T: EventType + Object>(&mut self) {
            let Some(payload) = example(T::KEY) else { return };
            if self.0.contains(T::KEY) {
                let event: T = serde_json::from_value(payload).unwrap();
                assert_listed_are_fields(T::KEY, &event);
            }
        }
    }
    every_type(&mut Odd(exceptions()));
}

fn assert_listed_are_fields(key: &str, event: &dyn Object) {
    let listed: BTreeSet<String> = facts(key)
        .fields
        .iter()
        .map(|field| field.path.replace("[]", ""))
        .collect();
    for path in event.unlisted() {
        let plain: String = path.split(['[', ']']).step_by(2).collect();
        assert!(!listed.contains(&plain), "`{path}` of `{key}`");
    }
}
