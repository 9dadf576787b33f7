//! The generated source, read back by another parser and held against the catalogue.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use larkspur_catalog::{Catalog, Field, FieldType};
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Item, LitStr, Token, Type};

/// One generated module: structs and enums by name, members by field, structs by event type.
#[derive(Default)]
struct Source {
    structs: BTreeMap<String, BTreeMap<String, Type>>,
    enums: BTreeMap<String, Type>,
    members: BTreeMap<String, BTreeMap<String, String>>,
    events: BTreeMap<String, String>,
}

/// The inside of `object!`.
struct Object(String, BTreeMap<String, String>);

impl Parse for Object {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.parse()?;
        let body;
        syn::braced!(body in input);
        let mut members = BTreeMap::new();
        while !body.is_empty() {
            let field: Ident = body.parse()?;
            body.parse::<Token![=]>()?;
            members.insert(body.parse::<LitStr>()?.value(), field.to_string());
            while body.parse::<Option<Token![|]>>()?.is_some() {
                body.parse::<LitStr>()?;
            }
            body.parse::<Option<Token![,]>>()?;
        }
        Ok(Self(name.to_string(), members))
    }
}

fn source(text: &str) -> Source {
    let mut source = Source::default();
    for item in syn::parse_file(text).expect("it compiles").items {
        match item {
            Item::Struct(item) => {
                let fields = item
                    .fields
                    .into_iter()
                    .map(|field| (field.ident.expect("it has names").to_string(), field.ty));
                source.structs.insert(item.ident.to_string(), fields.collect());
            }
            Item::Enum(item) => {
                let unlisted = item
                    .variants
                    .into_iter()
                    .find(|arm| arm.ident == "Unlisted")
                    .expect("each has it");
                let base = unlisted.fields.into_iter().next().expect("it holds the value");
                source.enums.insert(item.ident.to_string(), base.ty);
            }
            Item::Macro(item) if item.mac.path.is_ident("object") => {
                let Object(name, members) = item.mac.parse_body().expect("the macro takes it");
                source.members.insert(name, members);
            }
            Item::Impl(item) => {
                let key = item.items.iter().find_map(|item| match item {
                    syn::ImplItem::Const(item) if item.ident == "KEY" => match &item.expr {
                        syn::Expr::Lit(syn::ExprLit {
                            lit: syn::Lit::Str(key),
                            ..
                        }) => Some(key.value()),
                        _ => None,
                    },
                    _ => None,
                });
                source
                    .events
                    .insert(key.expect("each event type has one"), last(&item.self_ty).0);
            }
            _ => {}
        }
    }
    source
}

/// The last name of a type, and its last argument.
fn last(ty: &Type) -> (String, Option<&Type>) {
    let Type::Path(path) = ty else {
        panic!("a type is a path")
    };
    let segment = path.path.segments.last().expect("a path has segments");
    let argument = match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments.args.last(),
        _ => None,
    };
    let argument = argument.map(|argument| match argument {
        syn::GenericArgument::Type(ty) => ty,
        _ => panic!("an argument is a type"),
    });
    (segment.ident.to_string(), argument)
}

impl Source {
    /// Compares a struct with the fields below a path, and counts them.
    fn compare(&self, name: &str, below: &str, fields: &[Field]) -> usize {
        let children: Vec<(&str, &Field)> = fields
            .iter()
            .filter_map(|field| Some((field.path.strip_prefix(below)?, field)))
            .filter(|(name, field)| !name.contains('.') && field.spelling_of.is_none())
            .collect();
        let found = &self.structs[name];
        assert_eq!(found.len(), children.len() + 1, "fields of `{name}` and its extra");
        assert_eq!(last(&found["extra"]).0, "Extra");
        let count = children.iter().map(|(member, field)| {
            let ty = &found[&self.members[name][*member]];
            let (option, Some(ty)) = last(ty) else {
                panic!("`{member}` of `{name}` has no argument")
            };
            assert_eq!(option, "Option");
            1 + self.compare_type(ty, field, &field.field_type, &field.path, fields)
        });
        count.sum()
    }

    fn compare_type(&self, ty: &Type, field: &Field, expected: &FieldType, path: &str, fields: &[Field]) -> usize {
        let (name, argument) = last(ty);
        if field.wire_ambiguous {
            assert_eq!(name, "Value", "{path}");
            return 0;
        }
        let base = self.enums.get(&name).map(last);
        assert!(base.is_some() || field.values.is_empty() || !matches!(expected, FieldType::String | FieldType::Int));
        let scalar = base.map_or(name.clone(), |(base, _)| base);
        let below = format!("{path}.");
        match (expected, argument) {
            (FieldType::String, None) => assert_eq!(scalar, "String", "{path}"),
            (FieldType::Int, None) => assert_eq!(scalar, "i64", "{path}"),
            (FieldType::Float, None) => assert_eq!(name, "f64", "{path}"),
            (FieldType::Bool, None) => assert_eq!(name, "bool", "{path}"),
            (FieldType::Any, None) => assert_eq!(name, "Value", "{path}"),
            (FieldType::Object, None) => return self.compare(&name, &below, fields),
            (FieldType::Object, Some(_)) => {
                assert!(name == "Map" && !fields.iter().any(|f| f.path.starts_with(&below)));
            }
            (FieldType::List(item), Some(ty)) => {
                assert_eq!(name, "Vec", "{path}");
                return self.compare_type(ty, field, item, &format!("{path}[]"), fields);
            }
            (FieldType::Map(item), Some(ty)) if name == "BTreeMap" => {
                return self.compare_type(ty, field, item, path, fields);
            }
            (FieldType::Map(item), Some(_)) => assert!(name == "Map" && **item == FieldType::Any, "{path}"),
            _ => panic!("`{path}` is {expected} and not `{name}`"),
        }
        0
    }
}

#[test]
fn the_generated_structs_have_the_fields_and_types_of_the_catalogue() {
    let root = crate::root().unwrap().join("crates/events/src/generated");
    let catalog = Catalog::embedded();
    let (mut types, mut replies, mut count, mut expected) = (0, 0, 0, 0);
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for facts in catalog.iter().chain(catalog.callbacks()) {
        let file = facts
            .version
            .as_ref()
            .map_or(facts.domain.clone(), |version| format!("{}/{version}", facts.domain));
        let path = root.join(&file).with_extension("rs");
        let source = sources
            .entry(file)
            .or_insert_with(|| source(&fs::read_to_string(path).unwrap()));
        count += source.compare(&source.events[&facts.event_type], "", &facts.fields);
        let raw: Vec<&str> = facts
            .fields
            .iter()
            .filter(|f| f.wire_ambiguous)
            .map(|f| f.path.as_str())
            .collect();
        let own = facts.fields.iter().filter(|field| {
            let inside = raw.iter().any(|raw| {
                field
                    .path
                    .strip_prefix(raw)
                    .is_some_and(|rest| rest.starts_with(['.', '[']))
            });
            field.spelling_of.is_none() && !inside
        });
        expected += own.count();
        let answer = format!("{}Reply", source.events[&facts.event_type]);
        if source.structs.contains_key(&answer) {
            count += source.compare(&answer, "", &facts.reply_fields);
            replies += 1;
        }
        expected += facts.reply_fields.len();
        types += 1;
    }
    assert_eq!((types, replies, count), (252 + 4, 4, expected));
}

#[test]
fn files_that_are_stale_missing_or_left_over_are_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = Path::new(super::GENERATED[0]).join("hire");
    fs::create_dir_all(root.path().join(&folder)).unwrap();
    for (name, text) in [("same.rs", "same"), ("stale.rs", "old"), ("left_over.rs", "")] {
        fs::write(root.path().join(&folder).join(name), text).unwrap();
    }
    let files = [("same.rs", "same"), ("stale.rs", "new"), ("missing.rs", "new")];
    let files = files.map(|(name, text)| (folder.join(name), text.to_owned())).into();
    let stale = super::stale(root.path(), &files).unwrap();
    let expected = [
        ("stale.rs", Some("new")),
        ("missing.rs", Some("new")),
        ("left_over.rs", None),
    ];
    assert_eq!(stale, expected.map(|(name, text)| (folder.join(name), text)).into());
}
