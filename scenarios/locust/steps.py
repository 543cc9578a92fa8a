"""Custom load shapes, example step_load.py: 10 users more every 30 s. TIME_SCALE=0.1 is ten times as fast."""
import math
import os

from locust import HttpUser, LoadTestShape, constant_pacing, task

SCALE = float(os.environ.get("TIME_SCALE", "1"))


class ShapeUser(HttpUser):
    wait_time = constant_pacing(1)

    @task
    def page(self):
        self.client.get("/")


class StepLoadShape(LoadTestShape):
    step_time = 30
    step_load = 10
    spawn_rate = 10
    time_limit = 600

    def tick(self):
        run_time = self.get_run_time() / SCALE
        if run_time > self.time_limit:
            return None
        step = math.floor(run_time / self.step_time) + 1
        return step * self.step_load, self.spawn_rate / SCALE
