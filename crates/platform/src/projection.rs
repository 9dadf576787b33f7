//! Projection: the payload without the fields an app may not see.

use serde_json::Value;

use crate::settings::WithheldField;

/// Removes every withheld path from a payload; a path goes through each element of a list on its way.
pub fn project(payload: &mut Value, withheld: &[String], instead: WithheldField) {
    for path in withheld {
        let segments: Vec<&str> = path.split('.').map(|segment| segment.trim_end_matches("[]")).collect();
        withhold(payload, &segments, instead);
    }
}

fn withhold(value: &mut Value, segments: &[&str], instead: WithheldField) {
    match (value, segments) {
        (Value::Array(items), _) => items.iter_mut().for_each(|item| withhold(item, segments, instead)),
        (Value::Object(members), [last]) => {
            let replacement = members.get(*last).map(|value| replace(value, instead));
            match replacement {
                Some(Some(replacement)) => _ = members.insert((*last).to_owned(), replacement),
                Some(None) => _ = members.remove(*last),
                None => {}
            }
        }
        (Value::Object(members), [first, rest @ ..]) => {
            if let Some(inner) = members.get_mut(*first) {
                withhold(inner, rest, instead);
            }
        }
        _ => {}
    }
}

fn replace(value: &Value, instead: WithheldField) -> Option<Value> {
    match (instead, value) {
        (WithheldField::Absent, _) => None,
        (WithheldField::Null, _) | (WithheldField::Empty, Value::Null) => Some(Value::Null),
        (WithheldField::Empty, Value::Bool(_)) => Some(Value::Bool(false)),
        (WithheldField::Empty, Value::Number(_)) => Some(Value::from(0)),
        (WithheldField::Empty, Value::String(_)) => Some(Value::from("")),
        (WithheldField::Empty, Value::Array(_)) => Some(Value::Array(Vec::new())),
        (WithheldField::Empty, Value::Object(_)) => Some(Value::Object(serde_json::Map::new())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn projected(path: &str, instead: WithheldField) -> Value {
        let mut payload =
            json!({"operator": {"user_id": "u", "open_id": "o"}, "list": [{"user_id": "v"}, {"x": 1}, 7]});
        project(&mut payload, &[path.to_owned()], instead);
        payload
    }

    #[test]
    fn a_withheld_field_is_absent_null_or_empty() {
        let seen = |instead| projected("operator.user_id", instead)["operator"].clone();
        assert_eq!(seen(WithheldField::Absent), json!({"open_id": "o"}));
        assert_eq!(seen(WithheldField::Null), json!({"open_id": "o", "user_id": null}));
        assert_eq!(seen(WithheldField::Empty), json!({"open_id": "o", "user_id": ""}));
    }

    #[test]
    fn a_path_goes_through_every_element_of_a_list() {
        assert_eq!(
            projected("list[].user_id", WithheldField::Absent)["list"],
            json!([{}, {"x": 1}, 7])
        );
        assert_eq!(
            projected("list.user_id", WithheldField::Absent)["list"],
            json!([{}, {"x": 1}, 7])
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_changes_nothing() {
        let payload = projected("operator.user_id.deeper", WithheldField::Null);
        assert_eq!(payload["operator"]["user_id"], "u");
        assert_eq!(
            projected("nobody.user_id", WithheldField::Null)["operator"]["user_id"],
            "u"
        );
    }
}
