"""SequentialTaskSet class: tasks in order, with the wait of the user between them."""
from locust import HttpUser, SequentialTaskSet, constant, task


def third(taskset):
    taskset.client.get("/3")


class SequenceOfTasks(SequentialTaskSet):
    @task
    def first_task(self):
        self.client.get("/1")
        self.client.get("/2")

    tasks = [third]

    @task
    def last_task(self):
        self.client.get("/4")


class SequenceUser(HttpUser):
    wait_time = constant(1)
    tasks = [SequenceOfTasks]
