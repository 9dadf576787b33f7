//! `--set path=value`: changes one field of a payload.

use serde_json::{Map, Value};

use crate::failure::{Exit, Failure};

/// Applies an assignment. The value is JSON where it reads as JSON and the field was no text before, and text
/// otherwise: ids are digits, and stay text.
pub(super) fn set(payload: &mut Value, assignment: &str) -> Result<(), Failure> {
    let wrong = |why: &str| {
        Failure::msg(Exit::Usage, format!("`--set {assignment}` {why}"))
            .with_hint("write a path and a value, such as candidate_info.name=Li or custom_field_list.0.key=k")
    };
    let (path, value) = assignment.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
    let mut place = payload;
    for segment in path.split('.') {
        if segment.is_empty() {
            return Err(wrong("has an empty name in its path"));
        }
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Object(members) => members.entry(segment).or_insert(Value::Null),
            Value::Array(items) => segment
                .parse::<usize>()
                .ok()
                .and_then(|idx| items.get_mut(idx))
                .ok_or_else(|| wrong(&format!("names `{segment}`, which is no item of the list")))?,
            _ => {
                return Err(wrong(&format!(
                    "goes through `{segment}`, whose parent is neither object nor list"
                )));
            }
        };
    }
    let text = || Value::String(value.to_owned());
    *place = if place.is_string() {
        text()
    } else {
        serde_json::from_str(value).unwrap_or_else(|_| text())
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(assignment: &str) -> Value {
        let mut payload = json!({ "id": "7", "scope": 1, "list": [{ "key": "a" }] });
        set(&mut payload, assignment).unwrap();
        payload
    }

    #[test]
    fn text_stays_text_and_the_rest_is_json() {
        assert_eq!(after("id=42")["id"], "42");
        assert_eq!(after("scope=2")["scope"], 2);
        assert_eq!(after("new=[1,2]")["new"], json!([1, 2]));
        assert_eq!(after("new=plain words")["new"], "plain words");
        assert_eq!(after("list.0.key=b=c")["list"][0]["key"], "b=c");
        assert_eq!(after("a.b.c=true")["a"]["b"]["c"], true);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let mut payload = json!({ "list": [], "text": "x" });
        for wrong in ["nothing", "=1", "a..b=1", "list.0=1", "text.inner=1"] {
            assert!(set(&mut payload, wrong).is_err(), "{wrong}");
        }
    }
}
