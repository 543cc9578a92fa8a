// A plain GET by k6. WAIT_S makes users wait that long between requests.
import http from "k6/http";
import { sleep } from "k6";

export default function () {
  http.get(__ENV.URL);
  if (__ENV.WAIT_S) {
    sleep(Number(__ENV.WAIT_S));
  }
}
