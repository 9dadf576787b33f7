//! Holds answers against the OpenAPI document that the server itself serves.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::client::Answer;

/// The document, made strict: no answer may have a member that is not described.
#[derive(Debug)]
pub(crate) struct Contract {
    document: Value,
    driven: Mutex<BTreeSet<Outcome>>,
}

/// One documented outcome of one operation: `get`, `/healthz`, `200`.
pub(crate) type Outcome = (String, String, String);

/// One operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) statuses: BTreeSet<String>,
}

impl Contract {
    pub(crate) fn new(mut document: Value) -> Self {
        if let Some(components) = document.get_mut("components") {
            make_strict(components);
        }
        Self {
            document,
            driven: Mutex::default(),
        }
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let statuses = operation["responses"].as_object().unwrap().keys().cloned().collect();
                operations.push(Operation {
                    method: method.clone(),
                    path: path.clone(),
                    statuses,
                });
            }
        }
        operations
    }

    /// What is documented and was never seen.
    pub(crate) fn undriven(&self) -> Vec<Outcome> {
        let driven = self.driven.lock().unwrap();
        let documented = self.operations().into_iter().flat_map(|operation| {
            let Operation { method, path, statuses } = operation;
            statuses
                .into_iter()
                .map(move |status| (method.clone(), path.clone(), status))
        });
        documented.filter(|outcome| !driven.contains(outcome)).collect()
    }

    /// Asserts that the answer is one that the document allows for this request.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, target: &str, answer: &Answer) {
        let Some((path, operation)) = self.find(method, target) else {
            // Only paths and methods that the document does not know may be answered so.
            assert!(
                matches!(answer.status.as_u16(), 403..=405 | 421),
                "{method} {target}: {answer:?}"
            );
            assert_eq!(answer.content_type(), "application/problem+json");
            return;
        };
        let status = answer.status.as_str();
        let response = &operation["responses"][status];
        assert!(
            response.is_object(),
            "{method} {path} does not document {status}: {answer:?}"
        );
        self.driven
            .lock()
            .unwrap()
            .insert((method.to_lowercase(), path.to_owned(), status.to_owned()));
        let Some(content) = response["content"].as_object() else {
            assert!(
                answer.body.is_empty(),
                "{method} {path} {status} documents no body: {answer:?}"
            );
            return;
        };
        let schema = content.get(answer.content_type()).map(|content| &content["schema"]);
        let schema = schema.unwrap_or_else(|| panic!("{method} {path} {status}: {:?}", answer.content_type()));
        let validator = self.validator(schema);
        for body in bodies(answer) {
            let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{method} {path} {status}: {errors:#?}\n{body:#}");
        }
    }

    fn validator(&self, schema: &Value) -> jsonschema::Validator {
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    }

    fn find(&self, method: &str, target: &str) -> Option<(&str, &Value)> {
        let target: Vec<_> = target.split('?').next().unwrap().split('/').collect();
        let fits = |path: &str| {
            let path: Vec<_> = path.split('/').collect();
            path.len() == target.len()
                && path
                    .iter()
                    .zip(&target)
                    .all(|(segment, given)| segment.starts_with('{') || segment == given)
        };
        let paths = self.document["paths"].as_object().unwrap();
        // A path without parameters wins over one with, as in the router.
        let found = paths
            .iter()
            .filter(|(path, _)| fits(path))
            .min_by_key(|(path, _)| path.matches('{').count());
        let (path, item) = found?;
        Some((path, item.get(method.to_lowercase())?))
    }
}

fn bodies(answer: &Answer) -> Vec<Value> {
    if !answer.content_type().contains("json") {
        return Vec::new();
    }
    if answer.content_type() != "application/x-ndjson" {
        return vec![answer.json()];
    }
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Closes every object that lists its members.
fn make_strict(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(make_strict);
        }
        Value::Array(items) => items.iter_mut().for_each(make_strict),
        _ => {}
    }
}

#[test]
fn an_answer_with_a_member_too_many_is_noticed() {
    let mut schema = json!({"S": {"type": "object", "properties": {"a": {"type": "string"}}}});
    make_strict(&mut schema);
    let validator = jsonschema::validator_for(&schema["S"]).unwrap();
    assert!(validator.is_valid(&json!({"a": "x"})));
    assert!(!validator.is_valid(&json!({"a": "x", "b": 1})));
}
