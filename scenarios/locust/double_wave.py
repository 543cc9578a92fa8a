"""Custom load shapes, example double_wave.py: two peaks, as at lunch and in the evening. TIME_SCALE=0.1 is
ten times as fast."""
import math
import os

from locust import HttpUser, LoadTestShape, constant_pacing, task

SCALE = float(os.environ.get("TIME_SCALE", "1"))


class ShapeUser(HttpUser):
    wait_time = constant_pacing(1)

    @task
    def page(self):
        self.client.get("/")


class DoubleWave(LoadTestShape):
    low, first_peak, second_peak = 20, 60, 40
    time_limit = 600

    def tick(self):
        run_time = self.get_run_time() / SCALE
        if run_time >= self.time_limit:
            return None
        bell = lambda middle: math.exp(-((run_time / 40 - middle) ** 2))
        first = (self.first_peak - self.low) * bell(5)
        second = (self.second_peak - self.low) * bell(10)
        users = round(self.low + first + second)
        return users, users / SCALE
