//! What `check` says of secrets, and of customers whom nobody would tell anything.

use std::path::Path;

use crate::config::Settings;
use crate::daemon;
use crate::folder::secrets::{named, trouble};
use crate::problem::{Problem, Severity};
use crate::rule::RuleSet;

/// Each secret that settings and rule files name and that cannot be used, with its file and the reason. A secret that is
/// not there is a warning, where it is known in which directory it should be: it may come later, and is awaited.
pub fn problems(settings: &Settings, rules: &RuleSet, folder: &Path) -> Vec<Problem> {
    let secrets = daemon::secrets(settings);
    let knows_directory = secrets.directory.is_some();
    let mut problems = Vec::new();
    for (secret, used) in named(rules) {
        let Some(why) = trouble(&secrets, &secret, &used, settings.allow_private_receivers) else {
            continue;
        };
        let own = format!("{}/secrets", secret.customer);
        let severity = match secrets.stamp(&secret.customer, &secret.name).is_empty() {
            true if !knows_directory && !folder.join(&own).is_dir() => continue,
            true => Severity::Warning,
            false => Severity::Error,
        };
        problems.push(Problem::of_file(severity, &format!("{own}/"), &why, None));
    }
    if knows_directory {
        let of_settings = daemon::settings_troubles(settings)
            .into_iter()
            .map(|why| (Severity::Error, why));
        let granted = daemon::granted_and_missing(settings)
            .into_iter()
            .map(|why| (Severity::Warning, why));
        let each = of_settings.chain(granted);
        problems.extend(each.map(|(severity, why)| Problem::of_file(severity, "the settings", &why, None)));
    }
    problems
}

/// Customers in the settings of whom there is no rule file.
pub fn customers_without_rules(settings: &Settings, rules: &RuleSet, files: &[String]) -> Vec<Problem> {
    let customers = settings
        .customers
        .by_name
        .iter()
        .flatten()
        .map(|(customer, _)| customer);
    let silent = customers.filter(|customer| {
        let folder = format!("{customer}/");
        rules.files_of(customer).next().is_none() && !files.iter().any(|file| file.starts_with(&folder))
    });
    let told = silent.map(|customer| {
        let what =
            format!("the customer `{customer}` is in the settings and has no rules: nobody is told of its events");
        let hint = "put its rule files into this folder, or take it out of the settings";
        Problem::of_file(Severity::Warning, &format!("{customer}/"), &what, Some(hint))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::rules::{Decides, Folder};

    const RULES: &str = "receivers: { a: [{ webhook: { url: { secret: url }, signing: { secret: key } } }] }\n\
        rules: [{ name: all, when: {}, notify: a }]\n";

    fn checked(dir: &std::path::Path, settings: &str) -> Vec<(bool, String)> {
        fs::write(dir.join("bellwether.yaml"), settings).expect("a file");
        let decides = Decides::of_settings(&dir.join("bellwether.yaml"));
        let folder = Folder::read(Some(&dir.join("rules")), &decides).expect("is read");
        folder
            .beside
            .iter()
            .map(|problem| (problem.is_error(), problem.what.clone()))
            .collect()
    }

    #[test]
    fn check_names_each_bad_secret_and_each_customer_without_rules() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("rules/contoso")).expect("folders");
        fs::write(at("rules/contoso/a.yaml"), RULES).expect("a file");
        // where nobody says in which directory secrets are, none is missed
        assert_eq!(checked(dir.path(), "log: text\n"), []);
        fs::create_dir_all(at("rules/contoso/secrets")).expect("folders");
        fs::write(at("rules/contoso/secrets/key"), "\"whsec_aHVudGVyMg==\"").expect("a file");
        let found = checked(dir.path(), "log: text\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found
                .iter()
                .any(|(is_error, what)| *is_error && what.contains("contoso/secrets/key has quotes")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|(is_error, what)| !*is_error && what.contains("`url`")),
            "{found:?}"
        );
        fs::write(at("rules/contoso/secrets/key"), "whsec_aHVudGVyMg==").expect("a file");
        fs::write(at("rules/contoso/secrets/url"), "https://contoso.example/x").expect("a file");
        fs::create_dir(at("secrets")).expect("a folder");
        fs::write(at("secrets/intake-token"), "").expect("a file");
        let settings = format!(
            "secrets: {}\ntokens: {{ intake: intake-token, read: read-token }}\n\
             customers: {{ contoso: {{ secrets: granted }}, fabrikam: {{ contact: f@example.com }} }}\n",
            at("secrets").display()
        );
        let found = checked(dir.path(), &settings);
        for (is_error, part) in [
            (true, "secrets/intake-token is empty"),
            (true, "there is no secret `read-token`"),
            (false, "the secret `granted` that `contoso` may name"),
            (false, "the customer `fabrikam` is in the settings and has no rules"),
        ] {
            assert!(
                found
                    .iter()
                    .any(|(error, what)| *error == is_error && what.contains(part)),
                "{part}: {found:?}"
            );
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
