//! Plans for tests.

use std::time::Duration;

use super::*;

/// A closed or open model with these stages: `(level, ramp in s, duration in s)`.
pub fn load(model: Model, stages: &[(f64, f64, f64)]) -> Load {
    Load {
        model,
        stages: stages
            .iter()
            .enumerate()
            .map(|(i, (level, ramp, duration))| Stage {
                name: format!("stage {}", i + 1),
                level: *level,
                ramp: Duration::from_secs_f64(*ramp),
                duration: Duration::from_secs_f64(*duration),
                classes: Vec::new(),
            })
            .collect(),
        warmup: Duration::ZERO,
        stop_timeout: Duration::from_secs(30),
        iterations: None,
        throttle: None,
        arrivals: Arrivals::Uniform,
        shape: None,
    }
}

/// A plan with endpoints `a`, `b`, ... of these weights, each `GET /a?n={{ random_int }}`.
pub fn plan(load: Load, weights: &[u32]) -> Plan {
    let endpoint = |i: usize| {
        let name = char::from(b'a' + i as u8).to_string();
        let slot = Slot::RandomInt(1, 1_000_000);
        Endpoint {
            variables: Vec::new(),
            group: None,
            measures: Vec::new(),
            scripted: false,
            method: Method::Get,
            url: Template::new(
                format!("/{name}?n={{{{ random_int(1, 1000000) }}}}"),
                vec![
                    TemplatePart::Literal(format!("/{name}?n=")),
                    TemplatePart::Slot {
                        slot,
                        escape: Escape::None,
                    },
                ],
            ),
            name,
            host: None,
            headers: Vec::new(),
            body: Body::None,
            gzip: false,
            auth: None,
            wire: Wire::default(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_redirects: 10,
            max_body: 100_000_000,
            checks: Vec::new(),
            extract: Vec::new(),
            tags: Vec::new(),
        }
    };
    Plan {
        scenario: "test".into(),
        profile: "test".into(),
        quick_look: false,
        environment: None,
        service: Service::Url("http://127.0.0.1:1".into()),
        transport: Transport::default(),
        allowed_hosts: Default::default(),
        seed: 42,
        workers: 1,
        variables: Vec::new(),
        names: Vec::new(),
        cookies: Vec::new(),
        data: Vec::new(),
        classes: vec![UserClass {
            name: "users".into(),
            host: None,
            weight: 1,
            fixed_count: None,
            on_start: Vec::new(),
            on_stop: Vec::new(),
            think_time: ThinkTime::None,
            tasks: weights
                .iter()
                .enumerate()
                .map(|(i, weight)| Task {
                    weight: *weight,
                    think_time: None,
                    steps: vec![Step::Request(i)],
                })
                .collect(),
        }],
        endpoints: (0..weights.len()).map(endpoint).collect(),
        flows: Vec::new(),
        waits: Vec::new(),
        shared: None,
        observe: None,
        trace: None,
        abort: Vec::new(),
        lifecycle: None,
        hooks: None,
        given: Vec::new(),
        load,
        slos: Vec::new(),
        script: None,
        skipped_slos: Vec::new(),
        secrets: Secrets::default(),
    }
}
