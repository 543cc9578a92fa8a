//! User classes and their tasks: what kinds of virtual users there are.
//!
//! Not here: the steps of a task (`step`).

use serde::Serialize;

use super::step::{Step, width};
use super::think_time::ThinkTime;

/// A kind of virtual user: which tasks it picks from, and how long it waits between them.
#[derive(Debug, Clone, Serialize)]
pub struct UserClass {
    /// The name shown in reports.
    pub name: String,
    /// The URL of its own host, if it is not that of the service. As the service's, not part of the plan that
    /// is compared and stored: the URLs of its requests hold it.
    #[serde(skip)]
    pub host: Option<String>,
    /// The share of users of this class, relative to the other classes without a fixed count; in the open
    /// model, the share of arrivals, relative to all other classes. At least 1.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: u32,
    /// In the closed model: this many users, started before the users of classes with a weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_count: Option<u32>,
    /// What the user waits between two iterations.
    pub think_time: ThinkTime,
    /// The steps that the user runs once, before its first iteration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_start: Vec<Step>,
    /// The steps that the user runs once, after its last iteration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_stop: Vec<Step>,
    /// The tasks; each iteration runs one of them, picked by weight.
    pub tasks: Vec<Task>,
}

impl UserClass {
    /// How many requests a user of this class may have in flight at once.
    pub fn width(&self) -> usize {
        let tasks = self.tasks.iter().map(|task| task.steps.as_slice());
        let all = tasks.chain([self.on_start.as_slice(), &self.on_stop]);
        all.map(width).max().unwrap_or(0)
    }
}

fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// What an iteration does: a list of steps, run in order.
#[derive(Debug, Clone, Serialize)]
pub struct Task {
    /// Relative weight, at least 1.
    pub weight: u32,
    /// Replaces the think time of the class after this task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_time: Option<ThinkTime>,
    /// The steps.
    pub steps: Vec<Step>,
}
