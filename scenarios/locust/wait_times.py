"""Writing a locustfile, "wait_time attribute": all kinds of waits."""
from locust import HttpUser, between, constant, constant_pacing, constant_throughput, task
from locust.user.wait_time import poisson


class Constant(HttpUser):
    wait_time = constant(0.5)

    @task
    def request(self):
        self.client.get("/constant")


class Between(HttpUser):
    wait_time = between(0.2, 0.8)

    @task
    def request(self):
        self.client.get("/between")


class Pacing(HttpUser):
    wait_time = constant_pacing(0.5)

    @task
    def request(self):
        self.client.get("/pacing")


class Throughput(HttpUser):
    wait_time = constant_throughput(10)

    @task
    def request(self):
        self.client.get("/throughput")


class Floored(HttpUser):
    wait_time = constant_pacing(0.02)

    @task
    def request(self):
        self.client.get("/floored")


class Poisson(HttpUser):
    wait_time = poisson(2)

    @task
    def request(self):
        self.client.get("/poisson")
