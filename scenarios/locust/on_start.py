"""Writing a locustfile, "on_start and on_stop methods": log in and out, with a cookie."""
from locust import HttpUser, between, task


class LoggedInUser(HttpUser):
    wait_time = between(0.5, 1)

    def on_start(self):
        self.client.post("/login", {"username": "ellen_key", "password": "education"})

    def on_stop(self):
        self.client.post("/logout")

    @task(2)
    def index(self):
        self.client.get("/")

    @task(1)
    def profile(self):
        self.client.get("/profile")
