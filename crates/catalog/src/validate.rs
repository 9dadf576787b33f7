//! Holding a payload against its type.
//!
//! Wrong types are errors. Unknown fields, unknown values of enums, `null` and fields that sources contradict each
//! other about pass: the platform keeps them as they are.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::facts::EventTypeFacts;
use crate::field::{Field, FieldType};

/// More errors than this help nobody.
const ERRORS_MAX: usize = 20;

/// A field that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayloadError {
    /// Where: `candidate_info.mobile.code`, `custom_field_list[2].key`.
    pub path: String,
    /// The type it should have.
    pub expected: String,
    /// The type it has.
    pub found: &'static str,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the payload"
        } else {
            &self.path
        };
        write!(f, "`{path}` should be {}, and is {}", self.expected, self.found)
    }
}

impl EventTypeFacts {
    /// Checks a payload, the envelope's `event`; answers at most 20 errors.
    ///
    /// ```
    /// let facts = larkspur_catalog::Catalog::embedded().find("hire.eco_exam.created_v1").unwrap();
    /// let errors = facts.validate(&serde_json::json!({ "exam_id": 7 })).unwrap_err();
    /// assert_eq!(errors[0].to_string(), "`exam_id` should be string, and is a number");
    /// ```
    pub fn validate(&self, payload: &Value) -> Result<(), Vec<PayloadError>> {
        let errors = mismatches(payload, self.checked_fields());
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What does not fit, the fields included that sources contradict each other about.
    pub fn contradictions(&self, payload: &Value) -> Vec<PayloadError> {
        mismatches(payload, self.own_fields())
    }

    /// What does not fit in an app's answer to a callback; at most 20.
    pub fn reply_misfits(&self, reply: &Value) -> Vec<PayloadError> {
        mismatches(reply, self.reply_fields.iter())
    }

    /// The fields that a payload is held against.
    pub(crate) fn checked_fields(&self) -> impl Iterator<Item = &Field> {
        self.own_fields().filter(|field| !field.wire_ambiguous)
    }

    /// The fields, but for those inside one that is taken as it comes.
    fn own_fields(&self) -> impl Iterator<Item = &Field> {
        let raw: Vec<&Field> = self.fields.iter().filter(|field| field.wire_ambiguous).collect();
        let is_own = move |field: &&Field| !raw.iter().any(|raw| field.is_below(raw));
        self.fields.iter().filter(is_own)
    }
}

fn mismatches<'a>(payload: &Value, fields: impl Iterator<Item = &'a Field>) -> Vec<PayloadError> {
    let mut errors = Vec::new();
    if !payload.is_object() {
        errors.push(error(String::new(), &FieldType::Object, payload));
    }
    // One for all fields: it is as empty after each as it was before.
    let mut path = String::new();
    for field in fields {
        check(payload, Some(&field.path), &field.field_type, &mut path, &mut errors);
    }
    errors.truncate(ERRORS_MAX);
    errors
}

/// Follows what is left of the field's path from `value` and checks what stands at its end; what does not fit on the way is the error of a
/// field of its own. The depth is that of the catalogue's path, whatever the payload is.
fn check(value: &Value, left: Option<&str>, expected: &FieldType, path: &mut String, errors: &mut Vec<PayloadError>) {
    let Some(left) = left else {
        if errors.len() < ERRORS_MAX {
            fits(value, expected, path, errors);
        }
        return;
    };
    let (segment, rest) = left
        .split_once('.')
        .map_or((left, None), |(segment, rest)| (segment, Some(rest)));
    let (name, in_items) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
    let Some(member) = value.get(name) else { return };
    let before = path.len();
    if before > 0 {
        path.push('.');
    }
    path.push_str(name);
    match member {
        Value::Array(items) if in_items => {
            let named = path.len();
            for (idx, item) in items.iter().enumerate() {
                path.push_str(&format!("[{idx}]"));
                check(item, rest, expected, path, errors);
                path.truncate(named);
            }
        }
        _ if in_items => {}
        member => check(member, rest, expected, path, errors),
    }
    path.truncate(before);
}

fn fits(value: &Value, expected: &FieldType, path: &mut String, errors: &mut Vec<PayloadError>) {
    match (expected, value) {
        (_, Value::Null)
        | (FieldType::Any, _)
        | (FieldType::String, Value::String(_))
        | (FieldType::Bool, Value::Bool(_))
        | (FieldType::Float, Value::Number(_))
        | (FieldType::Object, Value::Object(_)) => {}
        (FieldType::Int, Value::Number(number)) if number.is_i64() || number.is_u64() => {}
        (FieldType::List(expected), Value::Array(items)) => {
            let named = path.len();
            for (idx, item) in items.iter().enumerate() {
                path.push_str(&format!("[{idx}]"));
                fits(item, expected, path, errors);
                path.truncate(named);
            }
        }
        (FieldType::Map(expected), Value::Object(members)) => {
            let named = path.len();
            for (name, member) in members {
                path.push('.');
                path.push_str(name);
                fits(member, expected, path, errors);
                path.truncate(named);
            }
        }
        _ if errors.len() < ERRORS_MAX => errors.push(error(path.clone(), expected, value)),
        _ => {}
    }
}

fn error(path: String, expected: &FieldType, value: &Value) -> PayloadError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    PayloadError {
        path,
        expected: expected.to_string(),
        found,
    }
}
