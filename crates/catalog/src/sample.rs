//! A payload to try an event type with.

use serde_json::{Map, Value};

use crate::facts::EventTypeFacts;
use crate::field::{Field, FieldType};

impl EventTypeFacts {
    /// The example's payload, or one made up from the fields when there is no example.
    pub fn sample(&self) -> Value {
        self.example_payload().unwrap_or_else(|| self.made_up())
    }

    fn example_payload(&self) -> Option<Value> {
        let mut envelope: Value = serde_json::from_str(self.example()?).ok()?;
        envelope.get_mut("event").map(Value::take)
    }

    fn made_up(&self) -> Value {
        let mut payload = Value::Object(Map::new());
        for field in self.fields.iter().filter(|field| field.spelling_of.is_none()) {
            let segments: Vec<&str> = field.path.split('.').collect();
            put(&mut payload, &segments, field);
        }
        payload
    }
}

fn put(value: &mut Value, segments: &[&str], field: &Field) {
    let [segment, rest @ ..] = segments else { return };
    let name = segment.trim_end_matches("[]");
    let Value::Object(members) = value else { return };
    if rest.is_empty() {
        members.insert(name.to_owned(), made_up(&field.field_type, name, field));
        return;
    }
    match members.get_mut(name) {
        Some(Value::Array(items)) => items.iter_mut().for_each(|item| put(item, rest, field)),
        Some(member) => put(member, rest, field),
        None => {}
    }
}

fn made_up(field_type: &FieldType, name: &str, field: &Field) -> Value {
    let first_value = field.values.keys().next();
    match field_type {
        FieldType::String => match (first_value, field.format.as_deref()) {
            (Some(value), _) => value.as_str().into(),
            (None, Some("timestamp_s")) => "1608725989".into(),
            (None, Some(_)) => "1608725989000".into(),
            (None, None) => format!("{name}_sample").into(),
        },
        FieldType::Int => first_value
            .and_then(|value| value.parse::<i64>().ok())
            .unwrap_or(1)
            .into(),
        FieldType::Float => 1.5.into(),
        FieldType::Bool => true.into(),
        FieldType::Object | FieldType::Map(_) => Value::Object(Map::new()),
        FieldType::List(item) => Value::Array(vec![made_up(item, name, field)]),
        FieldType::Any => Value::String(String::new()),
    }
}
