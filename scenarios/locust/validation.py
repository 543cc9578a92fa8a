"""Writing a locustfile, "Validating responses": catch_response."""
from locust import HttpUser, constant, task


class MyUser(HttpUser):
    wait_time = constant(1)

    @task
    def wrong_content(self):
        with self.client.get("/", catch_response=True) as response:
            if response.text != "Success":
                response.failure("Got wrong response")
            elif response.elapsed.total_seconds() > 0.5:
                response.failure("Request took too long")

    @task(2)
    def missing_page(self):
        with self.client.get("/does_not_exist/", catch_response=True) as response:
            if response.status_code == 404:
                response.success()

    @task
    def error(self):
        self.client.get("/error")
