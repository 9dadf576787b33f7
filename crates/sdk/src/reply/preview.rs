//! What is shown in the place of a link.

use larkspur_events::url::{PreviewGetReply, PreviewGetReplyCard, PreviewGetReplyInline, PreviewGetReplyInlineUrl};
use serde_json::Value;

use super::{Answer, BoxError, IntoReply, Json};

/// What a handler of [`PreviewGet`](crate::events::url::PreviewGet) answers: the line that stands for the link, a card
/// below the message, or both.
///
/// ```
/// use larkspur::events::url::PreviewGet;
/// use larkspur::{Event, Router, UrlPreviewReply};
///
/// async fn on_link(Event(link): Event<PreviewGet>) -> UrlPreviewReply {
///     let url = link.context.and_then(|context| context.url).unwrap_or_default();
///     UrlPreviewReply::title(format!("Ticket {url}")).image("img_v3_1")
/// }
///
/// let router: Router = Router::new().on(on_link);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct UrlPreviewReply(PreviewGetReply);

impl UrlPreviewReply {
    /// The link stays as it is.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// This line stands for the link.
    pub fn title(text: impl Into<String>) -> Self {
        let mut reply = Self::default();
        reply.inline().title = Some(text.into());
        reply
    }

    /// The line for users of a language, such as `zh_cn` or `en_us`.
    pub fn translated(mut self, language: impl Into<String>, text: impl Into<String>) -> Self {
        let titles = self.inline().i18n_title.get_or_insert_default();
        titles.insert(language.into(), text.into());
        self
    }

    /// The key of an uploaded image, shown before the line.
    pub fn image(mut self, image_key: impl Into<String>) -> Self {
        self.inline().image_key = Some(image_key.into());
        self
    }

    /// Where the line leads.
    pub fn url(mut self, url: PreviewGetReplyInlineUrl) -> Self {
        self.inline().url = Some(url);
        self
    }

    /// A card below the message, of type `raw` or `template`.
    pub fn card(mut self, card_type: impl Into<String>, data: Value) -> Self {
        self.0.card = Some(PreviewGetReplyCard {
            r#type: Some(card_type.into()),
            data: Some(data),
            ..PreviewGetReplyCard::default()
        });
        self
    }

    fn inline(&mut self) -> &mut PreviewGetReplyInline {
        self.0.inline.get_or_insert_default()
    }
}

impl From<UrlPreviewReply> for PreviewGetReply {
    fn from(reply: UrlPreviewReply) -> Self {
        reply.0
    }
}

impl IntoReply<PreviewGetReply> for UrlPreviewReply {
    fn into_reply(self) -> Result<Answer, BoxError> {
        Json(self.0).into_reply()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_has_the_form_of_the_official_page() {
        let reply = UrlPreviewReply::title("Ticket 7")
            .translated("zh_cn", "工单 7")
            .image("img_1")
            .card("raw", json!({ "schema": "2.0" }));
        let answer = reply.into_reply().unwrap().0.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&answer).unwrap(),
            json!({
                "inline": { "title": "Ticket 7", "i18n_title": { "zh_cn": "工单 7" }, "image_key": "img_1" },
                "card": { "type": "raw", "data": { "schema": "2.0" } },
            })
        );
    }
}
