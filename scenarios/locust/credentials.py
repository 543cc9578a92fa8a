"""Users with names of their own, each taken once, from a CSV file (example dynamic_user_credentials)."""
import csv
import pathlib

from locust import HttpUser, between, task

with open(pathlib.Path(__file__).with_name("credentials.csv")) as file:
    CREDENTIALS = list(csv.DictReader(file))


class NamedUser(HttpUser):
    wait_time = between(0.5, 1)

    def on_start(self):
        self.user = CREDENTIALS.pop(0)
        answer = self.client.post("/login", self.user).json()
        self.client.headers["Authorization"] = f"Bearer {answer['token']}"

    @task
    def orders(self):
        self.client.get(f"/orders/{self.user['username']}", name="orders")
