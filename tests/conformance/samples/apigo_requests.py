# ruff: noqa: I001, PTH123, T201
# fmt: off
# Printed on mass.apigo.ai's page on /v1/videos; as it stands there.
import time
import requests

headers = {"Authorization": "Bearer <TIDEMIND_API_KEY>"}

create_response = requests.post(
    "https://mass.apigo.ai/v1/videos",
    headers={**headers, "Content-Type": "application/json"},
    json={
        "model": "sora-2",
        "prompt": "一段 8 秒的 Api.Go 产品演示动画",
        "seconds": 8,
        "size": "1280x720",
    },
    timeout=60,
)
create_response.raise_for_status()
video_id = create_response.json()["id"]

while True:
    status_response = requests.get(
        f"https://mass.apigo.ai/v1/videos/{video_id}",
        headers=headers,
        timeout=60,
    )
    status_response.raise_for_status()
    status = status_response.json()["status"]

    if status == "completed":
        content_response = requests.get(
            f"https://mass.apigo.ai/v1/videos/{video_id}/content",
            headers=headers,
            timeout=120,
        )
        content_response.raise_for_status()
        with open("tidemind-demo.mp4", "wb") as f:
            f.write(content_response.content)
        print("saved tidemind-demo.mp4")
        break

    if status == "failed":
        raise RuntimeError(status_response.text)

    time.sleep(10)
