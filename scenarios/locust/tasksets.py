"""TaskSet class: a section of a site that users enter, stay in, and leave by chance."""
from locust import HttpUser, TaskSet, between, constant, task


class ForumSection(TaskSet):
    wait_time = constant(1)

    @task(10)
    def view_thread(self):
        self.client.get("/forum/thread")

    @task
    def create_thread(self):
        self.client.post("/forum/new")

    @task
    def stop(self):
        self.interrupt()


class LoggedInUser(HttpUser):
    wait_time = between(5, 9)
    tasks = {ForumSection: 2}

    @task
    def front_page(self):
        self.client.get("/")
