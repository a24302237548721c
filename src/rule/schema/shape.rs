//! What the types of a rule file cannot say of its schema: which keys must be there, what may not be empty, what does
//! not go together. So that what `check` refuses by its shape an editor underlines, and nothing else.

use serde_json::{Map, Value, json};

use super::super::file::MAX_NAME;

/// A text that holds something.
const TEXT: &str = r"\S";

/// A name, which does not begin with a bracket: those are built in.
const NAME: &str = r"^\s*[^\s(]";

/// Makes a schema of types one of shapes.
pub(super) fn enforce(schema: &mut Value) {
    tighten(schema);
    let name = json!({ "type": "string", "pattern": NAME, "maxLength": MAX_NAME });
    set(schema, "/properties/subscriptions", "propertyNames", &name);
    set(schema, "/properties/receivers", "propertyNames", &name);
    let id = json!({ "type": "string", "pattern": r"^\s*[^\s*?,]+\s*$" });
    let ids = json!({ "anyOf": [id, { "type": "array", "items": id, "minItems": 1 }] });
    set(schema, "/properties/subscriptions", "additionalProperties", &ids);
    for list in ["/properties/rules", "/properties/tests"] {
        set(schema, list, "minItems", &json!(0));
    }
    for (object, required) in REQUIRED {
        set(schema, &format!("/$defs/{object}"), "required", &json!(required));
    }
    replace(schema, "Rule", "name", &name);
    replace(schema, "Test", "name", &name);
    set(
        schema,
        "/$defs/Rule",
        "anyOf",
        &json!([{ "required": ["notify"] }, { "required": ["invite"] }]),
    );
    set(schema, "/$defs/Pair", "minProperties", &json!(1));
    set(schema, "/$defs/Lasted", "minProperties", &json!(1));
    set(schema, "/$defs/Address", "minProperties", &json!(1));
    set(schema, "/$defs/Address", "maxProperties", &json!(1));
    let secret = json!({ "type": "string", "pattern": r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$" });
    replace(schema, "Secret", "secret", &secret);
    let address = json!({ "type": "string", "pattern": r#"^\s*[^\s<>@]+@[^\s<>@#?*!%&'()+,/;=\\^`{|}~"$]+\s*$"# });
    let addresses = json!({ "anyOf": [address, { "type": "array", "items": address, "minItems": 1 }] });
    replace(schema, "Address", "email", &addresses);
    let beside = json!({ "impact": { "not": { "anyOf": [{ "required": ["service"] }, { "required": ["region"] }] } } });
    set(schema, "/$defs/Condition", "dependentSchemas", &beside);
    // an `unless` that is empty takes everything away
    let one = json!({ "allOf": [{ "$ref": "#/$defs/Condition" }, { "minProperties": 1 }] });
    let unless = json!({ "anyOf": [one, { "type": "array", "items": one }] });
    replace(schema, "Rule", "unless", &unless);
}

/// The keys that must be there; all others may be left out.
const REQUIRED: [(&str, &[&str]); 7] = [
    ("Rule", &["name", "when"]),
    ("Condition", &[]),
    ("ReceiverTable", &["to"]),
    ("Test", &["name", "event", "expect"]),
    ("TestEvent", &[]),
    ("Lasted", &[]),
    ("TestImpact", &["service"]),
];

fn set(schema: &mut Value, at: &str, key: &str, value: &Value) {
    let object = schema.pointer_mut(at).and_then(Value::as_object_mut);
    let object = object.expect("a test reads the schema");
    object.insert(key.to_owned(), value.clone());
}

/// Puts a schema in place of a key's, with its description.
fn replace(schema: &mut Value, object: &str, key: &str, instead: &Value) {
    let mut instead = instead.clone();
    let described = schema.pointer(&format!("/$defs/{object}/properties/{key}/description"));
    instead["description"] = described.cloned().unwrap_or_default();
    set(schema, &format!("/$defs/{object}/properties"), key, &instead);
}

/// A key that may be left out is still no `null`; texts are not blank, and lists not empty.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            without_null(object);
            let is_plain = object.get("type") == Some(&json!("string"));
            if is_plain && !["enum", "const", "pattern"].iter().any(|key| object.contains_key(*key)) {
                object.insert("pattern".to_owned(), TEXT.into());
            }
            if object.get("type") == Some(&json!("array")) && !object.contains_key("minItems") {
                object.insert("minItems".to_owned(), 1.into());
            }
            object.values_mut().for_each(tighten);
        }
        Value::Array(items) => items.iter_mut().for_each(tighten),
        _ => {}
    }
}

fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|one| one.get("type") != Some(&json!("null")));
    }
}
