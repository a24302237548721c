//! The names of services and regions: which mean the same, and what somebody may have meant.
//!
//! A name nobody listed is not wrong, only unknown: it is compared as it is written, and linted.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fold;

/// How alike (0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.7;
/// What may stand before a service's name or be left out.
const MAKERS: [&str; 2] = ["azure", "microsoft"];

/// Services and regions by their folded names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Canonical names, by every folded name and id.
    services: BTreeMap<String, String>,
    /// Regions, by folded name.
    regions: BTreeMap<String, String>,
}

/// The file's shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    services: Vec<Service>,
    regions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    name: String,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
}

impl Catalogue {
    /// The one that comes with the program.
    pub fn shipped() -> Self {
        Self::parse(include_str!("catalogue.yaml")).expect("a test reads the shipped catalogue")
    }

    /// Reads an operator's own. A name that two services claim is an error.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        let mut catalogue = Self::default();
        for service in &file.services {
            catalogue.add(service)?;
        }
        for region in file.regions {
            let key = named(&region)?;
            if let Some(other) = catalogue.regions.insert(key, region.clone()) {
                return Err(format!("the region `{region}` is listed twice (`{other}`)"));
            }
        }
        Ok(catalogue)
    }

    fn add(&mut self, service: &Service) -> Result<(), String> {
        for name in std::iter::once(&service.name).chain(&service.also).chain(&service.ids) {
            let other = self.services.insert(named(name)?, service.name.clone());
            if let Some(other) = other.filter(|other| *other != service.name) {
                return Err(format!(
                    "`{name}` is claimed by two services: `{other}` and `{}`",
                    service.name
                ));
            }
        }
        Ok(())
    }

    /// What services are compared by: the folded canonical name. A known id decides over the name; a name may be an id.
    /// Unknown names fold to themselves.
    pub fn service_key(&self, name: &str, id: Option<&str>) -> String {
        let by_id = id.and_then(|id| self.services.get(&fold(id)).map(String::as_str));
        fold(by_id.or_else(|| self.service(name)).unwrap_or(name))
    }

    /// Whether this is a name, a former name or an id of a listed service.
    pub fn knows_service(&self, name: &str) -> bool {
        self.service(name).is_some()
    }

    /// Whether this is a listed region.
    pub fn knows_region(&self, name: &str) -> bool {
        self.regions.contains_key(&fold(name))
    }

    /// The canonical name of the listed service that looks most like `name`.
    pub fn closest_service(&self, name: &str) -> Option<String> {
        closest(&self.services, name)
    }

    /// The listed region that looks most like `name`.
    pub fn closest_region(&self, name: &str) -> Option<String> {
        self.reworded_region(name).or_else(|| closest(&self.regions, name))
    }

    /// The listed region that has the same words in another order (`Europe West`, `US East 2`), or with a group of the
    /// portal's list before it (`(US) East US`).
    fn reworded_region(&self, name: &str) -> Option<String> {
        let grouped = name.trim().strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let bare = grouped.map_or(name, |(_, name)| name);
        let words = |name: &str| {
            let words = name
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty());
            let mut words: Vec<String> = words.map(str::to_lowercase).collect();
            words.sort();
            words
        };
        let wanted = words(bare);
        let mut regions = self.regions.values();
        let same = regions.find(|region| fold(region) == fold(bare) || words(region) == wanted);
        same.cloned()
    }

    /// The canonical name of a listed service; a leading "Azure" or "Microsoft" makes no difference.
    fn service(&self, name: &str) -> Option<&str> {
        let key = fold(name);
        let bare = MAKERS.iter().find_map(|maker| key.strip_prefix(maker)).unwrap_or(&key);
        let with_maker = || {
            MAKERS
                .iter()
                .find_map(|maker| self.services.get(&format!("{maker}{bare}")))
        };
        let found = self
            .services
            .get(&key)
            .or_else(|| self.services.get(bare))
            .or_else(with_maker);
        found.map(String::as_str)
    }
}

fn named(name: &str) -> Result<String, String> {
    let key = fold(name);
    if key.is_empty() {
        Err("a name is empty".to_string())
    } else {
        Ok(key)
    }
}

fn closest(names: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let wanted = fold(name);
    let alike = |key: &str| strsim::normalized_damerau_levenshtein(key, &wanted);
    let scored = names.iter().map(|(key, canonical)| (alike(key), canonical));
    let best = scored
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(best.1.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_is_read_and_large() {
        let shipped = Catalogue::shipped();
        let distinct =
            |names: &BTreeMap<String, String>| names.values().collect::<std::collections::BTreeSet<_>>().len();
        assert!(distinct(&shipped.services) >= 100 && distinct(&shipped.regions) >= 60);
        fn is_shared<T: Send + Sync>(_: &T) {}
        is_shared(&shipped);
    }

    #[test]
    fn former_names_ids_and_the_makers_name_mean_the_same_service() {
        let shipped = Catalogue::shipped();
        let same = |names: &[&str]| {
            let keys: Vec<String> = names.iter().map(|name| shipped.service_key(name, None)).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
            assert!(names.iter().all(|name| shipped.knows_service(name)));
        };
        same(&[
            "Microsoft Entra ID",
            "Azure Active Directory",
            "azure-active-directory",
            "AAD",
        ]);
        same(&["Azure Cosmos DB", "Cosmos DB", "COSMOSDB"]);
        same(&["Azure Virtual Desktop", "Windows Virtual Desktop"]);
        same(&[
            "Virtual Machines",
            "Azure Virtual Machines",
            "FD8065F5-ffd0-4756-8788-e6a11bf36257",
        ]);
        same(&["App Service", "Azure App Service", "Microsoft App Service"]);
        assert_ne!(
            shipped.service_key("App Service (Linux)", None),
            shipped.service_key("App Service", None)
        );
    }

    #[test]
    fn a_known_id_decides_over_the_name() {
        let shipped = Catalogue::shipped();
        let id = Some("80853877-1df8-40c2-9c79-44c0d1c95e01");
        assert_eq!(shipped.service_key("Renamed Yesterday", id), "costmanagement");
        assert_eq!(
            shipped.service_key("Virtual Machines", Some("no-such-id")),
            "virtualmachines"
        );
        assert_eq!(shipped.service_key("My Own-Service", None), "myownservice");
        assert!(!shipped.knows_service("My Own-Service"));
    }

    #[test]
    fn regions_are_known_by_both_ways_of_writing_them() {
        let shipped = Catalogue::shipped();
        assert!(
            ["East US", "eastus", "southeastasia", "Global", "UK South"]
                .iter()
                .all(|name| shipped.knows_region(name))
        );
        assert!(!shipped.knows_region("East USA"));
        assert_eq!(shipped.closest_region("West Eurpoe").as_deref(), Some("West Europe"));
        assert_eq!(shipped.closest_region("Atlantis"), None);
    }

    #[test]
    fn a_mistyped_service_is_guessed() {
        let shipped = Catalogue::shipped();
        assert_eq!(
            shipped.closest_service("Virtual Machnies").as_deref(),
            Some("Virtual Machines")
        );
        assert_eq!(shipped.closest_service("Key Valut").as_deref(), Some("Key Vault"));
        assert_eq!(
            shipped.closest_service("Windows Virtual Dekstop").as_deref(),
            Some("Azure Virtual Desktop")
        );
        assert_eq!(shipped.closest_service("Toaster"), None);
    }

    #[test]
    fn a_broken_catalogue_says_why() {
        assert!(
            Catalogue::parse("services: []\nregions: [A, a]")
                .unwrap_err()
                .contains("listed twice")
        );
        let twice = "services: [{ name: A, also: [x] }, { name: B, also: [X] }]\nregions: []";
        assert!(Catalogue::parse(twice).unwrap_err().contains("two services"));
        assert!(Catalogue::parse("services: [{ nome: A }]\nregions: []").is_err());
        assert!(Catalogue::parse("services: [{ name: '- ' }]\nregions: []").is_err());
    }
}
