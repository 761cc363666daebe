//! `cost`: what a time cost, line by line.

use kubezonnet_api::Rank;

use crate::args::{CostArgs, Way};
use crate::client::Client;
use crate::console::Console;
use crate::failure::Failure;
use crate::listing::Listing;

/// Of when it is if nothing is said.
const USUAL: &str = "7d";

/// Asks and prints.
///
/// # Errors
///
/// Those of the way to the server, its answers, and the console.
pub async fn run(args: &CostArgs, way: &Way, console: &mut Console) -> Result<(), Failure> {
    let asked = args.scope.asked(USUAL);
    let what = (args.by.into(), Rank::Cost);
    let listing = async {
        let client = Client::find(way).await?;
        Listing::ask(&client, &asked, what, args.limit).await
    };
    let listing = console.wait("asking the server", listing).await?;
    listing.print(console, args.scope.output, false)
}
