//! The rules: their names, when they apply, what that means, and what to do next.
//!
//! Not here: how they are decided.

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`condition` says what each is about")]
pub enum Rule {
    FailedStart,
    HighErrorRate,
    HighLatency,
    LowThroughput,
    MissedSlo,
    Saturation,
    ResourceExhaustion,
    Queueing,
    SlowQueries,
    SlowComponent,
    NPlusOne,
    CacheMisses,
    Degradation,
    MemoryGrowth,
    PeriodicStalls,
    BadInstance,
    BadAddress,
    ConnectionErrors,
}

/// What is said of a rule.
struct Row {
    name: &'static str,
    condition: &'static str,
    meaning: &'static str,
    next_step: &'static str,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::FailedStart,
        Self::HighErrorRate,
        Self::HighLatency,
        Self::LowThroughput,
        Self::MissedSlo,
        Self::Saturation,
        Self::ResourceExhaustion,
        Self::Queueing,
        Self::SlowQueries,
        Self::SlowComponent,
        Self::NPlusOne,
        Self::CacheMisses,
        Self::Degradation,
        Self::MemoryGrowth,
        Self::PeriodicStalls,
        Self::BadInstance,
        Self::BadAddress,
        Self::ConnectionErrors,
    ];

    /// Its name in reports, such as `slow_queries`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether its findings say no more than the missed SLO does.
    pub fn repeats_slo(self) -> bool {
        matches!(self, Self::LowThroughput | Self::MissedSlo)
    }

    /// When it applies.
    pub fn condition(self) -> &'static str {
        self.row().condition
    }

    /// What it means for the service.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// What to do next.
    pub fn next_step(self) -> &'static str {
        self.row().next_step
    }

    fn row(self) -> Row {
        let (name, condition, meaning, next_step) = match self {
            Self::FailedStart => (
                "failed_start",
                "with 99% confidence, more than 1% of the times that users of a class carried out `on_start`, it failed",
                "a user whose `on_start` fails does nothing else, so that the load lacks its requests, or the arrival that it was started for",
                "carry out the class once: `perfctl try SCENARIO`; then look at the failed request: `perfctl report --failures`",
            ),
            Self::HighErrorRate => (
                "high_error_rate",
                "with 99% confidence, more than 20% (critical), 5% (high), or the limit of the SLO, else 1% (medium), of the finished requests failed; or an SLO on errors is missed",
                "users see failures, and the response times are those of the rest",
                "look at the most frequent error and its kept requests: `perfctl report --failures`",
            ),
            Self::HighLatency => (
                "high_latency",
                "an SLO on response times is missed",
                "requests take longer than was agreed",
                "see which component takes the time; without `Server-Timing`, profile the endpoint under this load",
            ),
            Self::LowThroughput => (
                "low_throughput",
                "an SLO on throughput is missed",
                "fewer requests succeed per second than was agreed, because the service does no more, or because the load asks for no more",
                "check that the load asks for enough: users, think times, or `--rate`",
            ),
            Self::MissedSlo => (
                "missed_slo",
                "another SLO is missed",
                "a number of the scenario's own is outside of its limit",
                "see where the scenario measures it",
            ),
            Self::Saturation => (
                "saturation",
                "from one level of the load to a higher one, throughput rose by less than a fifth as much as the load, and response times by more than 25% with 99.9% confidence",
                "the service does as much as it can; more load only waits",
                "find what is used up at that level: a pool, a lock, a core; more of it moves the limit",
            ),
            Self::ResourceExhaustion => (
                "resource_exhaustion",
                "a ratio of two observed gauges is at 95% or more in at least a fifth of the observations, and in 3 of them; or observed processes use 90% of this machine's cores on average, or in 80% of the observations one core and never more",
                "who needs the resource waits for it",
                "raise its size, or hold it for a shorter time; check what waits for it",
            ),
            Self::Queueing => (
                "queueing",
                "a component that is a wait by its name (`queue`, `wait`, `waiting`, `pool`) takes a quarter of the response time or more, at least 1 ms, in 20 responses or more; or an observed number that counts what waits by its name (`waiting`, `waiters`, `queue`, `queued`, `pending`, `backlog`) is above 0 in 80% of at least 5 observations, and 1 or more on average",
                "requests wait before they are worked on",
                "compare the number of workers or connections with the requests in flight",
            ),
            Self::SlowQueries => (
                "slow_queries",
                "an SLO on the time of a database is missed; or, on an endpoint without one, with 99% confidence, more than 5% of its times are above 100 ms, which is a p95 above 100 ms",
                "the database takes much of the response time",
                "list the slowest statements (`pg_stat_statements`, the slow query log), and look at their plans for a missing index",
            ),
            Self::SlowComponent => (
                "slow_component",
                "an SLO on the time of a component is missed",
                "a part of the service takes longer than was agreed",
                "trace a slow request through this component",
            ),
            Self::NPlusOne => (
                "n_plus_one",
                "responses with `desc=\"n=37\"` use a component at least 3 times and 10 times more often when they are long than when they are short; or at least 5 times as often as on the other endpoints, and 10 times a response",
                "there is a query for each item of a list, instead of one for all of them",
                "load what belongs to the items with the list: a join, `IN (...)`, or eager loading of the ORM",
            ),
            Self::CacheMisses => (
                "cache_misses",
                "an SLO on a hit ratio is missed; or, over all endpoints without one, it is below 80% with 99% confidence",
                "what the cache should spare is done again",
                "check the size of the cache, the lifetime of its entries, and whether keys contain what differs for each request",
            ),
            Self::Degradation => (
                "degradation",
                "the p50 of an endpoint in the last third of a phase of constant load is 1.5 times that of the first third or more, with 99.9% confidence, and 5 ms higher",
                "the service slows down though the load stays the same; a longer run would be worse",
                "look for what grows during the run: tables, lists in memory, logs, open connections",
            ),
            Self::MemoryGrowth => (
                "memory_growth",
                "an observed size in bytes rises through the measured phases by 10% or more, in steps whose mean is above 0 with 99.9% confidence; or by 30% or more, by the Mann-Kendall test at 1%; and still does in their last quarter. It takes 20 observations",
                "memory is kept that is not needed any more, or a cache has no bound",
                "run for longer to see whether it ends; compare two heap profiles",
            ),
            Self::PeriodicStalls => (
                "periodic_stalls",
                "at least 5 seconds have requests twice and 50 ms slower than usual, and their distance, 3 s or more, is so regular that chance makes it less than once in a hundred runs",
                "something stops the service at regular times: garbage collection, a scheduled job, a flush to disk",
                "compare the period with timers of the service and of its machine",
            ),
            Self::BadInstance => (
                "bad_instance",
                "with 99% confidence, one instance of the service fails for more than 1% of its requests and twice as often as all others together; or 30% of its times are above the p90 of the others, and its p50 is 1.5 times theirs",
                "one instance differs from the others: another version, machine, configuration or neighbor",
                "take it out of the balancer, and compare it with the others",
            ),
            Self::BadAddress => (
                "bad_address",
                "at least 20 requests to a host failed with a response, 90% of them from one address that has at most 60% of the connections to it",
                "one address of several responds with errors",
                "take it out of the name's addresses, and compare it with the others",
            ),
            Self::ConnectionErrors => (
                "connection_errors",
                "at least 10 requests of an endpoint failed over kept connections, or over new ones: 5 times as often as over the others, which chance makes less than once in a thousand runs",
                "errors depend on the age of the connection: the service closes idle connections early, or new ones are not served yet",
                "set the keep-alive time of the service above that of its balancer; for new connections, check the backlog and the start of workers",
            ),
        };
        Row {
            name,
            condition,
            meaning,
            next_step,
        }
    }
}
