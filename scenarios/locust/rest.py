"""Testing REST/JSON APIs: FastHttpUser.rest, headers, a body as JSON, what the answer holds."""
from locust import FastHttpUser, constant, task


class RestUser(FastHttpUser):
    wait_time = constant(1)

    @task(3)
    def echo(self):
        with self.rest("POST", "/post", json={"foo": 1}, headers={"x-group": "a"}) as resp:
            if resp.js is None:
                pass  # no JSON: rest() has marked it as failed
            elif resp.js["data"]["foo"] != 1:
                resp.failure(f"Unexpected value of foo in response {resp.text}")

    @task
    def item(self):
        with self.rest("GET", "/json/1") as resp:
            assert resp.js["id"] == 1, "Unexpected id"
