//! A quick look whether a payload fits its type, taken while reading it and without building anything: nearly every
//! payload does. Where one does not, or it is not sure, [`EventTypeFacts::validate`] says what is wrong.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::facts::EventTypeFacts;
use crate::field::{Field, FieldType};

impl EventTypeFacts {
    /// Whether a payload fits for certain: it is JSON that can be built, and [`validate`](Self::validate) would find
    /// nothing.
    ///
    /// ```
    /// let facts = larkspur_catalog::Catalog::embedded().find("hire.eco_exam.created_v1").unwrap();
    /// assert!(facts.fits(r#"{"exam_id":"7","new":[1]}"#));
    /// assert!(!facts.fits(r#"{"exam_id":7}"#));
    /// ```
    pub fn fits(&self, payload: &str) -> bool {
        let shape = self.shape.get_or_init(|| Shape::of(self.checked_fields()));
        let mut reader = serde_json::Deserializer::from_str(payload);
        let top = Fit {
            shape: Some(shape),
            item_type: None,
        };
        // Every field may be null, but not all of it.
        payload.trim_ascii_start().starts_with('{') && top.deserialize(&mut reader).and_then(|()| reader.end()).is_ok()
    }
}

/// What stands at one place of a payload: the fields as a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    field_type: Option<FieldType>,
    members: Vec<(Box<str>, Shape)>,
    item: Option<Box<Shape>>,
}

impl Shape {
    fn of<'a>(fields: impl Iterator<Item = &'a Field>) -> Self {
        let mut top = Self {
            field_type: Some(FieldType::Object),
            ..Self::default()
        };
        for field in fields {
            let mut at = &mut top;
            for segment in field.path.split('.') {
                let name = segment.strip_suffix("[]");
                at = at.member(name.unwrap_or(segment));
                if name.is_some() {
                    at = at.item.get_or_insert_default();
                }
            }
            at.field_type = Some(field.field_type.clone());
        }
        top
    }

    fn member(&mut self, name: &str) -> &mut Self {
        let at = self.members.iter().position(|(known, _)| &**known == name);
        let at = at.unwrap_or_else(|| {
            self.members.push((name.into(), Self::default()));
            self.members.len() - 1
        });
        &mut self.members[at].1
    }
}

/// What a value is held against: the field it is, and the type that the list or map around it gives it.
#[derive(Clone, Copy)]
struct Fit<'a> {
    shape: Option<&'a Shape>,
    item_type: Option<&'a FieldType>,
}

impl<'a> Fit<'a> {
    fn types(self) -> impl Iterator<Item = &'a FieldType> {
        let own = self.shape.and_then(|shape| shape.field_type.as_ref());
        own.into_iter().chain(self.item_type)
    }

    fn takes<E: de::Error>(self, takes: impl Fn(&FieldType) -> bool) -> Result<(), E> {
        if self
            .types()
            .all(|field_type| *field_type == FieldType::Any || takes(field_type))
        {
            Ok(())
        } else {
            Err(E::custom("another type"))
        }
    }

    fn member(self, name: &str) -> Option<&'a Shape> {
        let mut members = self.shape?.members.iter();
        members.find(|(known, _)| &**known == name).map(|(_, shape)| shape)
    }
}

impl<'de> DeserializeSeed<'de> for Fit<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fit<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload that fits")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.takes(|field_type| *field_type == FieldType::Bool)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.takes(|field_type| matches!(field_type, FieldType::Int | FieldType::Float))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.takes(|field_type| *field_type == FieldType::Float)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.takes(|field_type| *field_type == FieldType::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.takes(|field_type| matches!(field_type, FieldType::List(_)))?;
        let item = Self {
            shape: self.shape.and_then(|shape| shape.item.as_deref()),
            item_type: self.types().find_map(|field_type| match field_type {
                FieldType::List(item) => Some(&**item),
                _ => None,
            }),
        };
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.takes(|field_type| matches!(field_type, FieldType::Object | FieldType::Map(_)))?;
        let item_type = self.types().find_map(|field_type| match field_type {
            FieldType::Map(item) => Some(&**item),
            _ => None,
        });
        while let Some(shape) = members.next_key_seed(Name(self))? {
            members.next_value_seed(Self { shape, item_type })?;
        }
        Ok(())
    }
}

/// The name of a member, of which only the field behind it is kept.
struct Name<'a>(Fit<'a>);

impl<'de, 'a> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<&'a Shape>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Option<&'a Shape>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.member(name))
    }
}
