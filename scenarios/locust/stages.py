"""Custom load shapes, example stages.py. TIME_SCALE=0.1 makes it ten times as fast."""
import os

from locust import HttpUser, LoadTestShape, constant_pacing, task

SCALE = float(os.environ.get("TIME_SCALE", "1"))


class ShapeUser(HttpUser):
    wait_time = constant_pacing(1)

    @task
    def page(self):
        self.client.get("/")


class StagesShape(LoadTestShape):
    stages = [
        {"until": 60, "users": 10, "spawn_rate": 10},
        {"until": 100, "users": 50, "spawn_rate": 10},
        {"until": 180, "users": 100, "spawn_rate": 10},
        {"until": 220, "users": 30, "spawn_rate": 10},
        {"until": 230, "users": 10, "spawn_rate": 10},
        {"until": 240, "users": 1, "spawn_rate": 1},
    ]

    def tick(self):
        for stage in self.stages:
            if self.get_run_time() < stage["until"] * SCALE:
                return stage["users"], stage["spawn_rate"] / SCALE
        return None
