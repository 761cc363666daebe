//! `matrix`: what went from zone to zone, or from region to region.

use std::collections::{BTreeMap, BTreeSet};

use kubezonnet_api::{Matrix, MatrixAsked, MatrixCell, Measure, Summary, guarded};

use crate::args::{Format, MatrixArgs, PlacesChoice, Shown, Way};
use crate::client::{Client, Question};
use crate::console::Console;
use crate::entry::money;
use crate::failure::Failure;
use crate::key;
use crate::listing::{about, at, footnotes, into_io, left_out};
use crate::text::{self, Cell, Column, Look, Micros, Scale, Table, Tone};

/// Of when it is if nothing is said.
const USUAL: &str = "1h";

/// Asks and prints.
///
/// # Errors
///
/// Those of the way to the server, its answers, and the console.
pub async fn run(args: &MatrixArgs, way: &Way, console: &mut Console) -> Result<(), Failure> {
    let asked = args.scope.asked(USUAL);
    let by = MatrixAsked { by: args.by.into() };
    let matrix = async {
        let client = Client::find(way).await?;
        let matrix: Matrix = client
            .ask(&Question::new("matrix").with(&asked).with(&by))
            .await?;
        // JSON is what the server says of the matrix, and nothing else.
        let summary = if args.scope.output == Format::Json {
            None
        } else {
            let asked = at(&asked, &matrix.range);
            Some(client.ask(&Question::new("summary").with(&asked)).await?)
        };
        Ok::<_, Failure>((client, summary, matrix))
    };
    let (client, summary, matrix) = console.wait("asking the server", matrix).await?;
    console.tell_of(&client);
    let Some(summary): Option<Summary> = summary else {
        let text = serde_json::to_string_pretty(&matrix).map_err(std::io::Error::other)?;
        console.print(&(text + "\n"))?;
        return Ok(());
    };
    if args.scope.output == Format::Csv {
        write(&matrix, console)?;
        for note in left_out(&summary) {
            console.note(&note);
        }
        return Ok(());
    }
    let look = console.look();
    let body = if args.scope.output == Format::Wide {
        list(&matrix)?.render(Look {
            width: None,
            ..look
        })
    } else {
        picture(&matrix, args, look)?
    };
    let (above, below) = (about(&summary, look)?, footnotes(&summary, look));
    console.print(&format!("{above}\n{body}{below}"))?;
    Ok(())
}

/// Both pictures, or the list where they are wider than the terminal.
fn picture(matrix: &Matrix, args: &MatrixArgs, look: Look) -> Result<String, Failure> {
    if matrix.cells.is_empty() {
        return Ok("There was no such traffic in that time.\n".to_owned());
    }
    let mut text = String::new();
    let is_wide = |table: &Table| {
        look.width
            .is_some_and(|width| table.natural_width() > width)
    };
    if args.show != Shown::Cost {
        let cells = |cell: &MatrixCell| {
            let bytes = cell.measure.bytes;
            Ok((bytes.into(), text::bytes(bytes)))
        };
        let table = grid(matrix, &corner("bytes", args.by), cells)?;
        if is_wide(&table) {
            return Ok(list(matrix)?.render(look));
        }
        text.push_str(&table.render(look));
    }
    if args.show == Shown::Bytes {
        return Ok(text);
    }
    let Some(currency) = &matrix.currency else {
        if args.show == Shown::Cost {
            text.push_str("The server knows no prices.\n");
        }
        return Ok(text);
    };
    let costs: Result<Vec<_>, _> = matrix.cells.iter().map(cost).collect();
    let scale = Scale::of(costs?.into_iter().flatten());
    let cells = |cell: &MatrixCell| {
        let cost = cost(cell)?;
        let shown = cost.map_or_else(|| "-".to_owned(), |cost| scale.text(cost));
        Ok((cost.unwrap_or_default().0, shown))
    };
    let table = grid(matrix, &corner(&format!("cost {currency}"), args.by), cells)?;
    if is_wide(&table) {
        return Ok(list(matrix)?.render(look));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&table.render(look));
    Ok(text)
}

/// What it costs; none for what has no price, which is not free.
fn cost(cell: &MatrixCell) -> Result<Option<Micros>, Failure> {
    money(cell.measure.known_cost())
}

fn corner(what: &str, by: PlacesChoice) -> String {
    let place = match by {
        PlacesChoice::Zone => "ZONE",
        PlacesChoice::Region => "REGION",
    };
    format!("{}: FROM {place} \\ TO", what.to_uppercase())
}

/// A line for each source, a column for each destination.
fn grid(
    matrix: &Matrix,
    corner: &str,
    show: impl Fn(&MatrixCell) -> Result<(u128, String), Failure>,
) -> Result<Table, Failure> {
    let sources: BTreeSet<&str> = matrix.cells.iter().map(|cell| &*cell.source).collect();
    let destinations: BTreeSet<&str> = matrix.cells.iter().map(|cell| &*cell.destination).collect();
    let mut shown = BTreeMap::new();
    for cell in &matrix.cells {
        let (size, text) = show(cell)?;
        shown.insert((&*cell.source, &*cell.destination), (size, text));
    }
    let is_between = |(source, destination): &(&str, &str)| source != destination;
    let crossing = shown.iter().filter(|(places, _)| is_between(places));
    let most = crossing
        .map(|(_, (size, _))| *size)
        .max()
        .unwrap_or_default();
    let mut columns = vec![Column::words(corner)];
    columns.extend(
        destinations
            .iter()
            .map(|name| Column::numbers(key::place(name))),
    );
    let mut table = Table::new(columns);
    for source in sources {
        let mut row: Vec<Cell> = vec![key::place(source).into()];
        for destination in &destinations {
            let places = (source, *destination);
            row.push(match shown.get(&places) {
                None => Cell::toned("·", Tone::Faint),
                // Within a place it costs nothing: what crosses is what is looked for.
                Some((_, text)) if !is_between(&places) => Cell::toned(text, Tone::Faint),
                Some((size, text)) if *size > 0 && *size >= most / 2 => {
                    Cell::toned(text, Tone::Bad)
                }
                Some((size, text)) if *size > 0 && *size >= most / 10 => {
                    Cell::toned(text, Tone::Doubtful)
                }
                Some((_, text)) => text.into(),
            });
        }
        table.push(row);
    }
    Ok(table)
}

/// A line for each cell, exact.
fn list(matrix: &Matrix) -> Result<Table, Failure> {
    let mut columns = vec![Column::names("FROM"), Column::names("TO")];
    columns.extend(["BYTES", "PACKETS", "SHARE"].map(Column::numbers));
    if let Some(currency) = &matrix.currency {
        columns.push(Column::numbers(format!("COST {currency}")));
    }
    let mut table = Table::new(columns);
    let mut cells: Vec<_> = matrix.cells.iter().collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.measure.bytes));
    for cell in cells {
        let Measure { bytes, packets, .. } = &cell.measure;
        let share = text::share((*bytes).into(), matrix.total.bytes.into());
        let mut row: Vec<Cell> = vec![
            key::place(&cell.source).into(),
            key::place(&cell.destination).into(),
            bytes.to_string().into(),
            packets.to_string().into(),
            share.into(),
        ];
        if matrix.currency.is_some() {
            let exact = |cost: Micros| Scale::Exact.text(cost);
            row.push(cost(cell)?.map_or_else(|| "-".to_owned(), exact).into());
        }
        table.push(row);
    }
    Ok(table)
}

fn write(matrix: &Matrix, console: &mut Console) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(console.out());
    let titles = ["source", "destination"].into_iter();
    let titles = titles.chain(Measure::COLUMNS);
    writer.write_record(titles).map_err(into_io)?;
    for cell in &matrix.cells {
        let Measure { bytes, packets, .. } = &cell.measure;
        let cost = cell.measure.known_cost();
        let cost = cost.map(|cost| cost.0.clone()).unwrap_or_default();
        let currency = matrix.currency.clone().unwrap_or_default();
        let (bytes, packets) = (bytes.to_string(), packets.to_string());
        let values = [
            &cell.source,
            &cell.destination,
            &bytes,
            &packets,
            &cost,
            &currency,
        ];
        let values = values.map(|value| guarded(value));
        writer
            .write_record(values.iter().map(|value| value.as_bytes()))
            .map_err(into_io)?;
    }
    writer.flush()?;
    Ok(())
}
