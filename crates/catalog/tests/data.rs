//! Holds the data files to their schemas, to each other and to the examples.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use larkspur_catalog::{Catalog, EventTypeFacts, FieldType, ScopeRule};
use serde_json::Value;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog").join(path)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(data(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn there_are_252_event_types_4_callbacks_214_examples_and_166_scopes() {
    let catalog = Catalog::embedded();
    assert_eq!(catalog.iter().count(), 252);
    assert_eq!(catalog.callbacks().count(), 4);
    assert_eq!(catalog.iter().filter(|facts| facts.example().is_some()).count(), 214);
    assert_eq!(files("examples").len(), 214);
    assert_eq!(catalog.scopes().count(), 166);
}

#[test]
fn every_file_fits_its_schema() {
    let schema = |name: &str| jsonschema::validator_for(&json(&data(name))).unwrap();
    let check = |schema: &jsonschema::Validator, path: &Path| {
        let errors: Vec<String> = schema.iter_errors(&json(path)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    };
    let event = schema("schema/event.schema.json");
    for path in files("events") {
        check(&event, &path);
    }
    check(&schema("schema/callbacks.schema.json"), &data("callbacks.json"));
    check(&schema("schema/scopes.schema.json"), &data("scopes.json"));
    check(&schema("schema/exceptions.schema.json"), &data("exceptions.json"));
}

#[test]
fn a_file_that_breaks_the_schema_is_found() {
    let schema = jsonschema::validator_for(&json(&data("schema/event.schema.json"))).unwrap();
    let mut facts = json(&data("events/app_ticket.json"));
    assert!(schema.is_valid(&facts));
    facts["fields"][0][1] = "number".into();
    assert!(!schema.is_valid(&facts));
}

#[test]
fn examples_agree_with_their_fields_except_those_that_contradict_themselves() {
    let exceptions: BTreeMap<String, Value> = serde_json::from_value(json(&data("exceptions.json"))).unwrap();
    let mut disagree = BTreeMap::new();
    let mut agree = 0;
    for facts in Catalog::embedded().iter() {
        let Some(example) = facts.example() else { continue };
        let example: Value = serde_json::from_str(example).unwrap();
        let mut wrong = unlisted(facts, &example["event"]);
        wrong.extend(
            facts
                .contradictions(&example["event"])
                .into_iter()
                .map(|error| error.to_string()),
        );
        assert_eq!(facts.validate(&example["event"]), Ok(()), "{}", facts.event_type);
        if wrong.is_empty() {
            agree += 1;
        } else {
            disagree.insert(facts.event_type.clone(), wrong);
        }
    }
    let found = |exception: &Value| serde_json::from_value::<BTreeSet<String>>(exception["found"].clone()).unwrap();
    let expected: BTreeMap<_, _> = exceptions
        .iter()
        .map(|(name, exception)| (name.clone(), found(exception)))
        .collect();
    assert_eq!(
        disagree,
        expected,
        "{}",
        serde_json::to_string_pretty(&disagree).unwrap()
    );
    assert_eq!((agree, disagree.len()), (207, 7));
}

/// Members of an example that the field list does not have.
fn unlisted(facts: &EventTypeFacts, payload: &Value) -> BTreeSet<String> {
    let listed = facts
        .fields
        .iter()
        .map(|field| (field.path.as_str(), &field.field_type))
        .collect();
    let mut found = BTreeSet::new();
    walk(payload, "", &listed, &mut found);
    found
}

fn walk(value: &Value, path: &str, listed: &BTreeMap<&str, &FieldType>, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(_) if matches!(listed.get(path), Some(FieldType::Map(_) | FieldType::Any)) => {}
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                if listed.contains_key(path.as_str()) {
                    walk(member, &path, listed, found);
                } else {
                    found.insert(format!("`{path}` is not listed"));
                }
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .filter(|item| item.is_object())
                .for_each(|item| walk(item, &format!("{path}[]"), listed, found));
        }
        _ => {}
    }
}

#[test]
fn samples_of_callbacks_are_their_examples_and_agree_with_their_fields() {
    let mut examples = 0;
    for facts in Catalog::embedded().callbacks() {
        let sample = facts.sample();
        assert_eq!(facts.contradictions(&sample), [], "{}", facts.event_type);
        assert_eq!(unlisted(facts, &sample), BTreeSet::new(), "{}", facts.event_type);
        if let Some(example) = facts.example() {
            let example: Value = serde_json::from_str(example).unwrap();
            assert_eq!(example["header"]["event_type"], facts.event_type.as_str());
            assert_eq!(sample, example["event"]);
            examples += 1;
        }
    }
    assert_eq!(examples, 2);
}

#[test]
fn made_up_samples_fit_their_own_fields() {
    let mut made_up = 0;
    for facts in Catalog::embedded().iter().filter(|facts| facts.example().is_none()) {
        let sample = facts.sample();
        assert_eq!(facts.validate(&sample), Ok(()), "{}", facts.event_type);
        assert_ne!(sample, serde_json::json!({}), "{}", facts.event_type);
        made_up += 1;
    }
    assert_eq!(made_up, 252 - 214);
}

#[test]
fn scopes_that_types_and_callbacks_name_exist() {
    let catalog = Catalog::embedded();
    for facts in catalog.iter().chain(catalog.callbacks()) {
        let fields = facts.fields.iter().flat_map(|field| &field.scopes);
        let subscribe = match &facts.scopes {
            ScopeRule::AnyOf(scopes) => scopes.as_slice(),
            _ => &[],
        };
        for scope in fields.chain(subscribe) {
            assert!(catalog.scope(scope).is_some(), "{}: {scope}", facts.event_type);
        }
    }
}

#[test]
fn files_are_named_after_their_types_and_no_field_is_listed_twice() {
    let catalog = Catalog::embedded();
    for facts in catalog.iter() {
        assert!(data(&format!("events/{}.json", facts.event_type)).exists());
    }
    for facts in catalog.iter().chain(catalog.callbacks()) {
        let paths: BTreeSet<&str> = facts.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths.len(), facts.fields.len(), "{}", facts.event_type);
    }
}

#[test]
fn what_an_addressed_type_names_is_a_field_of_it() {
    let mut addressed = 0;
    for facts in Catalog::embedded().iter() {
        let Some(how) = &facts.addressed else { continue };
        addressed += 1;
        for reference in how.by.iter().chain(&how.binds) {
            let field = facts.fields.iter().find(|field| field.path == reference.path).unwrap();
            assert_eq!(field.field_type, FieldType::String);
        }
    }
    assert_eq!(addressed, 4);
}

#[test]
fn every_field_of_the_five_seed_events_is_documented() {
    for event_type in [
        "hire.eco_background_check.created_v1",
        "hire.eco_background_check.canceled_v1",
        "hire.eco_exam.created_v1",
        "corehr.job_change.status_updated_v2",
        "application.application.app_version.publish_revoke_v6",
    ] {
        let facts = Catalog::embedded().find(event_type).unwrap();
        assert!(facts.fields.iter().all(|field| field.doc.is_some()), "{event_type}");
    }
}

#[test]
fn a_folder_of_the_same_form_gives_the_same_catalogue() {
    let read = Catalog::from_dir(&data("")).unwrap();
    // The compiler embeds new files only when it compiles the crate anew.
    assert!(
        format!("{read:?}") == format!("{:?}", Catalog::embedded()),
        "the embedded catalogue is stale: run `cargo clean -p larkspur-catalog`"
    );
}

#[test]
fn fields_whose_scope_is_not_held_are_withheld() {
    let facts = Catalog::embedded().find("corehr.job_change.status_updated_v2").unwrap();
    assert_eq!(facts.withheld_paths(&|_| false), ["target_user_id.user_id"]);
    assert!(
        facts
            .withheld_paths(&|scope| scope == "contact:user.employee_id:readonly")
            .is_empty()
    );
}

#[test]
fn another_spelling_of_a_field_is_withheld_with_it() {
    let mut spellings = 0;
    for facts in Catalog::embedded().iter() {
        let withheld = facts.withheld_paths(&|_| false);
        for field in facts.fields.iter().filter(|field| field.spelling_of.is_some()) {
            let (parent, _) = field.path.rsplit_once('.').unwrap();
            let spelled = format!("{parent}.{}", field.spelling_of.as_ref().unwrap());
            assert_eq!(
                withheld.contains(&field.path.as_str()),
                withheld.contains(&spelled.as_str()),
                "{} {}",
                facts.event_type,
                field.path
            );
            spellings += 1;
        }
    }
    assert_eq!(spellings, 12);
    let facts = Catalog::embedded().find("contact.department.created_v3").unwrap();
    let withheld = facts.withheld_paths(&|_| false);
    assert!(withheld.contains(&"object.leaders[].leaderID") && withheld.contains(&"object.leaders[].leader_id"));
}

#[test]
fn what_is_below_a_field_that_sources_contradict_each_other_about_is_not_checked() {
    let facts = Catalog::embedded().find("helpdesk.ticket_message.created_v1").unwrap();
    let payload = |comments: Value| serde_json::json!({ "ticket": { "comments": comments } });
    for comments in [
        serde_json::json!({ "id": "a word" }),
        serde_json::json!([1]),
        serde_json::json!(7),
    ] {
        assert_eq!(facts.validate(&payload(comments)), Ok(()));
    }
    let list = facts.contradictions(&payload(serde_json::json!([{ "id": "a word" }])));
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].to_string(), "`ticket.comments` should be object, and is a list");
}

#[test]
fn at_most_20_errors_are_answered() {
    let facts = Catalog::embedded()
        .find("hire.eco_background_check.created_v1")
        .unwrap();
    let wrong = serde_json::json!({ "additional_item_id_list": vec![1; 1000], "comment": 1 });
    assert_eq!(facts.validate(&wrong).unwrap_err().len(), 20);
}

#[test]
fn unknown_fields_nulls_and_unknown_values_pass_and_wrong_types_do_not() {
    let facts = Catalog::embedded().find("corehr.job_change.status_updated_v2").unwrap();
    let fine = serde_json::json!({ "status": 99, "brand_new": {"x": 1}, "process_id": null });
    assert_eq!(facts.validate(&fine), Ok(()));
    let wrong = serde_json::json!({
        "status": "4", "target_user_id": {"open_id": 1}, "details_of_job_status_change": ["a", 2],
    });
    let errors: Vec<String> = facts
        .validate(&wrong)
        .unwrap_err()
        .into_iter()
        .map(|error| error.path)
        .collect();
    assert_eq!(
        errors,
        ["target_user_id.open_id", "status", "details_of_job_status_change[1]"]
    );
    assert_eq!(facts.validate(&serde_json::json!([])).unwrap_err().len(), 1);
}
