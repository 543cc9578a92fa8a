//! The JSON report: its values.

mod fields;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::comparison::{Baseline, Gate, Statistical, Threshold, compare};
use crate::metrics::{
    ComponentCounts, MeasureCounts, Outcome, RunResult, SparseHistogram, Tick, UseCounts,
    fixture as results,
};
use crate::plan::{
    Direction, GradeLimit, MeasureUnit, Metric, Model, ObservedNumber, Percentile, Scale, Shape,
    SloScope, Stage,
};
use crate::report::fixture;

fn json(report: &Report) -> Value {
    let mut out = Vec::new();
    JsonReporter.report(report, 80, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn compared(baseline: Vec<RunResult>, run: RunResult, gate: &dyn Gate) -> Report {
    let runs = std::slice::from_ref(&run);
    let comparison = compare(&Baseline::of(baseline), runs, gate).unwrap();
    fixture::report(run, Some(comparison))
}

/// A fifth slower than its ten baseline runs.
fn slower() -> Report {
    let baseline = (0..10).map(|i| results::minute(i, 1.0 + 0.003 * ((i * 7) % 5) as f64));
    let run = results::minute(100, 1.2);
    compared(baseline.collect(), run, &Statistical::default())
}

/// Equal to a single baseline run, which cannot show that.
fn undecided() -> Report {
    let [before, run] = [0, 1].map(|number| results::minute(number, 1.0));
    compared(vec![before], run, &Statistical::default())
}

/// A sweep over three levels, of which the second is the knee.
fn sweep(model: Model) -> Report {
    let stages = [5.0, 10.0, 20.0].map(|level| Stage {
        name: format!("level {level}"),
        level,
        ramp: Duration::ZERO,
        duration: Duration::from_secs(10),
        classes: Vec::new(),
    });
    let samples = [(500u64, 10_000u64), (1_000, 10_000), (1_000, 20_000)];
    let samples = (0..)
        .zip(samples)
        .flat_map(|(stage, (count, response_us))| {
            let at_us = move |i| stage * 10_000_000 + i * 10_000_000 / count;
            (0..count).map(move |i| results::sample(0, Outcome::Ok, at_us(i), response_us))
        });
    let tick = Tick {
        samples: samples.collect(),
        ..Tick::default()
    };
    let mut result = results::of_stages(&["a"], stages.to_vec(), tick);
    result.run.load.shape = Some(Shape::Sweep);
    result.run.load.model = model;
    fixture::report(result, None)
}

/// With everything that an SLO can have, and error budgets of more than five minutes.
fn graded() -> Report {
    let mut result = fixture::failing().result;
    let (phases, ending) = (&mut result.run.phases, &mut result.run.ending);
    let last = phases.iter_mut().rfind(|phase| phase.measured).unwrap();
    last.end_us = last.start_us + 400_000_000;
    ending.as_mut().unwrap().stopped_at_us = last.end_us;
    let mut slo = results::slo("error_rate", Metric::ErrorRate, 0.001);
    slo.critical = Some(0.5);
    slo.window_s = Some(300);
    slo.grades = vec![GradeLimit {
        letter: "A".into(),
        limit: 0.001,
    }];
    let p95 = Metric::ResponseTime(Percentile::new(95.0).unwrap());
    let mut budget = results::slo("api_response_time_p95", p95, 100_000.0);
    budget.budget = true;
    result.run.slos = vec![slo, budget];
    fixture::report(result, None)
}

/// With a component of the service, and a flow.
fn parts() -> Report {
    let mut result = results::run(&[
        ("list", &[(Outcome::Ok, 20_000, 100)]),
        ("buy", &[(Outcome::Ok, 90_000, 30)]),
    ]);
    let component = ComponentCounts {
        time: SparseHistogram::of(&mut [1_200, 1_200, 2_000]),
        hits: 57,
        misses: 43,
        uses: [(
            7,
            UseCounts {
                responses: 10,
                uses: 30,
                bytes: 1_000,
            },
        )]
        .into(),
    };
    for phase in &mut result.endpoints[0].phases {
        phase.components.insert("cache".into(), component.clone());
        phase.components.insert("db".into(), component.clone());
    }
    let measure = MeasureCounts {
        unit: MeasureUnit::Count,
        values: SparseHistogram::of(&mut [1_500, 2_000]),
    };
    for phase in &mut result.endpoints[0].phases {
        phase.measures.insert("tokens".into(), measure.clone());
    }
    result.run.endpoints[1].is_flow = true;
    result.endpoints[1].endpoint.is_flow = true;
    let hits = Metric::HitRatio {
        component: "cache".into(),
    };
    let mut slo = results::slo("cache_hit_ratio", hits, 0.57);
    slo.advisory = true;
    result.run.slos = vec![slo];
    fixture::report(result, None)
}

#[test]
fn the_known_field_names_are_at_the_top() {
    let json = json(&fixture::failing());
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["grade"], "F");
    assert!((json["health_score"].as_f64().unwrap() - 53.636).abs() < 0.01);
    assert_eq!(json["total_requests"], 1100);
    let rate = json["error_rate_percent"].as_f64().unwrap();
    assert!((rate - 20.0 / 11.0).abs() < 1e-9);
    assert!(json["avg_response_time_ms"].as_f64().unwrap() > 40.0);
    assert_eq!(json["p95_response_time_ms"], 150.0);
    assert_eq!(json["critical_alerts"], 1);
    assert_eq!(json["high_alerts"], 2);
    assert_eq!(json["targets_met"], 2);
    assert_eq!(json["targets_close"], 0);
    assert_eq!(json["targets_failing"], 3);
}

#[test]
fn the_format_comes_first_with_its_version() {
    let mut out = Vec::new();
    let report = fixture::passing();
    JsonReporter.report(&report, 80, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let start = "{\n  \"format\": \"perfctl-report\",\n  \"version\": 1,\n";
    assert!(text.starts_with(start), "{}", &text[..100]);
}

#[test]
fn only_a_run_that_passed_has_a_status_that_says_so() {
    let p95 = |limit_us| {
        let p95 = Metric::ResponseTime(Percentile::new(95.0).unwrap());
        let mut result = fixture::passing().result;
        result.run.slos = vec![results::slo("p95", p95, limit_us)];
        fixture::report(result, None)
    };
    for (report, verdict, grade, status) in [
        (p95(500_000.0), "pass", json!("A+"), "excellent"),
        (p95(40_500.0), "fail", json!("A"), "fail"),
        (fixture::failing(), "fail", json!("F"), "fail"),
        (fixture::quick_look(), "pass", json!(null), "pass"),
        (fixture::invalid(), "invalid", json!(null), "invalid"),
        (undecided(), "inconclusive", json!(null), "inconclusive"),
    ] {
        let json = json(&report);
        assert_eq!(json["verdict"], verdict);
        assert_eq!(json["grade"], grade, "{verdict}");
        assert_eq!(json["status"], status, "{verdict}");
        assert_eq!(json["health_score"].is_null(), grade.is_null());
    }
}

#[test]
fn an_exceeded_budget_is_a_violation_with_its_given_fields() {
    let mut report = graded();
    assert_eq!(
        json(&report)["budgets"],
        json!([{
            "metric": "api_response_time_p95",
            "endpoint": null,
            "budget": 100.0,
            "actual": 150.0,
            "violation_percentage": 50.0,
        }])
    );
    let memory = Metric::Observed(ObservedNumber {
        name: "host_memory".into(),
        part: None,
        extreme: None,
        scale: Scale::Bytes,
        direction: Direction::AtMost,
    });
    let mut of_endpoint = report.grading.criteria.clone();
    for (criterion, name) in of_endpoint.iter_mut().zip(["a", "b"]) {
        (criterion.budget, criterion.met) = (true, false);
        criterion.scope = SloScope::Endpoint(name.to_owned());
    }
    report.grading.criteria = of_endpoint;
    let budgets = &json(&report)["budgets"];
    assert_eq!(budgets[0]["endpoint"], "a");
    assert_eq!(budgets[1]["endpoint"], "b");
    let slo = &mut report.result.run.slos[1];
    (slo.name, slo.metric, slo.limit) = ("memory_usage_mb".into(), memory, 500e6);
    let json = json(&fixture::report(report.result, None));
    let violation = &json["budgets"][0];
    assert_eq!(violation["budget"], 500.0);
    assert!(violation["actual"].is_null(), "it was not observed");
}

#[test]
fn times_are_in_milliseconds_and_shares_in_percent() {
    let json = json(&fixture::failing());
    let summary = &json["summary"];
    assert_eq!(summary["response_ms"]["count"], 1_080);
    assert_eq!(summary["response_ms"]["min"], 1.2);
    assert_eq!(summary["response_ms"]["p95"], json["p95_response_time_ms"]);
    assert_eq!(summary["response_ms"]["mean"], json["avg_response_time_ms"]);
    assert_eq!(summary["failed_ms"]["max"], 3.0);
    assert_eq!(summary["error_rate_percent"], json["error_rate_percent"]);
    assert_eq!(summary["availability_percent"], 98.6363636364);
    assert_eq!(summary["successes_per_s"], 108.0);
    assert_eq!(summary["window_s"], 10.0);
    assert_eq!(summary["received_bytes"], 1_100_000);
    assert_eq!(summary["sent_bytes"], 110_000);
    assert_eq!(json["phases"][1]["start_s"], 2.0);
    assert_eq!(json["endpoints"][0]["avg_duration_ms"], 1.2);

    let json = self::json(&parts());
    let cache = &json["summary"]["components"]["cache"];
    assert_eq!(cache["time_ms"]["p50"], 1.2);
    assert_eq!(cache["hit_ratio_percent"], 57.0);
}

#[test]
fn limits_have_the_unit_of_their_metric() {
    let slos = json(&fixture::failing())["slos"].clone();
    let of = |slo: &Value| {
        let fields = ["metric", "endpoint", "limit", "value", "unit"];
        Value::from_iter(fields.map(|field| slo[field].clone()))
    };
    let found: Vec<Value> = slos.as_array().unwrap().iter().map(of).collect();
    let expected = [
        json!(["p95", null, 500.0, 150.0, "ms"]),
        json!(["p95", "list invoices", 100.0, 150.0, "ms"]),
        json!(["error_rate", null, 1.0, 1.8181818182, "percent"]),
        json!(["availability", null, 99.9, 98.6363636364, "percent"]),
        json!(["throughput_rps", null, 100.0, 108.0, "per_s"]),
    ];
    assert_eq!(found, expected);
    let json = json(&parts());
    let fields = ["metric", "limit", "value", "unit", "advisory"];
    assert_eq!(
        fields.map(|field| json["slos"][0][field].clone()),
        [
            json!("cache_hit_ratio"),
            json!(57.0),
            json!(57.0),
            json!("percent"),
            json!(true)
        ]
    );
}

#[test]
fn changes_are_in_percent_and_those_of_error_rates_in_percentage_points() {
    let failing = fixture::failing().result;
    let before = results::run(&[
        ("health", &[(Outcome::Ok, 1_200, 580)]),
        ("list invoices", &[(Outcome::Ok, 75_000, 520)]),
    ]);
    let json = json(&compared(vec![before], failing, &Threshold::default()));
    let rows = json["comparison"]["rows"].as_array().unwrap();
    let row = |metric: &str| {
        let is_it = |row: &&Value| row["metric"] == metric && row["endpoint"] == "list invoices";
        rows.iter().find(is_it).unwrap()
    };
    let p95 = row("p95");
    assert_eq!(
        (&p95["baseline"], &p95["value"]),
        (&json!(75.0), &json!(150.0))
    );
    assert_eq!(
        (&p95["unit"], &p95["change"]),
        (&json!("ms"), &json!(100.0))
    );
    assert_eq!(p95["change_unit"], "percent");
    let errors = row("error_rate");
    assert_eq!(
        (&errors["baseline"], &errors["unit"]),
        (&json!(0.0), &json!("percent"))
    );
    assert_eq!(
        (&errors["value"], &errors["change"]),
        (&json!(3.8461538462), &json!(3.8461538462))
    );
    assert_eq!(errors["change_unit"], "percentage_points");
    let criteria = json["baseline_criteria"].as_array().unwrap();
    let worst = criteria.iter().find(|it| it["metric"] == "p95").unwrap();
    assert_eq!(
        (&worst["unit"], &worst["met"]),
        (&json!("ms"), &json!(false))
    );

    let json = self::json(&slower());
    let row = &json["comparison"]["rows"][0];
    let percent = |value: &Value| value.as_f64().unwrap();
    assert!((19.0..21.5).contains(&percent(&row["change"])), "{row}");
    assert!(
        percent(&row["range"][0]) > 15.0 && percent(&row["range"][1]) < 25.0,
        "{row}"
    );
    assert!((1.0..20.0).contains(&percent(&row["detectable"])), "{row}");
}

#[test]
fn a_knee_has_the_unit_of_its_level() {
    for (model, unit) in [
        (Model::Closed, "users"),
        (Model::Open { max_users: 9 }, "per_s"),
    ] {
        let knee = json(&sweep(model))["knee"].clone();
        let at = json!({
            "phase": "level 10",
            "level": 10.0,
            "unit": unit,
            "successes_per_s": 100.0,
            "mean_ms": 10.0,
            "p95_ms": 10.0,
        });
        assert_eq!(knee["at"], at);
        assert_eq!(knee["beyond"]["mean_ms"], 20.0);
    }
}

#[test]
fn endpoints_have_time_series() {
    let json = json(&fixture::failing());
    let endpoint = &json["endpoints"][1];
    assert_eq!(endpoint["endpoint"], "list invoices");
    assert_eq!(endpoint["total_requests"], 520);
    let series = endpoint["time_series"].as_array().unwrap();
    assert_eq!(series.len(), 10);
    assert_eq!(series[0]["start_s"], 2, "the ramp takes the first two");
    let counts = series
        .iter()
        .map(|second| second["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 520);
    assert_eq!(series[0]["p95_ms"], 150.0);
}

#[test]
fn the_time_series_at_the_top_is_that_of_all_requests() {
    let json = json(&fixture::many_errors());
    let [ramp, first] = [0, 1].map(|i| &json["time_series"][i]);
    assert_eq!((&ramp["start_s"], &ramp["count"]), (&json!(1), &json!(32)));
    assert_eq!(
        (&first["start_s"], &first["count"]),
        (&json!(5), &json!(1_074))
    );
    assert_eq!(first["avg_ms"], 2.0);

    let json = self::json(&parts());
    let of = |series: &Value| -> u64 {
        let seconds = series.as_array().unwrap().iter();
        seconds
            .map(|second| second["count"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(of(&json["time_series"]), 100, "a flow is no request");
    assert_eq!(of(&json["endpoints"][1]["time_series"]), 30);
}

#[test]
fn errors_have_counts_in_and_outside_of_the_measured_phases() {
    let json = json(&fixture::many_errors());
    let login = &json["endpoints"][0];
    assert_eq!(login["total_requests"], 0);
    assert_eq!(login["unmeasured_requests"], 20);
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 23);
    let expected = json!({
        "error_type": "http_4xx",
        "endpoint": "create order",
        "status": 422,
        "key": null,
        "check": null,
        "requests": 65,
        "unmeasured_requests": 12,
        "example": "422: qty must be an integer",
    });
    assert_eq!(errors[0], expected);
    let counted = &json["endpoints"][1]["summary"]["failure_counts"][0];
    assert_eq!(counted["count"], 65);
    assert_eq!(counted["excerpt"], "qty must be an integer", "of the ramp");
    let last = errors.last().unwrap();
    assert_eq!(
        (&last["endpoint"], &last["requests"]),
        (&"login".into(), &0.into())
    );
}

#[test]
fn the_whole_result_can_be_read_back() {
    let report = fixture::failing();
    let mut out = Vec::new();
    let full = JsonReporter.full().unwrap();
    full.report(&report, 80, &mut out).unwrap();
    let mut full: Value = serde_json::from_slice(&out).unwrap();
    let stored = full.as_object_mut().unwrap().remove("result").unwrap();
    let result: RunResult = serde_json::from_value(stored).unwrap();
    assert_eq!(result, report.result);
    assert_eq!(full, json(&report), "a short run leaves nothing out");
}

/// Reports that have every part between them.
fn all_parts() -> Vec<Value> {
    let reports = [
        fixture::passing(),
        fixture::failing(),
        fixture::regressed(),
        fixture::with_samples(fixture::many_errors()),
        fixture::spike(),
        fixture::observed(),
        fixture::traced(),
        slower(),
        undecided(),
        sweep(Model::Closed),
        parts(),
        graded(),
    ];
    let json = reports.iter().map(json);
    json.map(|mut json| {
        // Documented as `result.json`.
        json["result"] = Value::Null;
        json
    })
    .collect()
}
