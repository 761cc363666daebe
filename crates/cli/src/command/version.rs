//! `version`: that of this program, and of the server.

use kubezonnet_api::Version;
use serde_json::json;

use crate::args::{Form, Way};
use crate::client::{Client, Question};
use crate::console::Console;
use crate::failure::Failure;

/// That of this program.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// Asks, unless only that of this program is wanted, and prints.
///
/// # Errors
///
/// Those of the way to the server, after that of this program is printed.
pub async fn run(
    only_own: bool,
    output: Form,
    way: &Way,
    console: &mut Console,
) -> Result<(), Failure> {
    if output == Form::Table {
        console.print(&format!("client: {OWN}\n"))?;
    }
    let server = if only_own {
        None
    } else {
        let asked = async {
            let client = Client::find(way).await?;
            let version = client.ask::<Version>(&Question::new("version")).await?;
            Ok::<_, Failure>((client, version))
        };
        let (client, version) = console.wait("asking the server", asked).await?;
        console.tell_of(&client);
        Some((version, client.place()))
    };
    match (output, server) {
        (Form::Table, None) => {}
        (Form::Table, Some((server, place))) => {
            let version = crate::text::printable(&server.version).into_owned();
            console.print(&format!("server: {version} ({place})\n"))?;
        }
        (Form::Json, server) => {
            let server = server.map(|(server, _)| server);
            let answer = json!({ "client": { "version": OWN }, "server": server });
            console.print(&format!("{answer:#}\n"))?;
        }
    }
    Ok(())
}
