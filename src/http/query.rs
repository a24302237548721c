//! What stands behind the `?`.

use axum::http::Uri;

use super::refusal::Refusal;

/// The parameters of a request.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Those of this address.
    pub fn of(uri: &Uri) -> Self {
        Self::encoded(uri.query().unwrap_or_default().as_bytes())
    }

    /// Those that stand in this text, encoded as behind a `?`: a form's fields are, too.
    pub fn encoded(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The parameters but for these, encoded again; empty where there are none.
    pub fn without(&self, names: &[&str]) -> String {
        let others = self.0.iter().filter(|(key, _)| !names.contains(&key.as_str()));
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(others);
        text.finish()
    }

    /// The value of a parameter; empty counts as absent.
    pub fn one(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a parameter is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Refuses parameters that nobody reads: a mistyped `arrival=history` must not tell everybody.
    ///
    /// # Errors
    /// When there is one; its value may be a secret and is not repeated.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let unknown = self.0.iter().find(|(key, _)| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some((key, _)) => {
                let shown: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(Refusal::bad("there is no such parameter")
                    .field(shown)
                    .hint(format!("known here: {}", known.join(", "))))
            }
        }
    }

    /// A number between 1 and `most`.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.one(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| Refusal::bad(format!("not a number between 1 and {most}")).field(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &'static str) -> Query {
        Query::of(&Uri::from_static(text))
    }

    #[test]
    fn a_mistyped_parameter_is_refused_by_name_and_without_its_value() {
        let refusal = query("/v1/events?arival=hunter2")
            .only(&["arrival", "token"])
            .expect_err("unknown");
        assert_eq!(refusal.field.as_deref(), Some("arival"));
        assert!(
            refusal
                .hint
                .is_some_and(|hint| hint.contains("arrival") && !hint.contains("hunter2"))
        );
        assert!(query("/v1/events?token=x&arrival=").only(&["arrival", "token"]).is_ok());
    }

    #[test]
    fn values_are_decoded_and_numbers_have_limits() {
        assert_eq!(query("/?before=a%20b").one("before"), Some("a b"));
        assert_eq!(query("/?before=").one("before"), None);
        assert_eq!(query("/").number("limit", 50, 500).expect("the default"), 50);
        assert_eq!(query("/?limit=500").number("limit", 50, 500).expect("the most"), 500);
        for bad in ["/?limit=0", "/?limit=501", "/?limit=-1", "/?limit=ten"] {
            assert!(query(bad).number("limit", 50, 500).is_err(), "{bad}");
        }
    }
}
