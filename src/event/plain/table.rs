//! Tables as lines of text: each cell in its column, also behind and below cells that span several.
//!
//! What a cell spans is repeated there, so that every line can be read by itself; a long value is marked as the same. How
//! much is repeated is bounded over a whole text, because a cell may span very many.

use scraper::ElementRef;

use super::Writer;

/// How many cells of a text are filled in because another one spans them.
const SPANNED_CELLS_MOST: usize = 2_000;

/// How much of values is repeated in a text, bytes; beyond that a mark stands for them.
const REPEATED_BYTES_MOST: usize = 16 << 10;

/// A longer value is not repeated, bytes.
const REPEATED_VALUE_BYTES_MOST: usize = 80;

/// What stands for a value that is not repeated.
const SAME: &str = "″";

/// What stands in an empty cell, so that the next one is not taken for it.
const EMPTY: &str = "–";

/// A cell with more lines than this is no value but a part of the page.
const CELL_LINES_MOST: usize = 3;

/// A longer cell is no value either, bytes.
const CELL_BYTES_MOST: usize = 600;

/// What tables may still repeat.
pub(super) struct Spans {
    cells: usize,
    bytes: usize,
}

impl Default for Spans {
    fn default() -> Self {
        Self {
            cells: SPANNED_CELLS_MOST,
            bytes: REPEATED_BYTES_MOST,
        }
    }
}

impl Spans {
    /// Takes a cell that another one spans; what stands in it, or `None` if no more are filled in.
    fn take(&mut self, value: &str) -> Option<String> {
        self.cells = self.cells.checked_sub(1)?;
        match self
            .bytes
            .checked_sub(value.len())
            .filter(|_| value.len() <= REPEATED_VALUE_BYTES_MOST)
        {
            Some(left) => {
                self.bytes = left;
                Some(value.to_owned())
            }
            None => Some(SAME.to_owned()),
        }
    }
}

/// A value that reaches into the rows below.
struct Reaching {
    value: String,
    rows: usize,
}

impl Writer {
    /// Writes a table. One whose rows have one cell each is only there for its looks.
    pub(super) fn table(&mut self, table: ElementRef<'_>) {
        self.block(2);
        let parts = parts(table);
        let is_layout = parts
            .iter()
            .all(|row| row.value().name() != "tr" || cells(*row).count() <= 1);
        let mut reaching: Vec<Option<Reaching>> = Vec::new();
        for row in parts {
            match row.value().name() {
                "tr" if !is_layout => self.row(row, &mut reaching),
                "tr" => {
                    self.block(1);
                    cells(row).for_each(|cell| self.children(cell));
                    self.block(1);
                }
                _ => self.boxed(1, row),
            }
        }
        self.block(2);
    }

    fn row(&mut self, row: ElementRef<'_>, reaching: &mut Vec<Option<Reaching>>) {
        let texts: Vec<(ElementRef<'_>, String)> = cells(row)
            .map(|cell| (cell, self.apart(|writer| writer.children(cell))))
            .collect();
        let is_value = |text: &String| text.lines().count() <= CELL_LINES_MOST && text.len() <= CELL_BYTES_MOST;
        let is_page = !texts.iter().all(|(_, text)| is_value(text));
        let is_alone = texts.len() == 1 && reaching.iter().all(Option::is_none);
        self.block(1);
        if is_page || is_alone {
            for (_, text) in &texts {
                self.block(if is_page { 2 } else { 1 });
                self.whole(text);
            }
        } else {
            let line = self.line(&texts, reaching);
            self.whole(&line);
        }
        self.block(1);
    }

    /// A row's values in their columns.
    fn line(&mut self, texts: &[(ElementRef<'_>, String)], reaching: &mut Vec<Option<Reaching>>) -> String {
        let mut line = Vec::new();
        for (cell, text) in texts {
            self.reach_into(&mut line, reaching);
            let value = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join(" / ");
            let [columns, rows] = ["colspan", "rowspan"].map(|key| span(*cell, key));
            for nth in 0..columns {
                let here = match nth {
                    0 => Some(value.clone()),
                    _ => self.spans.take(&value),
                };
                let Some(here) = here else { break };
                if reaching.len() <= line.len() {
                    reaching.resize_with(line.len() + 1, || None);
                }
                reaching[line.len()] = (rows > 1).then(|| Reaching {
                    value: value.clone(),
                    rows: rows - 1,
                });
                line.push(here);
            }
        }
        self.reach_into(&mut line, reaching);
        while line.last().is_some_and(String::is_empty) {
            line.pop();
        }
        let shown: Vec<&str> = line
            .iter()
            .map(|value| if value.is_empty() { EMPTY } else { value })
            .collect();
        shown.join(" | ")
    }

    /// Fills in what reaches from above into the next columns of a line.
    fn reach_into(&mut self, line: &mut Vec<String>, reaching: &mut [Option<Reaching>]) {
        while let Some(above) = reaching.get_mut(line.len()).filter(|above| above.is_some()) {
            let Some(from) = above.as_mut() else { return };
            let Some(value) = self.spans.take(&from.value) else {
                *above = None;
                return;
            };
            line.push(value);
            from.rows -= 1;
            if from.rows == 0 {
                *above = None;
            }
        }
    }
}

/// How many columns or rows a cell takes; 0 rows are all that follow.
fn span(cell: ElementRef<'_>, key: &str) -> usize {
    match cell.attr(key).and_then(|text| text.parse::<usize>().ok()) {
        None => 1,
        Some(0) if key == "rowspan" => usize::MAX,
        Some(0) => 1,
        Some(count) => count,
    }
}

/// A table's rows and captions, in order; those of tables inside of it are theirs.
fn parts(table: ElementRef<'_>) -> Vec<ElementRef<'_>> {
    let mut parts = Vec::new();
    for child in table.child_elements() {
        match child.value().name() {
            "thead" | "tbody" | "tfoot" => parts.extend(child.child_elements()),
            _ => parts.push(child),
        }
    }
    parts
}

fn cells(row: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    row.child_elements()
        .filter(|cell| matches!(cell.value().name(), "td" | "th"))
}

#[cfg(test)]
mod tests {
    use super::super::super::html::sanitise;
    use super::super::text;
    use super::*;

    fn plain(rows: &str) -> String {
        text(&sanitise(&format!("<table>{rows}</table>")))
    }

    #[test]
    fn a_value_over_several_rows_or_columns_stands_in_each_of_them() {
        let rows = "<tr><th>Service</th><th>Region</th><th>Window</th></tr>\
                    <tr><td rowspan=\"2\">Storage</td><td>West Europe</td><td>02:00</td></tr>\
                    <tr><td>North Europe</td><td>04:00</td></tr>\
                    <tr><td colspan='2'>Key Vault</td><td>02:30</td></tr>";
        assert_eq!(
            plain(rows),
            "Service | Region | Window\nStorage | West Europe | 02:00\nStorage | North Europe | 04:00\nKey Vault | Key Vault | 02:30"
        );
        let last = "<tr><td>a</td><td rowspan=2>b</td></tr><tr><td>c</td></tr><tr><td>d</td><td>e</td></tr>";
        assert_eq!(plain(last), "a | b\nc | b\nd | e");
        let both = "<tr><td rowspan=2 colspan=2>a</td><td>b</td></tr><tr><td>c</td></tr>";
        assert_eq!(plain(both), "a | a | b\na | a | c");
        let to_the_end = "<tr><td rowspan=0>a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d</td></tr>";
        assert_eq!(plain(to_the_end), "a | b\na | c\na | d");
    }

    #[test]
    fn an_empty_cell_keeps_its_column() {
        assert_eq!(
            plain("<tr><td>a</td><td></td><td>c</td></tr><tr><td></td><td>b</td><td> </td></tr>"),
            "a | – | c\n– | b"
        );
    }

    #[test]
    fn captions_heads_and_feet_are_rows_and_a_lone_cell_is_said_once() {
        let rows = "<caption>Windows</caption><thead><tr><th colspan=2>All times in UTC</th></tr></thead><tbody><tr><td>a</td><td>b</td></tr></tbody><tfoot><tr><td>x</td><td>y</td></tr></tfoot>";
        assert_eq!(plain(rows), "Windows\nAll times in UTC\na | b\nx | y");
    }

    #[test]
    fn a_table_in_a_cell_stays_in_its_cell() {
        let inner = "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>";
        assert_eq!(
            plain(&format!(
                "<tr><td>a</td><td>{inner}</td></tr><tr><td>b<br>c</td><td>d</td></tr>"
            )),
            "a | 1 | 2 / 3 | 4\nb / c | d"
        );
    }

    #[test]
    fn a_table_that_only_lays_out_a_page_is_read_as_the_page() {
        let page = "<p>One.</p><ul><li>a</li><li>b</li></ul><p>Two.</p>";
        assert_eq!(plain(&format!("<tr><td>{page}</td></tr>")), "One.\n\n- a\n- b\n\nTwo.");
        assert_eq!(
            plain(&format!("<tr><td>Menu</td><td>{page}</td></tr>")),
            "Menu\n\nOne.\n\n- a\n- b\n\nTwo."
        );
    }

    #[test]
    fn what_is_repeated_is_bounded_whatever_a_cell_spans() {
        let long = "x".repeat(REPEATED_VALUE_BYTES_MOST + 1);
        assert_eq!(
            plain(&format!("<tr><td colspan=3>{long}</td><td>y</td></tr>")),
            format!("{long} | ″ | ″ | y")
        );
        let wide =
            "<tr><td colspan=1000000000 rowspan=1000000000>a value of some length</td><td>y</td></tr>".repeat(300);
        let made = plain(&wide);
        assert!(
            made.len() < 3 * (REPEATED_BYTES_MOST + SPANNED_CELLS_MOST * 6 + wide.len()),
            "{}",
            made.len()
        );
        let html = sanitise(&format!("<table>{wide}</table>"));
        assert!(!html.contains("1000000000"));
    }
}
