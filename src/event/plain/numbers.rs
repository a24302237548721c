//! The numbers of ordered lists: where they begin, which way they go, and how they are written.

use scraper::ElementRef;

/// The largest number that Roman numerals are written for.
const ROMAN_MOST: i64 = 3_999;

/// The numbers of one list.
pub(super) struct Numbers {
    next: i64,
    step: i64,
    style: Style,
}

#[derive(Clone, Copy)]
enum Style {
    Decimal,
    SmallLetters,
    Letters,
    SmallRoman,
    Roman,
}

impl Numbers {
    /// As the list says (`start`, `reversed`, `type`).
    pub fn of(list: ElementRef<'_>) -> Self {
        let is_reversed = list.attr("reversed").is_some();
        let items = list.child_elements().filter(|element| element.value().name() == "li");
        let first = match is_reversed {
            true => i64::try_from(items.count()).unwrap_or(1),
            false => 1,
        };
        Self {
            next: number(list.attr("start")).unwrap_or(first),
            step: if is_reversed { -1 } else { 1 },
            style: match list.attr("type") {
                Some("a") => Style::SmallLetters,
                Some("A") => Style::Letters,
                Some("i") => Style::SmallRoman,
                Some("I") => Style::Roman,
                _ => Style::Decimal,
            },
        }
    }

    /// The mark of the list's next item, which may say its number itself (`value`).
    pub fn mark(&mut self, item: ElementRef<'_>) -> String {
        let number = number(item.attr("value")).unwrap_or(self.next);
        self.next = number.saturating_add(self.step);
        let written = match self.style {
            Style::SmallLetters => letters(number),
            Style::Letters => letters(number).map(|text| text.to_uppercase()),
            Style::SmallRoman => roman(number),
            Style::Roman => roman(number).map(|text| text.to_uppercase()),
            Style::Decimal => None,
        };
        format!("{}.", written.unwrap_or_else(|| number.to_string()))
    }
}

/// A number as the sanitised HTML has it.
fn number(text: Option<&str>) -> Option<i64> {
    text?.trim().parse().ok()
}

/// a, b, … z, aa, ab, …
fn letters(number: i64) -> Option<String> {
    let mut rest = u32::try_from(number).ok().filter(|number| *number > 0)?;
    let mut text = Vec::new();
    while rest > 0 {
        rest -= 1;
        text.push(char::from_u32(u32::from(b'a') + rest % 26)?);
        rest /= 26;
    }
    Some(text.into_iter().rev().collect())
}

fn roman(number: i64) -> Option<String> {
    const SIGNS: [(i64, &str); 13] = [
        (1_000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if !(1..=ROMAN_MOST).contains(&number) {
        return None;
    }
    let (mut rest, mut text) = (number, String::new());
    for (value, sign) in SIGNS {
        while rest >= value {
            text.push_str(sign);
            rest -= value;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::super::html::sanitise;
    use super::super::text;

    fn marks(list: &str) -> String {
        let plain = text(&sanitise(list));
        let marks: Vec<&str> = plain
            .lines()
            .filter_map(|line| line.split_once(". ").map(|(mark, _)| mark))
            .collect();
        marks.join(" ")
    }

    #[test]
    fn numbers_begin_where_the_list_says_and_go_its_way() {
        let items = "<li>x</li><li>x</li><li>x</li>";
        for (list, expected) in [
            ("<ol>", "1 2 3"),
            ("<ol start=4>", "4 5 6"),
            ("<ol start='0'>", "0 1 2"),
            ("<ol start='-1'>", "-1 0 1"),
            ("<ol reversed>", "3 2 1"),
            ("<ol reversed start=9>", "9 8 7"),
            ("<ol type=a>", "a b c"),
            ("<ol type=A start=26>", "Z AA AB"),
            ("<ol type=i start=3>", "iii iv v"),
            ("<ol type=I start=1998>", "MCMXCVIII MCMXCIX MM"),
            ("<ol type=I start=4000>", "4000 4001 4002"),
            ("<ol type=i start=0>", "0 i ii"),
            ("<ol type=x start=no>", "1 2 3"),
        ] {
            assert_eq!(marks(&format!("{list}{items}</ol>")), expected, "{list}");
        }
        assert_eq!(
            marks("<ol><li value=5>x</li><li>x<ol start=2><li>y</li></ol></li><li value=-3>x</li></ol>"),
            "5 6   2 -3"
        );
    }

    #[test]
    fn numbers_beyond_all_lists_are_bounded() {
        for start in [
            "999999999999999999999",
            "9223372036854775807",
            "1000000001",
            "-9223372036854775808",
        ] {
            let plain = text(&sanitise(&format!(
                "<ol start='{start}'><li>x</li><li value='{start}'>y</li></ol>"
            )));
            assert_eq!(plain, "1. x\n2. y", "{start}");
        }
    }
}
