"""Writing a locustfile, "Grouping requests": one name for URLs with parameters."""
import random

from locust import HttpUser, constant, task


class BlogReader(HttpUser):
    wait_time = constant(1)

    @task(9)
    def read(self):
        self.client.get(f"/blog?id={random.randint(0, 9)}", name="/blog?id=[id]")

    @task
    def overview(self):
        self.client.get("/archive", name="overview")
