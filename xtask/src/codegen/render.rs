//! The text of one generated module, laid out as rustfmt would.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::model::{Enum, Module, RustType, Struct};
use super::names;

impl Module {
    /// The structs and enums, after the lines that import what they use.
    pub(super) fn render(&self) -> anyhow::Result<String> {
        let mut body = String::new();
        for object in &self.structs {
            self.render_struct(object, &mut body)?;
        }
        for values in &self.enums {
            values.render(&mut body)?;
        }
        let mut text = String::new();
        let uses = |word: &str| body.contains(word);
        if uses("BTreeMap<") {
            text.push_str("use std::collections::BTreeMap;\n\n");
        }
        match (uses("<Map<"), uses("<Value>")) {
            (true, _) => text.push_str("use serde_json::{Map, Value};\n\n"),
            (false, true) => text.push_str("use serde_json::Value;\n\n"),
            (false, false) => {}
        }
        let ours = [
            ("impl EventType", "EventType"),
            (": Extra", "Extra"),
            ("Schema::", "Schema"),
        ];
        let ours: Vec<_> = ours
            .into_iter()
            .filter(|(word, _)| uses(word))
            .map(|(_, name)| name)
            .collect();
        text.push_str("use crate::object::object;\n");
        if !self.enums.is_empty() {
            text.push_str("use crate::open_enum::open_enum;\n");
        }
        writeln!(text, "use crate::{{{}}};", ours.join(", "))?;
        Ok(text + &body)
    }

    fn render_struct(&self, object: &Struct, text: &mut String) -> fmt::Result {
        let name = &object.name;
        text.push('\n');
        for doc in &object.docs {
            docs("", doc, text)?;
        }
        writeln!(
            text,
            "#[derive(Clone, Debug, Default, PartialEq)]\npub struct {name} {{"
        )?;
        for field in &object.fields {
            if let Some(doc) = &field.doc {
                docs("    ", doc, text)?;
            }
            let ident = names::snake(&field.names[0]);
            writeln!(text, "    pub {ident}: Option<{}>,", self.type_text(&field.rust_type))?;
        }
        writeln!(text, "    pub extra: Extra,\n}}\n")?;
        if object.fields.is_empty() {
            writeln!(text, "object!({name} {{}});")?;
        } else {
            writeln!(text, "object!({name} {{")?;
            for field in &object.fields {
                let quoted: Vec<String> = field.names.iter().map(|name| format!("{name:?}")).collect();
                writeln!(text, "    {} = {},", names::snake(&field.names[0]), quoted.join(" | "))?;
            }
            writeln!(text, "}});")?;
        }
        if let Some(event) = &object.event {
            let reply = event.reply.map_or("()", |idx| &self.structs[idx].name);
            writeln!(text, "\nimpl EventType for {name} {{")?;
            writeln!(text, "    const KEY: &'static str = {:?};", event.key)?;
            writeln!(
                text,
                "    const SCHEMA: Schema = Schema::{};\n    type Reply = {reply};\n    crate::object::reading!();\n}}",
                event.schema
            )?;
        }
        Ok(())
    }

    fn type_text(&self, rust_type: &RustType) -> String {
        match rust_type {
            RustType::Plain(text) => (*text).to_owned(),
            RustType::Enum(idx) => self.enums[*idx].name.clone(),
            RustType::Struct(idx) => self.structs[*idx].name.clone(),
            RustType::List(item) => format!("Vec<{}>", self.type_text(item)),
            RustType::Map(item) => format!("BTreeMap<String, {}>", self.type_text(item)),
        }
    }
}

impl Enum {
    fn render(&self, text: &mut String) -> anyhow::Result<()> {
        let Self { name, base, values } = self;
        let mut arms: Vec<(String, &str)> = values
            .iter()
            .map(|(value, arm)| (names::pascal(arm), &**value))
            .collect();
        let distinct: BTreeSet<&String> = arms.iter().map(|(arm, _)| arm).collect();
        anyhow::ensure!(distinct.len() == arms.len(), "two values of `{name}` have one name");
        let copy = if *base == "i64" {
            for (_, value) in &arms {
                value
                    .parse::<i64>()
                    .map_err(|_| anyhow::anyhow!("`{value}` of `{name}` is no number"))?;
            }
            arms.sort_by_key(|(_, value)| value.parse::<i64>().ok());
            "Copy, "
        } else {
            ""
        };
        writeln!(
            text,
            "\n#[derive(Clone, {copy}Debug, PartialEq, Eq)]\npub enum {name} {{"
        )?;
        for (arm, _) in &arms {
            writeln!(text, "    {arm},")?;
        }
        writeln!(
            text,
            "    /// A value that the catalogue does not list.\n    Unlisted({base}),\n}}\n"
        )?;
        writeln!(text, "open_enum!({name}: {base} {{")?;
        for (arm, value) in &arms {
            let value = if *base == "i64" {
                (*value).to_owned()
            } else {
                format!("{value:?}")
            };
            writeln!(text, "    {arm} = {value},")?;
        }
        writeln!(text, "}});")?;
        Ok(())
    }
}

fn docs(indent: &str, doc: &str, text: &mut String) -> fmt::Result {
    for line in doc.lines() {
        writeln!(text, "{}", format!("{indent}/// {line}").trim_end())?;
    }
    Ok(())
}
