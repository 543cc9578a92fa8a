"""Writing a locustfile, "weight and fixed_count attributes"."""
from locust import HttpUser, constant, task


class WebUser(HttpUser):
    weight = 3
    wait_time = constant(1)

    @task
    def page(self):
        self.client.get("/web")


class MobileUser(HttpUser):
    weight = 1
    wait_time = constant(1)

    @task
    def page(self):
        self.client.get("/mobile")


class AdminUser(HttpUser):
    fixed_count = 1
    wait_time = constant(1)

    @task
    def restart_app(self):
        self.client.post("/admin/restart")
