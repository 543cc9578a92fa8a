//! A plain GET by goose: `goose-peer --host URL --users N --run-time TIME`.
//!
//! Here: the least that goose can be asked for, without its own logs; prints how many requests it made,
//! since its report may still be empty when it ends. Not here: anything that measures, which `bench/run`
//! does from the outside. `GOOSE_PEER_WAIT_S` makes users wait that
//! long between requests.

use std::time::Duration;

use goose::prelude::*;

async fn get(user: &mut GooseUser) -> TransactionResult {
    let _ = user.get("/a").await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), GooseError> {
    let mut users = scenario!("get");
    let wait = std::env::var("GOOSE_PEER_WAIT_S").ok();
    if let Some(wait) = wait.and_then(|text| text.parse().ok()) {
        let wait = Duration::from_secs(wait);
        users = users.set_wait_time(wait, wait)?;
    }
    let metrics = GooseAttack::initialize()?
        .register_scenario(users.register_transaction(transaction!(get)))
        .execute()
        .await?;
    let requests = metrics.requests.values();
    let count: usize = requests.map(|one| one.success_count + one.fail_count).sum();
    println!("requests: {count}");
    Ok(())
}
