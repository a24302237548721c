//! Values that several parts of the settings have.

use std::path::PathBuf;

use crate::problem::fields::Reading;
use crate::problem::yaml::{Node, Value};

/// The name of the secret that holds a password.
pub(super) fn password(reading: &Reading<'_>, node: &Node) -> Option<String> {
    if let Value::Map(_) = node.value {
        return reading.secret(node);
    }
    let hint = "put it into a file of the secrets directory and write `password: { secret: its-name }`";
    reading.error(node.place, "a password is not written in the settings", Some(hint));
    None
}

/// The text of `node` as `read` understands it, or a problem in its words.
pub(super) fn checked<T>(
    reading: &Reading<'_>,
    node: &Node,
    key: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let text = match (&node.value, key) {
        (Value::Number(written), "listen") => written.clone(),
        _ => reading.text(node, &format!("`{key}`"))?,
    };
    read(text.trim())
        .map_err(|what| reading.error(node.place, &what, None))
        .ok()
}

/// A path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    match text.chars().any(char::is_control) {
        true => Err("a path has no control characters".to_owned()),
        false => Ok(PathBuf::from(text)),
    }
}
