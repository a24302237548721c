//! Names of folders and files out of what strangers wrote: plain, short, and each one once, on every system.

use std::collections::HashSet;

/// The longest part of a path, characters.
pub const PART_CHARS_MOST: usize = 60;

/// Names that Windows keeps for devices, in lower case and without an ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A part of a path: letters, digits, `-`, `_` and `.` of ASCII; never empty, never `.` or `..`, never a device.
pub fn part(text: &str, otherwise: &str) -> String {
    let kept: String = text
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            true => c,
            false => '_',
        })
        .take(PART_CHARS_MOST)
        .collect();
    let kept = kept.trim_matches('.').to_owned();
    let stem = kept.split('.').next().unwrap_or("").to_lowercase();
    let is_device = DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit()));
    match kept.chars().any(|c| c.is_ascii_alphanumeric()) {
        false => otherwise.to_owned(),
        true if is_device => format!("_{kept}"),
        true => kept,
    }
}

/// Gives each name once; names that differ in case only are the same on some systems.
#[derive(Debug, Default)]
pub struct Once(HashSet<String>);

impl Once {
    /// The name, or the name with the first number that makes it new.
    pub fn name(&mut self, name: String) -> String {
        let numbered = (2_usize..).map(|nth| format!("{name}-{nth}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| self.0.insert(name.to_lowercase()));
        free.unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tracking_id_leaves_its_folder() {
        for (id, folder) in [
            ("ABCD-123", "ABCD-123"),
            ("0NIH-U2O", "0NIH-U2O"),
            ("_SVS-5_G", "_SVS-5_G"),
            ("..", "incident"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("a\\b:c*d", "a_b_c_d"),
            ("a\u{0}b\n\u{1b}[2J", "a_b___2J"),
            ("...", "incident"),
            ("", "incident"),
            ("___", "incident"),
            ("nul", "_nul"),
            ("COM1.txt", "_COM1.txt"),
            ("name.", "name"),
            ("störung", "st_rung"),
        ] {
            assert_eq!(part(id, "incident"), folder, "{id:?}");
        }
        assert_eq!(part(&"x".repeat(5_000), "incident").len(), PART_CHARS_MOST);
    }

    #[test]
    fn two_ids_never_share_a_folder() {
        let mut once = Once::default();
        let names = ["a_b", "A_B", "a_b", "c"].map(|name| once.name(name.to_owned()));
        assert_eq!(names, ["a_b", "A_B-2", "a_b-3", "c"]);
    }
}
