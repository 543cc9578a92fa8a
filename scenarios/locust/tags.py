"""Writing a locustfile, "@tag decorator": try --tags tag1, --tags tag2 tag3, --exclude-tags tag3."""
from locust import HttpUser, constant, tag, task


class MyUser(HttpUser):
    wait_time = constant(1)

    @tag("tag1")
    @task
    def task1(self):
        self.client.get("/task1")

    @tag("tag1", "tag2")
    @task(2)
    def task2(self):
        self.client.get("/task2")

    @tag("tag3")
    @task(3)
    def task3(self):
        self.client.get("/task3")

    @task(4)
    def task4(self):
        self.client.get("/task4")
