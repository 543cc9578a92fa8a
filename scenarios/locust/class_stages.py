"""Custom load shapes, "Restricting which user types to spawn in each tick". TIME_SCALE=0.1 is ten times as
fast."""
import os

from locust import HttpUser, LoadTestShape, constant_pacing, task

SCALE = float(os.environ.get("TIME_SCALE", "1"))


class UserA(HttpUser):
    wait_time = constant_pacing(1)

    @task
    def page(self):
        self.client.get("/a")


class UserB(HttpUser):
    wait_time = constant_pacing(1)

    @task
    def page(self):
        self.client.get("/b")


class StagesShapeWithCustomUsers(LoadTestShape):
    stages = [
        {"until": 10, "users": 10, "spawn_rate": 10, "user_classes": [UserA]},
        {"until": 30, "users": 50, "spawn_rate": 10, "user_classes": [UserA, UserB]},
        {"until": 60, "users": 100, "spawn_rate": 10, "user_classes": [UserB]},
        {"until": 120, "users": 100, "spawn_rate": 10, "user_classes": [UserA, UserB]},
    ]

    def tick(self):
        for stage in self.stages:
            if self.get_run_time() < stage["until"] * SCALE:
                return stage["users"], stage["spawn_rate"] / SCALE, stage["user_classes"]
        return None
