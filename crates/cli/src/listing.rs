//! Lists of the largest with what belongs to them: what `cost` prints, and `top` where it prints once.

use kubezonnet_api::{Asked, Of, Range, ResolutionName, Summary, Top, TopAsked};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::Format;
use crate::client::{Client, Question};
use crate::console::Console;
use crate::entry::{Entry, money, saturated};
use crate::failure::Failure;
use crate::key;
use crate::text::{self, Align, Cell, Column, Look, Micros, Scale, Table, Tone};

mod lines;
mod notes;

pub(crate) use self::lines::into_io;
pub use self::notes::{about, footnotes, left_out};

/// The most items an answer has.
const PAGE: u32 = 10_000;

/// How many minutes, hours or days earlier the time of a list ends each time that it changed while it was read:
/// what it is of is whole ones of these, the last of which still grows, and windows come late.
const EARLIER: [i32; 2] = [1, 3];

/// A list, and all there is in its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// All there is.
    pub summary: Summary,
    /// The list.
    pub top: Top,
    /// Whether it ends earlier than was asked for, as the last minutes changed while it was read.
    #[serde(skip)]
    pub is_earlier: bool,
}

impl Listing {
    /// Asks the server, page by page until there are as many as its limit says; 0 is all.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn ask(client: &Client, asked: &Asked, what: &TopAsked) -> Result<Self, Failure> {
        let mut asked = asked.clone();
        let mut is_earlier = false;
        for slots in EARLIER.map(Some).into_iter().chain([None]) {
            let (top, is_one) = Self::read(client, &asked, what).await?;
            asked = at(&asked, &top.range);
            if is_one {
                let summary = client.ask(&Question::new("summary").with(&asked)).await?;
                return Ok(Self {
                    summary,
                    top,
                    is_earlier,
                });
            }
            let Some(slots) = slots else { break };
            let end = earlier(&top.range, slots);
            if end <= top.range.from {
                break;
            }
            asked.to = Some(end);
            is_earlier = true;
        }
        Err(Failure::Unavailable(
            "what was counted changed while its list was read, again and again: ask for a time that \
             ended longer ago, with --to"
                .to_owned(),
        ))
    }

    /// Reads the pages of a list; and whether they are of one. The last minutes still grow, and what grows past
    /// the end of a page that was read is in neither.
    async fn read(client: &Client, asked: &Asked, what: &TopAsked) -> Result<(Top, bool), Failure> {
        let wanted = match what.limit {
            None | Some(0) => u32::MAX,
            Some(limit) => limit,
        };
        let mut page = TopAsked {
            limit: Some(wanted.min(PAGE)),
            ..what.clone()
        };
        let ask = |page: &TopAsked| Question::new("top").with(asked).with(page);
        let mut top: Top = client.ask(&ask(&page)).await?;
        loop {
            let left = u64::from(wanted).saturating_sub(top.items.len() as u64);
            if left == 0 || top.next.is_none() {
                return Ok((top, true));
            }
            page.limit = Some(u32::try_from(left).unwrap_or(u32::MAX).min(PAGE));
            page.cursor.clone_from(&top.next);
            let more: Top = client.ask(&ask(&page)).await?;
            // Pods are known for an hour up to now: of another time they cannot be asked.
            if what.of != Of::Pods && (&more.total, more.count) != (&top.total, top.count) {
                return Ok((top, false));
            }
            let is_end = more.items.is_empty();
            top.items.extend(more.items);
            top.next = more.next;
            if is_end {
                return Ok((top, true));
            }
        }
    }

    /// Prints it; `has_pictures` with how it went over time.
    ///
    /// # Errors
    ///
    /// If an amount is none, or nobody takes it.
    pub fn print(
        &self,
        console: &mut Console,
        format: Format,
        has_pictures: bool,
    ) -> Result<(), Failure> {
        match format {
            Format::Table => {
                let text = self.text(console.look(), has_pictures)?;
                console.print(&text)?;
            }
            Format::Wide => console.print(&self.wide_text(console.look())?)?,
            Format::Json => {
                let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
                console.print(&(text + "\n"))?;
            }
            Format::Csv => {
                lines::write(&self.top, console.out())?;
                if self.is_earlier {
                    let end = &self.top.range.to;
                    console.note(&format!(
                        "What came while it was read is not in it: it ends at {end}."
                    ));
                }
                for note in left_out(&self.summary) {
                    console.note(&note);
                }
            }
        }
        Ok(())
    }

    fn text(&self, look: Look, has_pictures: bool) -> Result<String, Failure> {
        let mut text = about(&self.summary, look)?;
        text.push('\n');
        let entries = self.entries()?;
        if entries.is_empty() {
            text.push_str("There was no such traffic in that time.\n");
        } else {
            text.push_str(&self.table(&entries, has_pictures)?.render(look));
        }
        text.push_str(&footnotes(&self.summary, look));
        Ok(text)
    }

    fn entries(&self) -> Result<Vec<Entry>, Failure> {
        self.top.items.iter().map(Entry::read).collect()
    }

    /// What shares are parts of: money, where there is any, or bytes, of what is not listed too.
    ///
    /// # Errors
    ///
    /// If the amount is none.
    pub fn whole(&self) -> Result<u128, Failure> {
        let bytes = u128::from(self.top.total.bytes);
        Ok(match (self.total()?, self.top.of) {
            (Some(total), _) if self.top.currency.is_some() => total.0,
            // All of them together, as the server has added them up.
            (_, Of::Pairs | Of::Services | Of::Networks | Of::Pods) => bytes,
            // What went, once; it is in two of them: who sent it, and who received it.
            (_, Of::Workloads | Of::Namespaces | Of::Teams | Of::Zones) => 2 * bytes,
        })
    }

    /// What all that is listed, and what is not, costs.
    fn total(&self) -> Result<Option<Micros>, Failure> {
        money(self.top.total.cost.as_ref())
    }

    fn table(&self, entries: &[Entry], has_pictures: bool) -> Result<Table, Failure> {
        let has_prices = self.top.currency.is_some();
        let total = self.total()?;
        let costs = entries.iter().filter_map(|entry| entry.size.cost);
        let scale = Scale::of(costs.chain(total));
        let is_pairs = self.top.of == Of::Pairs;
        let has_zones = entries.iter().any(|entry| entry.zones.is_some());
        let has_sides = entries.iter().any(|entry| entry.size.sides.is_some());
        let mut columns = vec![Column::names(key::title(self.top.of))];
        if is_pairs {
            columns.extend([Column::names("TO"), Column::words("ACROSS")]);
        }
        if has_zones {
            columns.push(Column::words("ZONES"));
        }
        if let Some(currency) = &self.top.currency {
            columns.push(Column::numbers(format!("COST {currency}")));
        }
        columns.push(Column::numbers("SHARE"));
        if has_sides {
            columns.extend(["CROSSING", "SENT", "RECEIVED"].map(Column::numbers));
        } else {
            columns.push(Column::numbers("BYTES"));
        }
        columns.push(Column::numbers("CHANGE"));
        if has_pictures {
            columns.push(Column::words("TREND"));
        }
        let mut table = Table::new(columns);
        let all = self.whole()?;
        for entry in entries {
            let mut row: Vec<Cell> = vec![(&entry.name).into()];
            if is_pairs {
                row.push(entry.peer.as_deref().unwrap_or_default().into());
                row.push(entry.locality.map_or("", key::locality).into());
            }
            if has_zones {
                let zones = entry.zones.as_ref();
                row.push(
                    zones
                        .map_or_else(String::new, |(from, to)| format!("{from} > {to}"))
                        .into(),
                );
            }
            if has_prices {
                let cost = entry.size.cost.map(|cost| scale.text(cost));
                row.push(cost.unwrap_or_else(|| "-".to_owned()).into());
            }
            row.push(text::share(entry.weight(has_prices), all).into());
            match entry.size.sides {
                Some(sides) => {
                    let numbers = [sides.crossing, sides.sent, sides.received];
                    row.extend(numbers.map(|bytes| Cell::from(text::bytes(bytes))));
                }
                None if has_sides => row.extend(["-", "-", "-"].map(Cell::from)),
                None => row.push(text::bytes(saturated(entry.size.bytes)).into()),
            }
            row.push(change_cell(entry));
            if has_pictures {
                row.push(text::sparkline(&entry.trend, 20).into());
            }
            table.push(row);
        }
        self.add_rest(entries, &mut table, (all, scale));
        Ok(table)
    }

    /// A line for those that are not listed.
    fn add_rest(&self, entries: &[Entry], table: &mut Table, (all, scale): (u128, Scale)) {
        let others = self.top.count.saturating_sub(entries.len() as u64);
        if others == 0 {
            return;
        }
        let name = format!("({} more)", text::count(others.into()));
        let has_prices = self.top.currency.is_some();
        let listed: u128 = entries.iter().map(|entry| entry.weight(has_prices)).sum();
        let rest = all.saturating_sub(listed);
        let mut row = vec![Cell::toned(name, Tone::Faint)];
        for title in table.titles().skip(1) {
            let text = match title {
                "SHARE" => text::share(rest, all),
                title if title.starts_with("COST") => scale.text(Micros(rest)),
                _ => String::new(),
            };
            row.push(Cell::toned(text, Tone::Faint));
        }
        table.push(row);
    }

    /// All there is, as a table in exact numbers.
    fn wide_text(&self, look: Look) -> Result<String, Failure> {
        let look = Look {
            width: None,
            ..look
        };
        let mut out = about(&self.summary, look)?;
        out.push('\n');
        let is_number = |title: &str| {
            ["bytes", "packets", "cost"]
                .iter()
                .any(|end| title.ends_with(end))
        };
        let titles = lines::titles(&self.top);
        // The first says of what kind they are, as does who asked.
        let columns = titles.iter().skip(1).map(|title| {
            let align = if is_number(title) {
                Align::Right
            } else {
                Align::Left
            };
            Column::aligned(title.to_uppercase().replace('_', " "), align)
        });
        let mut table = Table::new(columns.collect());
        for item in &self.top.items {
            let values = lines::values(&self.top, item);
            let cell = |value: String| {
                if value.is_empty() {
                    "-".into()
                } else {
                    value.into()
                }
            };
            table.push(values.into_iter().skip(1).map(cell).collect());
        }
        out.push_str(&table.render(look));
        out.push_str(&footnotes(&self.summary, look));
        Ok(out)
    }
}

/// The same question of exactly the time that an answer is of: what is asked later is of no later minute.
pub(crate) fn at(asked: &Asked, range: &Range) -> Asked {
    Asked {
        since: None,
        from: Some(range.from.clone()),
        to: Some(range.to.clone()),
        ..asked.clone()
    }
}

/// So many minutes, hours or days before the end of a range, whichever it is made of; the end if that is no time.
fn earlier(range: &Range, slots: i32) -> String {
    let slot = match range.resolution {
        ResolutionName::Minute => time::Duration::MINUTE,
        ResolutionName::Hour => time::Duration::HOUR,
        ResolutionName::Day => time::Duration::DAY,
    };
    let end = OffsetDateTime::parse(&range.to, &Rfc3339);
    let earlier = end.map(|end| (end - slot * slots).format(&Rfc3339));
    match earlier {
        Ok(Ok(earlier)) => earlier,
        Ok(Err(_)) | Err(_) => range.to.clone(),
    }
}

/// How an entry changed; more is nothing to be glad of.
fn change_cell(entry: &Entry) -> Cell {
    let Some(change) = entry.change() else {
        return "".into();
    };
    let tone = match change.as_bytes() {
        [b'+', ..] => Tone::Bad,
        [b'-', ..] => Tone::Good,
        b"new" => Tone::Doubtful,
        _ => Tone::Faint,
    };
    Cell::toned(change, tone)
}
