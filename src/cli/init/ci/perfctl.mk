# Load tests. Written by `perfctl init --ci make`; a Makefile uses it with `include perfctl.mk`.
#
#   make load-test PERFCTL_HOST=http://localhost:8000

PERFCTL ?= perfctl
# The base URL of your service. `demo` is perfctl's built-in service.
PERFCTL_HOST ?= demo
export PERFCTL_HOST

LOAD_SCENARIO ?= @SCENARIO@
LOAD_PROFILE ?= light
LOAD_BASELINE ?= baseline.json.gz
LOAD_RESULTS ?= results
# Further arguments of `perfctl run`.
LOAD_ARGS ?=

load_run = $(PERFCTL) run $(LOAD_SCENARIO) --out $(LOAD_RESULTS)
load_reports = --html load-report.html --write markdown=load-report.md --write junit=load-report.xml

.PHONY: load-smoke load-test load-volume load-baseline load-accept load-report

# A smoke test, for each push.
load-smoke:
	$(load_run) --profile smoke $(load_reports) $(LOAD_ARGS)

# A run that is compared with the baseline if there is one, for pull requests.
load-test:
	$(load_run) --profile $(LOAD_PROFILE) $(load_reports) \
		$(if $(wildcard $(LOAD_BASELINE)),--baseline $(LOAD_BASELINE) --repeat auto --inconclusive=warn) $(LOAD_ARGS)

# Hours of normal load, for every night.
load-volume:
	$(load_run) --profile volume $(load_reports) $(LOAD_ARGS)

# A run that is added to the baseline, until it covers ten occasions.
load-baseline:
	$(load_run) --profile $(LOAD_PROFILE) $(load_reports) $(LOAD_ARGS)
	$(PERFCTL) baseline add $(LOAD_BASELINE) "$$(ls -dt $(LOAD_RESULTS)/*/ | head -n 1)" --up-to 10

# A run that replaces the baseline.
load-accept:
	$(load_run) --profile $(LOAD_PROFILE) --save-baseline $(LOAD_BASELINE) $(load_reports) $(LOAD_ARGS)

# The report of the newest run again.
load-report:
	$(PERFCTL) report --out $(LOAD_RESULTS) $(load_reports)
