//! `cost`: what a time cost, line by line.

use kubezonnet_api::{Rank, TopAsked};

use crate::args::{CostArgs, CostBy, Way};
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
    if args.zones && args.by != CostBy::Pair {
        let message = "--zones tells pairs apart: ask with --by pair";
        return Err(Failure::Usage(message.to_owned()));
    }
    let asked = args.scope.asked(USUAL);
    let what = TopAsked {
        of: args.by.into(),
        by: Rank::Cost,
        zones: args.zones.then_some(true),
        limit: Some(args.limit),
        cursor: None,
    };
    let listing = async {
        let client = Client::find(way).await?;
        let listing = Listing::ask(&client, &asked, &what).await?;
        Ok::<_, Failure>((client, listing))
    };
    let (client, listing) = console.wait("asking the server", listing).await?;
    console.tell_of(&client);
    listing.print(console, args.scope.output, false)
}
