"""A plain GET by Locust. `WAIT_S` makes users wait that long between requests."""

import os

from locust import FastHttpUser as Fast
from locust import HttpUser as Slow
from locust import constant, task


class FastHttpUser(Fast):
    wait_time = constant(float(os.environ.get("WAIT_S", "0")))

    @task
    def get(self):
        self.client.get("/a")


class HttpUser(Slow):
    wait_time = constant(float(os.environ.get("WAIT_S", "0")))

    @task
    def get(self):
        self.client.get("/a")
