//! Rust names for the names of the catalogue.

use std::collections::BTreeSet;

/// Words that Rust keeps for itself and the catalogue uses as names of fields.
const KEYWORDS: [&str; 8] = ["enum", "in", "mod", "move", "ref", "type", "use", "where"];

/// `eco_exam.created_v1` as `EcoExamCreatedV1`, `leaderID` as `LeaderId`.
pub(super) fn pascal(name: &str) -> String {
    words(name).iter().map(|word| capitalized(word)).collect()
}

/// `leaderID` as `leader_id`; what Rust reserves gets its `r#`.
pub(super) fn snake(name: &str) -> String {
    let snake = words(name).join("_");
    match snake.as_str() {
        // Each struct has an `extra` of its own.
        "extra" => "extra_".to_owned(),
        keyword if KEYWORDS.contains(&keyword) => format!("r#{keyword}"),
        _ => snake,
    }
}

/// The words of a name in lower case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for char in name.chars() {
        let starts = !before.is_ascii_alphanumeric() || (char.is_ascii_uppercase() && !before.is_ascii_uppercase());
        if char.is_ascii_alphanumeric() {
            if starts {
                words.push(String::new());
            }
            words
                .last_mut()
                .expect("the first character starts a word")
                .push(char.to_ascii_lowercase());
        }
        before = char;
    }
    words
}

/// The name of one item for the name of a list.
pub(super) fn singular(name: &str) -> &str {
    let without = |ending| name.strip_suffix(ending).filter(|rest| rest.len() > 2);
    without("_list")
        .or_else(|| without("s").filter(|rest| !rest.ends_with('s')))
        .unwrap_or(name)
}

/// The name for an object that sources name differently: their last words in common, at least two, or the shortest.
pub(super) fn common(names: &BTreeSet<String>) -> Option<String> {
    let split: Vec<Vec<String>> = names.iter().map(|name| words(name)).collect();
    let shortest = names.iter().min_by_key(|name| name.len())?;
    let length = words(shortest).len();
    let shared = (2..=length).rev().find(|count| {
        let tails: BTreeSet<_> = split
            .iter()
            .map(|words| &words[words.len().saturating_sub(*count)..])
            .collect();
        tails.len() == 1
    });
    Some(match shared {
        Some(count) => words(shortest)[length - count..]
            .iter()
            .map(|word| capitalized(word))
            .collect(),
        None => shortest.clone(),
    })
}

/// An SDK's name of an object without the envelope's version before and the domain's version behind:
/// `P1AppOpenApplicantV6` as `AppOpenApplicant`.
pub(super) fn bare(object: &str) -> String {
    let mut words = words(object);
    if words.len() > 2 && words.first().is_some_and(|word| word == "p1" || word == "p2") {
        words.remove(0);
    }
    let is_version = |word: &String| {
        word.strip_prefix('v')
            .is_some_and(|digits| digits.parse::<u8>().is_ok())
    };
    if words.len() > 1 && words.last().is_some_and(is_version) {
        words.pop();
    }
    words.iter().map(|word| capitalized(word)).collect()
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rust_names() {
        assert_eq!(
            pascal("application.app_version.publish_revoke_v6"),
            "ApplicationAppVersionPublishRevokeV6"
        );
        assert_eq!(pascal("leave_approvalV2"), "LeaveApprovalV2");
        assert_eq!(
            (snake("leaderID"), snake("type")),
            ("leader_id".into(), "r#type".into())
        );
        assert_eq!(bare("P1LeaveApprovalI18nResourceV4"), "LeaveApprovalI18nResource");
    }

    #[test]
    fn objects_of_many_names_are_called_by_what_the_names_share() {
        let name = |names: [&str; 2]| common(&names.map(str::to_owned).into()).unwrap();
        assert_eq!(name(["DepartmentI18nName", "ProductI18nName"]), "I18nName");
        assert_eq!(name(["AppStatusChangeOperator", "UserId"]), "UserId");
    }
}
