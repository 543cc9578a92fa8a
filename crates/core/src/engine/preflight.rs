//! What the load will need from this machine, before it starts: open files and local ports.
//!
//! Here: counting, and raising the limit on open files. Not here: what is in use while the load runs
//! (`health`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::health::machine::Machine;
use crate::plan::{Model, Plan, Service, UserClass};
use crate::units::format_count;

/// Open files that are not connections: the journal, the output, the timers and pollers of the
/// workers.
const RESERVE: u64 = 64;
/// Of them, for each worker.
const RESERVE_PER_WORKER: u64 = 8;

/// Raises the limit on open files to what the plan needs, as far as the system allows. Returns
/// warnings, for people, about what this machine may lack.
pub fn prepare(plan: &Plan) -> Vec<String> {
    let connections = most_connections(plan);
    let needed = needed_files(plan, connections);
    let limits = getrlimit(Resource::Nofile);
    let hard = limits.maximum.unwrap_or(u64::MAX);
    let mut allowed = limits.current.unwrap_or(u64::MAX);
    if allowed < needed {
        let wanted = Rlimit {
            current: Some(needed.min(hard)),
            maximum: limits.maximum,
        };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            allowed = needed.min(hard);
        }
    }
    let ports = Machine::this()
        .port_range()
        .map(|(low, high)| u64::from(high - low) + 1);
    // Each local address has ports of its own.
    let addresses = plan.transport.local_addresses.len().max(1) as u64;
    let ports = ports.map(|ports| ports * addresses);
    concerns(connections, needed, allowed, ports)
}

/// The most requests in flight at once; each needs a connection.
fn most_connections(plan: &Plan) -> u64 {
    let width = plan.classes.iter().map(UserClass::width).max().unwrap_or(1);
    // Parallel requests have connections of their own, besides the one for all others.
    let each = if width > 1 { width as u64 + 1 } else { 1 };
    most_users(plan) * each
}

fn most_users(plan: &Plan) -> u64 {
    match plan.load.model {
        Model::Open { max_users } => max_users.into(),
        Model::Closed => plan.load.peak().ceil() as u64,
    }
}

fn needed_files(plan: &Plan, connections: u64) -> u64 {
    // The built-in service holds the other end of each connection in the same process.
    let ends = match plan.service {
        Service::Demo => 2,
        Service::Url(_) => 1,
    };
    connections * ends + RESERVE + RESERVE_PER_WORKER * plan.workers as u64
}

fn concerns(connections: u64, needed: u64, allowed: u64, ports: Option<u64>) -> Vec<String> {
    let mut concerns = Vec::new();
    let count = format_count;
    if needed > allowed {
        concerns.push(format!(
            "up to {} connections need {} open files, but this machine allows {}: use fewer users, or \
             raise the limit (`ulimit -Hn`)",
            count(connections),
            count(needed),
            count(allowed)
        ));
    }
    if let Some(ports) = ports.filter(|ports| connections > *ports) {
        concerns.push(format!(
            "up to {} connections need a local port each, but this machine has {} for one service: use \
             fewer users, or a wider `net.ipv4.ip_local_port_range`",
            count(connections),
            count(ports)
        ));
    }
    concerns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};

    #[test]
    fn a_machine_with_enough_files_and_ports_causes_no_warning() {
        assert_eq!(concerns(100, 172, 172, Some(100)), Vec::<String>::new());
        let files = concerns(100, 172, 171, None);
        assert!(files[0].contains("need 172 open files"), "{files:?}");
        let ports = concerns(101, 173, 1_000, Some(100));
        assert!(ports[0].contains("has 100 for one service"), "{ports:?}");
    }

    #[test]
    fn the_needed_files_follow_the_users_and_the_service() {
        let closed = plan(
            load(Model::Closed, &[(5.0, 0.0, 1.0), (40.0, 0.0, 1.0)]),
            &[1],
        );
        assert_eq!(needed_files(&closed, most_users(&closed)), 40 + 72);
        let mut open = plan(load(Model::Open { max_users: 7 }, &[(5.0, 0.0, 1.0)]), &[1]);
        assert_eq!(needed_files(&open, most_users(&open)), 7 + 72);
        open.service = Service::Demo;
        assert_eq!(needed_files(&open, most_users(&open)), 14 + 72);
    }
}
