"""Writing a locustfile, "tasks": the weights of @task."""
from locust import HttpUser, between, task


class MyUser(HttpUser):
    wait_time = between(5, 15)

    @task(3)
    def task1(self):
        self.client.get("/task1")

    @task(6)
    def task2(self):
        self.client.get("/task2")
