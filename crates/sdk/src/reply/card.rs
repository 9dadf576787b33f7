//! What a click on a card is answered.

use larkspur_events::card::{
    ActionTriggerReply, ActionTriggerReplyCard, ActionTriggerReplyCardType, ActionTriggerReplyToast,
    ActionTriggerReplyToastType, ActionTriggerV1Reply,
};
use serde_json::{Value, json};

use super::{Answer, BoxError, IntoReply, Json};

/// What a handler of [`ActionTrigger`](crate::events::card::ActionTrigger) answers: a line of text that the user sees
/// for a moment, another card in the place of the one that was clicked, both, or nothing.
///
/// ```
/// use larkspur::events::card::ActionTrigger;
/// use larkspur::{CardReply, Event, Router};
///
/// async fn on_click(Event(click): Event<ActionTrigger>) -> CardReply {
///     match click.action.and_then(|action| action.tag) {
///         Some(tag) if tag == "button" => CardReply::success("done").translated("zh_cn", "完成"),
///         _ => CardReply::nothing(),
///     }
/// }
///
/// let router: Router = Router::new().on(on_click);
/// ```
///
/// The answer has to come within three seconds, and a callback is not pushed again: a handler that fails, or returns an
/// error, makes Feishu show one. Only handlers of clicks can return it:
///
/// ```compile_fail
/// use larkspur::events::card::ActionTriggerV1;
/// use larkspur::{CardReply, Event, Router};
///
/// async fn on_old_click(_: Event<ActionTriggerV1>) -> CardReply {
///     CardReply::success("done")
/// }
///
/// let router: Router = Router::new().on(on_old_click);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct CardReply(ActionTriggerReply);

impl CardReply {
    /// Nothing is shown, and the card stays.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Shows a line of text.
    pub fn toast(text: impl Into<String>) -> Self {
        Self::show(ActionTriggerReplyToastType::Info, text)
    }

    /// Shows a line of text as good news.
    pub fn success(text: impl Into<String>) -> Self {
        Self::show(ActionTriggerReplyToastType::Success, text)
    }

    /// Shows a line of text as a warning.
    pub fn warning(text: impl Into<String>) -> Self {
        Self::show(ActionTriggerReplyToastType::Warning, text)
    }

    /// Shows a line of text as an error.
    pub fn error(text: impl Into<String>) -> Self {
        Self::show(ActionTriggerReplyToastType::Error, text)
    }

    fn show(kind: ActionTriggerReplyToastType, text: impl Into<String>) -> Self {
        Self(ActionTriggerReply {
            toast: Some(ActionTriggerReplyToast {
                r#type: Some(kind),
                content: Some(text.into()),
                ..ActionTriggerReplyToast::default()
            }),
            ..ActionTriggerReply::default()
        })
    }

    /// The line of text for users of a language, such as `zh_cn` or `en_us`.
    pub fn translated(mut self, language: impl Into<String>, text: impl Into<String>) -> Self {
        let toast = self.0.toast.get_or_insert_default();
        toast.i18n.get_or_insert_default().insert(language.into(), text.into());
        self
    }

    /// Puts this card in the place of the one that was clicked.
    pub fn card(self, card: Value) -> Self {
        self.replace(ActionTriggerReplyCardType::Raw, card)
    }

    /// Puts a card made from a template in the place of the one that was clicked.
    pub fn template(self, template_id: &str, variables: Value) -> Self {
        let data = json!({ "template_id": template_id, "template_variable": variables });
        self.replace(ActionTriggerReplyCardType::Template, data)
    }

    fn replace(mut self, kind: ActionTriggerReplyCardType, data: Value) -> Self {
        self.0.card = Some(ActionTriggerReplyCard {
            r#type: Some(kind),
            data: Some(data),
            ..ActionTriggerReplyCard::default()
        });
        self
    }
}

impl From<CardReply> for ActionTriggerReply {
    fn from(reply: CardReply) -> Self {
        reply.0
    }
}

impl IntoReply<ActionTriggerReply> for CardReply {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Json(self.0).into_reply()
    }
}

/// The old card callback is answered with a card, or with a toast.
impl IntoReply<ActionTriggerV1Reply> for Value {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Json(self).into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: CardReply) -> Value {
        let answer = reply.into_reply().unwrap().0.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    #[test]
    fn a_reply_has_the_form_of_the_official_page() {
        assert_eq!(written(CardReply::nothing()), json!({}));
        let toast = CardReply::warning("late").translated("zh_cn", "晚了");
        assert_eq!(
            written(toast),
            json!({ "toast": { "type": "warning", "content": "late", "i18n": { "zh_cn": "晚了" } } })
        );
        let template = CardReply::nothing().template("AAq1", json!({ "name": "x" }));
        assert_eq!(
            written(template),
            json!({ "card": {
                "type": "template",
                "data": { "template_id": "AAq1", "template_variable": { "name": "x" } },
            } })
        );
        let both = CardReply::toast("done").card(json!({ "schema": "2.0" }));
        assert_eq!(
            written(both)["card"],
            json!({ "type": "raw", "data": { "schema": "2.0" } })
        );
    }
}
